package iam

import (
	"slices"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// TestOperationsAreInTheModel: the names of the table are the API's.
func TestOperationsAreInTheModel(t *testing.T) {
	m, err := wire.Load("iam")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{})
	for name := range w.ops {
		if m.Operation(name) == nil {
			t.Errorf("the API has no operation %s", name)
		}
	}
	if len(w.ops) < 85 {
		t.Errorf("the table has %d operations, want at least 85", len(w.ops))
	}
}

func TestSelf(t *testing.T) {
	w := newWorld(t, Options{})
	admin := "arn:aws:iam::111122223333:user/shop-admin"
	if got := must[api.GetUserOutput](w, "GetUser", &api.GetUserInput{}).User; *got.Arn != admin || *got.UserId != w.caller.ID {
		t.Errorf("the caller's own user is %+v", got)
	}
	if got := must[api.ListAccessKeysOutput](w, "ListAccessKeys", &api.ListAccessKeysInput{}).AccessKeyMetadata; len(got) != 1 || *got[0].AccessKeyId != w.keys.Admin.ID {
		t.Errorf("the caller's own keys are %+v", got)
	}
	w.caller = w.keys.Key.Caller() // the root user
	if got := must[api.GetUserOutput](w, "GetUser", &api.GetUserInput{}).User; *got.Arn != "arn:aws:iam::111122223333:root" || *got.UserId != testAccount {
		t.Errorf("the root user is %+v", got)
	}
	if got := must[api.CreateAccessKeyOutput](w, "CreateAccessKey", &api.CreateAccessKeyInput{}).AccessKey; got.UserName != nil {
		t.Errorf("a key of the root user has the name %s", *got.UserName)
	}
	fails[api.CreateAccessKeyOutput](w, "CreateAccessKey", &api.CreateAccessKeyInput{}, "LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")
	must[api.DeleteAccessKeyOutput](w, "DeleteAccessKey", &api.DeleteAccessKeyInput{AccessKeyId: &w.keys.Key.ID})
	if _, ok := w.AccessKey(w.keys.Key.ID); ok {
		t.Error("a deleted key is found")
	}
	w.role("web")
	w.caller = w.session("web", service.Session{})
	fails[api.GetUserOutput](w, "GetUser", &api.GetUserInput{}, "ValidationError", 400, "Must specify userName when calling with non-User credentials")
}

func TestAccessKeys(t *testing.T) {
	w := newWorld(t, Options{})
	w.user("mira")
	k := must[api.CreateAccessKeyOutput](w, "CreateAccessKey", &api.CreateAccessKeyInput{UserName: new("mira")}).AccessKey
	if len(*k.AccessKeyId) != 20 || len(*k.SecretAccessKey) != 40 || k.Status != types.StatusTypeActive || *k.UserName != "mira" {
		t.Errorf("key is %+v", k)
	}
	must[api.UpdateAccessKeyOutput](w, "UpdateAccessKey", &api.UpdateAccessKeyInput{UserName: new("mira"), AccessKeyId: k.AccessKeyId, Status: types.StatusTypeInactive})
	if got, ok := w.AccessKey(*k.AccessKeyId); !ok || got.Active {
		t.Errorf("after switching it off the key is %v, active %v", ok, got.Active)
	}
	fails[api.UpdateAccessKeyOutput](w, "UpdateAccessKey", &api.UpdateAccessKeyInput{UserName: new("mira"), AccessKeyId: k.AccessKeyId, Status: "Off"}, "ValidationError", 400, "status")
	fails[api.DeleteAccessKeyOutput](w, "DeleteAccessKey", &api.DeleteAccessKeyInput{UserName: new("shop-admin"), AccessKeyId: k.AccessKeyId}, "NoSuchEntity", 404, "")

	used := must[api.GetAccessKeyLastUsedOutput](w, "GetAccessKeyLastUsed", &api.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId})
	if *used.UserName != "mira" || *used.AccessKeyLastUsed.ServiceName != "N/A" || used.AccessKeyLastUsed.LastUsedDate != nil {
		t.Errorf("a key that was never used: %+v", used.AccessKeyLastUsed)
	}
	w.Touch(*k.AccessKeyId, "s3", "eu-central-1", w.now)
	used = must[api.GetAccessKeyLastUsedOutput](w, "GetAccessKeyLastUsed", &api.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId})
	if *used.AccessKeyLastUsed.ServiceName != "s3" || *used.AccessKeyLastUsed.Region != "eu-central-1" || used.AccessKeyLastUsed.LastUsedDate == nil {
		t.Errorf("a used key: %+v", used.AccessKeyLastUsed)
	}
	if _, ok := w.AccessKey("AKIAIOSFODNN7EXAMPLE"); ok {
		t.Error("an unknown key is found")
	}
}

