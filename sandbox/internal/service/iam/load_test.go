package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

func sampleAccount(t testing.TB, edits ...string) *account.Account {
	t.Helper()
	src, err := os.ReadFile("testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(edits...).Replace(string(src))
	a, err := account.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// details reads the account back through the API, in pages of one, with the
// entities that CreateAccount made left out.
func (w *world) details() *account.Account {
	w.t.Helper()
	var pages []*account.Account
	var marker *string
	for {
		out := must[api.GetAccountAuthorizationDetailsOutput](w, "GetAccountAuthorizationDetails", &api.GetAccountAuthorizationDetailsInput{MaxItems: new(int32(1)), Marker: marker})
		if n := len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList) + len(out.Policies); n > 1 {
			w.t.Fatalf("a page of one has %d things", n)
		}
		marker = out.Marker
		out.Marker, out.IsTruncated = nil, false
		text, err := json.Marshal(out)
		if err != nil {
			w.t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			w.t.Fatal(err)
		}
		text, err = json.Marshal(clean(tree))
		if err != nil {
			w.t.Fatal(err)
		}
		a, err := account.Parse(text)
		if err != nil {
			w.t.Fatalf("the API's answer is no account: %v\n%s", err, text)
		}
		pages = append(pages, a)
		if marker == nil {
			break
		}
	}
	a, err := account.Merge(pages...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// clean drops what the wire would not carry: absent members, and the SDK's
// own.
func clean(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "ResultMetadata")
		delete(v, "SourceRoleTemplate")
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				v[k] = clean(e)
			}
		}
		if list, ok := v["InstanceProfileList"].([]any); ok {
			for _, p := range list {
				delete(p.(map[string]any), "Roles")
			}
		}
	case []any:
		for i := range v {
			v[i] = clean(v[i])
		}
	}
	return v
}

// TestLoadRoundTrip loads an account and reads the same one back.
func TestLoadRoundTrip(t *testing.T) {
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := New(st, Options{})
	in := sampleAccount(t)
	if err := s.Load("", in, nil); err != nil {
		t.Fatal(err)
	}
	w := worldOver(t, st, Options{})
	out := w.details()
	out.Users = out.Users[1:] // the administrator
	if w.keys.Admin.UserName != "admin" || len(out.Users) != 1 {
		t.Errorf("the administrator is %q, the users beside are %+v", w.keys.Admin.UserName, out.Users)
	}
	// Lists come back in the API's order, and AWS's policies in the
	// sandbox's version with ids of its own.
	got, want := comparable(t, out), comparable(t, in)
	if got != want {
		t.Errorf("the account came back as\n%s\nwant\n%s", got, want)
	}
}

