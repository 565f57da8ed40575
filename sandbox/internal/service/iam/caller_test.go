package iam

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// session makes a caller of a role, as STS would.
func (w *world) session(role string, s service.Session) service.Caller {
	w.t.Helper()
	r, ok := w.Role(testAccount, role)
	if !ok {
		w.t.Fatalf("there is no role %s", role)
	}
	return service.Caller{Name: r.Name, UserID: r.ID + ":s", Session: &s, Principal: policy.Principal{
		Type: policy.AssumedRole, ARN: "arn:aws:sts::" + testAccount + ":assumed-role/" + r.Name + "/s", Account: testAccount, Issuer: r.ARN, ID: r.ID}}
}

// may decides an action on everything in the caller's account.
func (w *world) may(c service.Caller, action string) policy.Outcome {
	w.t.Helper()
	set, err := w.Policies(&c)
	if err != nil {
		w.t.Fatal(err)
	}
	return set.Decide(&policy.Request{Principal: c.Principal, Action: action, Resource: "arn:aws:s3:::b/k", ResourceAccount: testAccount, Context: policy.NewContext()}).Outcome
}

func allow(action string) *string {
	return new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`)
}

func TestPoliciesFollowChanges(t *testing.T) {
	w := newWorld(t, Options{})
	w.user("mira")
	key := must[api.CreateAccessKeyOutput](w, "CreateAccessKey", &api.CreateAccessKeyInput{UserName: new("mira")}).AccessKey
	k, ok := w.AccessKey(*key.AccessKeyId)
	if !ok || k.Secret != *key.SecretAccessKey || !k.Active || k.UserName != "mira" {
		t.Fatalf("key is %v, %v", k, ok)
	}
	mira := k.Caller()
	check := func(after, action string, want policy.Outcome) {
		t.Helper()
		if got := w.may(mira, action); got != want {
			t.Errorf("after %s, %s is %v, want %v", after, action, got, want)
		}
	}
	check("nothing", "s3:GetObject", policy.ImplicitDeny)
	w.mustRun(step{"PutUserPolicy", &api.PutUserPolicyInput{UserName: new("mira"), PolicyName: new("p"), PolicyDocument: allow("s3:GetObject")}})
	check("an inline policy", "s3:GetObject", policy.Allow)

	w.mustRun(step{"CreateGroup", &api.CreateGroupInput{GroupName: new("devs")}})
	w.mustRun(step{"AddUserToGroup", &api.AddUserToGroupInput{GroupName: new("devs"), UserName: new("mira")}})
	check("joining a group", "s3:PutObject", policy.ImplicitDeny)
	w.mustRun(step{"PutGroupPolicy", &api.PutGroupPolicyInput{GroupName: new("devs"), PolicyName: new("p"), PolicyDocument: allow("s3:PutObject")}})
	check("a group policy", "s3:PutObject", policy.Allow)

	arn := w.policy("m")
	w.mustRun(step{"AttachGroupPolicy", &api.AttachGroupPolicyInput{GroupName: new("devs"), PolicyArn: &arn}})
	check("attaching", "s3:DeleteObject", policy.ImplicitDeny)
	w.mustRun(step{"CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: allow("s3:DeleteObject"), SetAsDefault: true}})
	check("a new version", "s3:DeleteObject", policy.Allow)
	w.mustRun(step{"SetDefaultPolicyVersion", &api.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")}})
	check("the old version", "s3:DeleteObject", policy.ImplicitDeny)

	limit := *must[api.CreatePolicyOutput](w, "CreatePolicy", &api.CreatePolicyInput{PolicyName: new("limit"), PolicyDocument: allow("s3:Get*")}).Policy.Arn
	w.mustRun(step{"PutUserPermissionsBoundary", &api.PutUserPermissionsBoundaryInput{UserName: new("mira"), PermissionsBoundary: &limit}})
	check("a boundary", "s3:PutObject", policy.ImplicitDeny)
	check("a boundary", "s3:GetObject", policy.Allow)

	w.mustRun(step{"UpdateUser", &api.UpdateUserInput{UserName: new("mira"), NewUserName: new("m")}})
	check("renaming", "s3:GetObject", policy.Allow)
	w.mustRun(step{"RemoveUserFromGroup", &api.RemoveUserFromGroupInput{GroupName: new("devs"), UserName: new("m")}})
	w.mustRun(step{"DeleteUserPermissionsBoundary", &api.DeleteUserPermissionsBoundaryInput{UserName: new("m")}})
	check("leaving", "s3:PutObject", policy.ImplicitDeny)
	check("leaving", "s3:GetObject", policy.Allow)
}

func TestSessionPolicies(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	w.mustRun(step{"PutRolePolicy", &api.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("p"), PolicyDocument: allow("s3:*")}})
	arn := w.policy("get")
	for _, test := range []struct {
		session service.Session
		action  string
		want    policy.Outcome
	}{
		{service.Session{}, "s3:PutObject", policy.Allow},
		{service.Session{Policies: []string{*allow("s3:GetObject")}}, "s3:PutObject", policy.ImplicitDeny},
		{service.Session{Policies: []string{*allow("s3:GetObject")}}, "s3:GetObject", policy.Allow},
		{service.Session{Policies: []string{*allow("ec2:*")}}, "ec2:RunInstances", policy.ImplicitDeny},
		{service.Session{PolicyARNs: []string{arn}}, "s3:GetObject", policy.Allow},
		{service.Session{PolicyARNs: []string{arn}}, "s3:PutObject", policy.ImplicitDeny},
		{service.Session{PolicyARNs: []string{arn}, Policies: []string{*allow("s3:PutObject")}}, "s3:PutObject", policy.Allow},
		{service.Session{PolicyARNs: []string{arn + "x"}}, "s3:GetObject", policy.ImplicitDeny}, // gone, but it did limit
	} {
		if got := w.may(w.session("web", test.session), test.action); got != test.want {
			t.Errorf("with %+v %s is %v, want %v", test.session, test.action, got, test.want)
		}
	}
	user, root := w.keys.Admin.Principal, w.keys.Key.Principal
	for _, test := range []struct {
		issuer, id string
		policies   []string
		want       policy.Outcome
	}{
		{user.ARN, user.ID, nil, policy.ImplicitDeny},
		{user.ARN, user.ID, []string{*allow("s3:*")}, policy.Allow},
		{root.ARN, "", []string{*allow("s3:*")}, policy.Allow},
		{root.ARN, "", nil, policy.ImplicitDeny},
	} {
		c := service.Caller{Session: &service.Session{Policies: test.policies}, Principal: policy.Principal{
			Type: policy.FederatedUser, ARN: "arn:aws:sts::" + testAccount + ":federated-user/bob", Account: testAccount, Issuer: test.issuer, ID: test.id}}
		if got := w.may(c, "s3:GetObject"); got != test.want {
			t.Errorf("federated by %s with %v: %v, want %v", test.issuer, test.policies, got, test.want)
		}
	}
	if got := w.may(w.keys.Key.Caller(), "s3:GetObject"); got != policy.Allow {
		t.Errorf("the root user: %v, want Allow", got)
	}
	if got := w.may(service.Caller{Principal: policy.Principal{Type: policy.Anonymous}}, "s3:GetObject"); got != policy.ImplicitDeny {
		t.Errorf("anonymous: %v, want ImplicitDeny", got)
	}
}

func TestAlive(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	old := w.session("web", service.Session{})
	if !w.Alive(&old) {
		t.Error("the role exists and its session is dead")
	}
	w.mustRun(step{"DeleteRole", &api.DeleteRoleInput{RoleName: new("web")}})
	w.role("web")
	if w.Alive(&old) {
		t.Error("the session of a deleted role came to life with another role of its name")
	}
	if _, err := w.Policies(&old); err == nil {
		t.Error("a dead session has policies")
	}
	for _, c := range []service.Caller{w.keys.Admin.Caller(), w.keys.Key.Caller(), {Principal: policy.Principal{Type: policy.Anonymous}}} {
		if !w.Alive(&c) {
			t.Errorf("%s is dead", c.ARN)
		}
	}
}

func TestPrincipalTags(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	w.mustRun(step{"TagRole", &api.TagRoleInput{RoleName: new("web"), Tags: []types.Tag{{Key: new("Team"), Value: new("shop")}, {Key: new("stage"), Value: new("prod")}}}})
	c := w.session("web", service.Session{})
	if got, want := w.PrincipalTags(&c), map[string]string{"Team": "shop", "stage": "prod"}; !maps.Equal(got, want) {
		t.Errorf("tags are %v, want %v", got, want)
	}
	c = w.session("web", service.Session{Tags: map[string]string{"team": "ops", "run": "7"}})
	if got, want := w.PrincipalTags(&c), map[string]string{"team": "ops", "stage": "prod", "run": "7"}; !maps.Equal(got, want) {
		t.Errorf("with session tags they are %v, want %v", got, want)
	}
}

// TestReopen starts a second sandbox over the same directory.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	open := func() *store.Store {
		st, err := store.OpenOptions(dir, store.Options{Fast: true})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := open()
	first := worldOver(t, st, Options{})
	role := first.role("web")
	must[api.CreateRoleOutput](first, "CreateRole", &api.CreateRoleInput{RoleName: new("target"), AssumeRolePolicyDocument: new(trusting(*role.Arn))})
	st.Close()
	st = open()
	defer st.Close()
	second := worldOver(t, st, Options{})
	if second.keys != first.keys {
		t.Errorf("keys are %+v, want those of the first start", second.keys)
	}
	if got := second.trustOf("target"); got != trusting(*role.Arn) {
		t.Errorf("trust policy is %s", got)
	}
	if got := second.may(second.keys.Admin.Caller(), "s3:GetObject"); got != policy.Allow {
		t.Errorf("the administrator: %v, want Allow", got)
	}
}

func TestCreateAccountErrors(t *testing.T) {
	w := newWorld(t, Options{})
	for _, test := range []struct{ id, alias, want string }{
		{"12345", "", "must be 12 digits"},
		{"444455556666", "A", "is not valid"},
		{"444455556666", "shop", "belongs to account 111122223333"},
	} {
		if _, err := w.CreateAccount(test.id, test.alias); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("CreateAccount(%q, %q): %v, want %q", test.id, test.alias, err, test.want)
		}
	}
	if got := w.Accounts(); len(got) != 1 || got[0].ID != testAccount || got[0].Alias != "shop" {
		t.Errorf("accounts are %+v", got)
	}
}

// ExampleKey shows that printing a key does not print its secret.
func ExampleKey() {
	k := Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "hazardous", Principal: policy.Principal{ARN: "arn:aws:iam::111122223333:user/mira"}}
	fmt.Printf("%v\n%+v\n%#v\n%s\n", k, k, k, RootKey{Account: "111122223333", Key: k, Admin: k})
	slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})).Info("made", "key", k)
	// Output:
	// AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira
	// AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira
	// AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira
	// account 111122223333: AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira, AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira
	// level=INFO msg=made key="AKIAIOSFODNN7EXAMPLE of arn:aws:iam::111122223333:user/mira"
}

// TestTogether reads callers' policies while roles and policies change.
func TestTogether(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	arn := w.policy("m")
	w.mustRun(step{"AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &arn}})
	c := w.session("web", service.Session{Policies: []string{*allow("s3:GetObject")}})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				if set, err := w.Policies(&c); err != nil || len(set.Identity) == 0 || !w.Alive(&c) {
					t.Errorf("policies are %v, %v", set, err)
				}
				w.Touch(c.ID, "s3", "us-east-1", w.now)
			}
		})
		wg.Go(func() {
			name := fmt.Sprint("p", i)
			for range 20 {
				if _, err := w.run(step{"PutRolePolicy", &api.PutRolePolicyInput{RoleName: new("web"), PolicyName: &name, PolicyDocument: new(allowS3)}}); err != nil {
					t.Error(err)
				}
				if _, err := w.run(step{"DeleteRolePolicy", &api.DeleteRolePolicyInput{RoleName: new("web"), PolicyName: &name}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestIDsHoldTheAccount reads accounts back out of ids. The fixed id is a
// key of AWS's, as published with its account.
func TestIDsHoldTheAccount(t *testing.T) {
	w := newWorld(t, Options{})
	for _, account := range []string{"000000000000", "000000000001", testAccount, "999999999999"} {
		for _, prefix := range []string{"AKIA", "ASIA", "AROA", "AIDA"} {
			id := w.NewID(prefix, account)
			want := 21
			if prefix == "AKIA" || prefix == "ASIA" {
				want = 20
			}
			if got, ok := AccountOfID(id); !ok || got != account || len(id) != want || !strings.HasPrefix(id, prefix) {
				t.Errorf("%s is %d characters and of account %s, %v; want %d and %s", id, len(id), got, ok, want, account)
			}
		}
	}
	if got, ok := AccountOfID("ASIAQNZGKIQY56JQ7WML"); !ok || got != "029608264753" {
		t.Errorf("the published key is of account %s, %v, want 029608264753", got, ok)
	}
	for _, bad := range []string{"", "AKIA", "AKIAIOSFODNN7EXAMPLE", "AKIA0000000000000000", strings.Repeat("é", 20)} {
		if got, ok := AccountOfID(bad); ok {
			t.Errorf("AccountOfID(%q) = %s, want none", bad, got)
		}
	}
	ids := []string{}
	for range 100 {
		ids = append(ids, w.NewID("AROA", testAccount))
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 100 {
		t.Errorf("of 100 ids %d are different", n)
	}
}

func benchmarkWorld(b *testing.B, roles int) (*world, []service.Caller) {
	w := newWorld(b, Options{Quotas: Quotas{Roles: roles}})
	callers := make([]service.Caller, roles)
	for i := range callers {
		name := fmt.Sprintf("role-%05d", i)
		w.role(name)
		w.mustRun(step{"PutRolePolicy", &api.PutRolePolicyInput{RoleName: &name, PolicyName: new("p"), PolicyDocument: new(allowS3)}})
		w.mustRun(step{"AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: &name, PolicyArn: new("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")}})
		callers[i] = w.session(name, service.Session{})
		w.may(callers[i], "s3:GetObject") // compiles
	}
	return w, callers
}

func BenchmarkPolicies(b *testing.B) {
	w, callers := benchmarkWorld(b, 10_000)
	b.Run("still", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := w.Policies(&callers[i%len(callers)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("moving", func(b *testing.B) { // every request finds a new revision
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			w.store.Update(func(tx *store.Tx) error { aliases.Put(tx, "bench", fmt.Sprint(i)); return nil })
			b.StartTimer()
			if _, err := w.Policies(&callers[i%len(callers)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkListRoles(b *testing.B) {
	w, _ := benchmarkWorld(b, 2000)
	for b.Loop() {
		must[api.ListRolesOutput](w, "ListRoles", &api.ListRolesInput{})
	}
}