func TestGroups(t *testing.T) {
	w := newWorld(t, Options{Quotas: Quotas{GroupsPerUser: 2}})
	w.user("mira")
	for _, g := range []string{"b", "A", "c"} {
		w.mustRun(step{"CreateGroup", &api.CreateGroupInput{GroupName: &g}})
	}
	add := func(g string) step {
		return step{"AddUserToGroup", &api.AddUserToGroupInput{GroupName: &g, UserName: new("mira")}}
	}
	w.mustRun(add("b"))
	w.mustRun(add("B")) // again, in another case
	w.mustRun(add("a"))
	if _, err := w.run(add("c")); code(err) != "LimitExceeded" {
		t.Errorf("a third group: %v, want LimitExceeded", err)
	}
	var got []string
	for _, g := range must[api.ListGroupsForUserOutput](w, "ListGroupsForUser", &api.ListGroupsForUserInput{UserName: new("mira")}).Groups {
		got = append(got, *g.GroupName)
	}
	if want := []string{"A", "b"}; !slices.Equal(got, want) {
		t.Errorf("the user's groups are %v, want %v", got, want)
	}
	w.mustRun(step{"UpdateGroup", &api.UpdateGroupInput{GroupName: new("b"), NewGroupName: new("devs"), NewPath: new("/x/")}})
	if out := must[api.GetGroupOutput](w, "GetGroup", &api.GetGroupInput{GroupName: new("devs")}); len(out.Users) != 1 || *out.Users[0].UserName != "mira" || *out.Group.Arn != "arn:aws:iam::111122223333:group/x/devs" {
		t.Errorf("the renamed group is %+v", out)
	}
	_, err := w.run(step{"UpdateGroup", &api.UpdateGroupInput{GroupName: new("devs"), NewGroupName: new("C")}})
	if code(err) != "EntityAlreadyExists" {
		t.Errorf("renaming to a taken name: %v, want EntityAlreadyExists", err)
	}
	w.mustRun(step{"UpdateGroup", &api.UpdateGroupInput{GroupName: new("devs"), NewGroupName: new("DEVS")}}) // case only
	_, err = w.run(step{"RemoveUserFromGroup", &api.RemoveUserFromGroupInput{GroupName: new("c"), UserName: new("mira")}})
	if code(err) != "NoSuchEntity" {
		t.Errorf("removing a user who is no member: %v, want NoSuchEntity", err)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	tagged := func(tags ...string) step {
		in := &api.TagRoleInput{RoleName: new("web")}
		for i := 0; i < len(tags); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &tags[i], Value: &tags[i+1]})
		}
		return step{"TagRole", in}
	}
	list := func() string {
		var out []string
		for _, tag := range must[api.ListRoleTagsOutput](w, "ListRoleTags", &api.ListRoleTagsInput{RoleName: new("web")}).Tags {
			out = append(out, *tag.Key+"="+*tag.Value)
		}
		return strings.Join(out, " ")
	}
	w.mustRun(tagged("Department", "finance", "empty", ""))
	w.mustRun(tagged("department", "hr")) // replaces, it is the same key
	if got, want := list(), "department=hr empty="; got != want {
		t.Errorf("tags are %q, want %q", got, want)
	}
	w.mustRun(step{"UntagRole", &api.UntagRoleInput{RoleName: new("web"), TagKeys: []string{"DEPARTMENT", "nope"}}})
	if got, want := list(), "empty="; got != want {
		t.Errorf("tags are %q, want %q", got, want)
	}
	for _, test := range []struct{ key, value, code string }{
		{"", "v", "ValidationError"}, {strings.Repeat("k", 129), "v", "ValidationError"},
		{"k", strings.Repeat("v", 257), "ValidationError"}, {"k!", "v", "ValidationError"},
		{"aws:k", "v", "InvalidInput"}, {"ключ", "значение", ""},
	} {
		if _, err := w.run(tagged(test.key, test.value)); code(err) != test.code {
			t.Errorf("tag %q=%q: %v, want %q", test.key, test.value, err, test.code)
		}
	}
	var many []string
	for i := range 49 {
		many = append(many, "k"+string(rune('a'+i/26))+string(rune('a'+i%26)), "v")
	}
	if _, err := w.run(tagged(many...)); code(err) != "LimitExceeded" {
		t.Errorf("51 tags: %v, want LimitExceeded", err)
	}
}