// comparable writes an account in one order, AWS's policies left out.
func comparable(t *testing.T, a *account.Account) string {
	t.Helper()
	c := *a
	c.Policies, c.Roles = nil, nil
	for _, p := range a.Policies {
		if !p.AWS() {
			c.Policies = append(c.Policies, p)
		}
	}
	for _, name := range []string{"deploy", "web"} {
		for _, r := range a.Roles {
			if r.Name == name {
				c.Roles = append(c.Roles, r)
			}
		}
	}
	text, err := account.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLoadedAccountWorks decides with a loaded account: ids are kept, trust
// policies hold ids, groups and boundaries bind.
func TestLoadedAccountWorks(t *testing.T) {
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := New(st, Options{})
	if err := s.Load(testAccount, sampleAccount(t), nil); err != nil {
		t.Fatal(err)
	}
	w := worldOver(t, st, Options{})
	deploy, ok := w.RoleByARN("arn:aws:iam::111122223333:role/ops/deploy")
	if !ok || deploy.ID != "AROAEXAMPLEEXAMPLE002" {
		t.Fatalf("role is %+v, %v", deploy, ok)
	}
	stored := deploy.Trust.Source()
	for _, id := range []string{"AIDAEXAMPLEEXAMPLE001", "AROAEXAMPLEEXAMPLE001", "AROAEXAMPLEOFTHEDEAD1"} {
		if !strings.Contains(stored, `"`+id+`"`) {
			t.Errorf("the stored trust policy has no %s: %s", id, stored)
		}
	}
	key := must[api.CreateAccessKeyOutput](w, "CreateAccessKey", &api.CreateAccessKeyInput{UserName: new("mira")}).AccessKey
	k, _ := w.AccessKey(*key.AccessKeyId)
	if got := w.may(k.Caller(), "s3:GetObject"); got != policy.Allow {
		t.Errorf("s3:GetObject is %v, want Allow by the group's policy", got)
	}
	if got := w.may(k.Caller(), "ec2:RunInstances"); got != policy.ImplicitDeny {
		t.Errorf("ec2:RunInstances is %v, want ImplicitDeny by the boundary", got)
	}
	if got := w.may(w.session("deploy", service.Session{}), "s3:PutObject"); got != policy.Allow {
		t.Errorf("s3:PutObject is %v, want Allow by the attached policy", got)
	}
	p, ok := w.InstanceProfile(testAccount, "web")
	if !ok || p.RoleID != "AROAEXAMPLEEXAMPLE001" {
		t.Errorf("instance profile is %+v, %v", p, ok)
	}
	fails[api.DeletePolicyOutput](w, "DeletePolicy", &api.DeletePolicyInput{PolicyArn: new("arn:aws:iam::111122223333:policy/limits")}, "DeleteConflict", 409, "")
}

// TestLoadAcrossAccounts: a role may trust an account that is loaded later.
func TestLoadAcrossAccounts(t *testing.T) {
	w := newWorld(t, Options{})
	other := "arn:aws:iam::444455556666:role/web"
	first := sampleAccount(t, "arn:aws:iam::111122223333:role/web\",\n                                \"AROA", other+"\",\n                                \"AROA")
	if err := w.Load("", first, nil); err != nil {
		t.Fatal(err)
	}
	trust := func() string {
		r, _ := w.Role(testAccount, "deploy")
		return r.Trust.Source()
	}
	if !strings.Contains(trust(), other) {
		t.Fatalf("the trust policy is %s, want %s in it", trust(), other)
	}
	second := sampleAccount(t, testAccount, "444455556666", "EXAMPLEEXAMPLE", "EXAMPLEEXAMPL2")
	if err := w.Load("", second, nil); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(trust(), other) || !strings.Contains(trust(), "AROAEXAMPLEEXAMPL2001") {
		t.Errorf("after the other account came the trust policy is %s, want the id", trust())
	}
	if n := len(w.Accounts()); n != 2 {
		t.Errorf("there are %d accounts, want 2", n)
	}
}

func TestLoadPoliciesOfAWS(t *testing.T) {
	w := newWorld(t, Options{})
	a := sampleAccount(t, "AmazonS3ReadOnlyAccess", "AmazonNewThing")
	if err := w.Load("", a, nil); err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:iam::aws:policy/AmazonNewThing"
	if got := must[api.GetPolicyOutput](w, "GetPolicy", &api.GetPolicyInput{PolicyArn: &arn}).Policy; *got.AttachmentCount != 1 || *got.PolicyId != "ANPAIZTJ4DXE7G6AGAE6M" {
		t.Errorf("policy is %+v", got)
	}
	if _, err := w.run(step{"DeletePolicy", &api.DeletePolicyInput{PolicyArn: &arn}}); code(err) != "AccessDenied" {
		t.Errorf("deleting it: %v, want AccessDenied", err)
	}
	found := false
	for _, p := range must[api.ListPoliciesOutput](w, "ListPolicies", &api.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, MaxItems: new(int32(1000))}).Policies {
		found = found || *p.Arn == arn
	}
	if !found {
		t.Error("it is not in the list of AWS's policies")
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		id   string
		a    *account.Account
		want string
	}{
		{"other account", "444455556666", sampleAccount(t), "the data is of account 111122223333"},
		{"no account", "", &account.Account{}, "12 digits"},
		{"partition", "", sampleAccount(t, "arn:aws:", "arn:aws-cn:"), "partition aws"},
		{"unknown policy", "", sampleAccount(t, `"PolicyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"`, `"PolicyArn": "arn:aws:iam::aws:policy/Nope"`), "group developers uses policy arn:aws:iam::aws:policy/Nope"},
		{"unknown group", "", sampleAccount(t, "                \"developers\"\n", "                \"nobody\"\n"), "user mira: group nobody is not in the data"},
		{"taken", "", sampleAccount(t, "mira", "shop-admin"), "user shop-admin exists already"},
		{"id twice", "", sampleAccount(t, "AROAEXAMPLEEXAMPLE002", "AROAEXAMPLEEXAMPLE001"), "the unique id AROAEXAMPLEEXAMPLE001 exists already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			before := w.store.Revision()
			err := w.Load(test.id, test.a, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Load: %v, want an error with %q", err, test.want)
			}
			if got := w.store.Revision(); got != before {
				t.Error("a failed Load changed the state")
			}
		})
	}
}

func BenchmarkLoad1000Roles(b *testing.B) {
	a := sampleAccount(b)
	deploy := a.Roles[1]
	for i := range 1000 {
		r := deploy
		r.Name = fmt.Sprintf("role-%04d", i)
		r.ARN, r.ID = "arn:aws:iam::111122223333:role/ops/"+r.Name, fmt.Sprintf("AROAEXAMPLEEXAMP%04d", i)
		a.Roles = append(a.Roles, r)
	}
	for b.Loop() {
		st, err := store.Open("")
		if err != nil {
			b.Fatal(err)
		}
		if err := New(st, Options{}).Load("", a, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLoadIsMarkedOrUndone: what is done in the same transaction undoes the
// load where it fails.
func TestLoadIsMarkedOrUndone(t *testing.T) {
	w := newWorld(t, Options{})
	full := errors.New("no room for the mark")
	if err := w.Load(testAccount, sampleAccount(t), func(*store.Tx) error { return full }); !errors.Is(err, full) {
		t.Fatalf("got %v, want %v", err, full)
	}
	marked := 0
	if err := w.Load(testAccount, sampleAccount(t), func(*store.Tx) error { marked++; return nil }); err != nil || marked != 1 {
		t.Errorf("after a load that was undone: %v, marked %d times", err, marked)
	}
}