func TestInstanceProfiles(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	w.role("other")
	p := must[api.CreateInstanceProfileOutput](w, "CreateInstanceProfile", &api.CreateInstanceProfileInput{InstanceProfileName: new("Web"), Path: new("/app/")}).InstanceProfile
	if *p.Arn != "arn:aws:iam::111122223333:instance-profile/app/Web" || p.Roles == nil {
		t.Errorf("instance profile is %+v", p)
	}
	add := func(role string) step {
		return step{"AddRoleToInstanceProfile", &api.AddRoleToInstanceProfileInput{InstanceProfileName: new("web"), RoleName: &role}}
	}
	w.mustRun(add("web"))
	_, err := w.run(add("other"))
	if code(err) != "LimitExceeded" || !strings.Contains(err.Error(), "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1") {
		t.Errorf("a second role: %v, want LimitExceeded", err)
	}
	got, ok := w.InstanceProfileByARN(*p.Arn)
	if role, found := w.RoleByID(got.RoleID); !ok || !found || role.Name != "web" {
		t.Errorf("by ARN the profile is %+v, %v", got, ok)
	}
	for _, arn := range []string{"arn:aws:iam::111122223333:instance-profile/Web", "arn:aws:iam::111122223333:role/web", "x"} {
		if _, ok := w.InstanceProfileByARN(arn); ok {
			t.Errorf("there is an instance profile at %s", arn)
		}
	}
	list := must[api.ListInstanceProfilesForRoleOutput](w, "ListInstanceProfilesForRole", &api.ListInstanceProfilesForRoleInput{RoleName: new("web")}).InstanceProfiles
	if len(list) != 1 || *list[0].Roles[0].RoleName != "web" {
		t.Errorf("profiles of the role are %+v", list)
	}
	_, err = w.run(step{"RemoveRoleFromInstanceProfile", &api.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("web"), RoleName: new("other")}})
	if code(err) != "NoSuchEntity" {
		t.Errorf("removing another role: %v, want NoSuchEntity", err)
	}
}

func TestServiceLinkedRoles(t *testing.T) {
	w := newWorld(t, Options{})
	in := &api.CreateServiceLinkedRoleInput{AWSServiceName: new("ecs.amazonaws.com")}
	role := must[api.CreateServiceLinkedRoleOutput](w, "CreateServiceLinkedRole", in).Role
	if *role.Arn != "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" {
		t.Errorf("role is %s", *role.Arn)
	}
	fails[api.CreateServiceLinkedRoleOutput](w, "CreateServiceLinkedRole", in, "InvalidInput", 400,
		"Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.")
	fails[api.CreateServiceLinkedRoleOutput](w, "CreateServiceLinkedRole", &api.CreateServiceLinkedRoleInput{AWSServiceName: new("nope.amazonaws.com")}, "InvalidInput", 400, "nope.amazonaws.com")
	name := role.RoleName
	for _, s := range []step{
		{"DeleteRole", &api.DeleteRoleInput{RoleName: name}},
		{"PutRolePolicy", &api.PutRolePolicyInput{RoleName: name, PolicyName: new("p"), PolicyDocument: new(allowS3)}},
		{"AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: name, PolicyArn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}},
		{"UpdateAssumeRolePolicy", &api.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: new(trustEC2)}},
	} {
		if _, err := w.run(s); code(err) != "UnmodifiableEntity" {
			t.Errorf("%s: %v, want UnmodifiableEntity", s.name, err)
		}
	}
	if got := must[api.ListAttachedRolePoliciesOutput](w, "ListAttachedRolePolicies", &api.ListAttachedRolePoliciesInput{RoleName: name}).AttachedPolicies; len(got) != 1 || *got[0].PolicyName != "AmazonECSServiceRolePolicy" {
		t.Errorf("attached are %+v", got)
	}
	task := must[api.DeleteServiceLinkedRoleOutput](w, "DeleteServiceLinkedRole", &api.DeleteServiceLinkedRoleInput{RoleName: name}).DeletionTaskId
	if !strings.HasPrefix(*task, "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/") {
		t.Errorf("task is %s", *task)
	}
	if got := must[api.GetServiceLinkedRoleDeletionStatusOutput](w, "GetServiceLinkedRoleDeletionStatus", &api.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}).Status; got != types.DeletionTaskStatusTypeSucceeded {
		t.Errorf("status is %s", got)
	}
	fails[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: name}, "NoSuchEntity", 404, "")
	if left := attachmentsLeft(w); left != 1 {
		t.Errorf("%d attachments are left, want only the administrator's", left)
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t, Options{})
	if got := must[api.ListAccountAliasesOutput](w, "ListAccountAliases", &api.ListAccountAliasesInput{}).AccountAliases; !slices.Equal(got, []string{"shop"}) {
		t.Errorf("aliases are %v", got)
	}
	if _, err := w.CreateAccount("444455556666", "other"); err != nil {
		t.Fatal(err)
	}
	fails[api.CreateAccountAliasOutput](w, "CreateAccountAlias", &api.CreateAccountAliasInput{AccountAlias: new("other")}, "EntityAlreadyExists", 409, "The account alias other already exists.")
	fails[api.CreateAccountAliasOutput](w, "CreateAccountAlias", &api.CreateAccountAliasInput{AccountAlias: new("No")}, "ValidationError", 400, "accountAlias")
	w.mustRun(step{"CreateAccountAlias", &api.CreateAccountAliasInput{AccountAlias: new("store")}})
	w.mustRun(step{"DeleteAccountAlias", &api.DeleteAccountAliasInput{AccountAlias: new("store")}})
	fails[api.DeleteAccountAliasOutput](w, "DeleteAccountAlias", &api.DeleteAccountAliasInput{AccountAlias: new("shop")}, "NoSuchEntity", 404, "shop")
	w.role("web")
	got := must[api.GetAccountSummaryOutput](w, "GetAccountSummary", &api.GetAccountSummaryInput{}).SummaryMap
	for key, want := range map[string]int32{"Users": 1, "Roles": 1, "RolesQuota": 1000, "Policies": 0, "PolicySizeQuota": 6144, "AccountAccessKeysPresent": 1, "VersionsPerPolicyQuota": 5} {
		if n, ok := got[key]; !ok || n != want {
			t.Errorf("%s is %d, %v, want %d", key, n, ok, want)
		}
	}
	// Accounts do not see each other.
	other := w.caller
	other.Account = "444455556666"
	w.caller = other
	fails[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: new("web")}, "NoSuchEntity", 404, "")
}
