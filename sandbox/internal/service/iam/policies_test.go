package iam

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"pgregory.net/rapid"
)

func attachmentsLeft(w *world) (n int) {
	w.view(func(tx *store.Tx) { n = attachments.Count(tx, "") })
	return n
}

func TestVersions(t *testing.T) {
	w := newWorld(t, Options{})
	arn := w.policy("p")
	for i := 2; i <= 5; i++ {
		v := must[api.CreatePolicyVersionOutput](w, "CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(allowAll), SetAsDefault: i == 3}).PolicyVersion
		if *v.VersionId != fmt.Sprintf("v%d", i) || v.IsDefaultVersion != (i == 3) {
			t.Errorf("version %d is %s, default %v", i, *v.VersionId, v.IsDefaultVersion)
		}
	}
	fails[api.CreatePolicyVersionOutput](w, "CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(allowAll)}, "LimitExceeded", 409,
		"A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	fails[api.DeletePolicyVersionOutput](w, "DeletePolicyVersion", &api.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: new("v3")}, "DeleteConflict", 409, "Cannot delete the default version of a policy.")
	fails[api.GetPolicyVersionOutput](w, "GetPolicyVersion", &api.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v9")}, "NoSuchEntity", 404, "v9")
	fails[api.GetPolicyVersionOutput](w, "GetPolicyVersion", &api.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("9")}, "ValidationError", 400, "versionId")
	must[api.DeletePolicyVersionOutput](w, "DeletePolicyVersion", &api.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: new("v5")})
	if v := must[api.CreatePolicyVersionOutput](w, "CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(allowAll)}).PolicyVersion; *v.VersionId != "v6" {
		t.Errorf("the version after the deleted v5 is %s, want v6: numbers are not used again", *v.VersionId)
	}
	must[api.SetDefaultPolicyVersionOutput](w, "SetDefaultPolicyVersion", &api.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")})
	if p := must[api.GetPolicyOutput](w, "GetPolicy", &api.GetPolicyInput{PolicyArn: &arn}).Policy; *p.DefaultVersionId != "v1" {
		t.Errorf("default version is %s, want v1", *p.DefaultVersionId)
	}
	var got []string
	for _, v := range must[api.ListPolicyVersionsOutput](w, "ListPolicyVersions", &api.ListPolicyVersionsInput{PolicyArn: &arn}).Versions {
		got = append(got, *v.VersionId)
	}
	if want := []string{"v6", "v4", "v3", "v2", "v1"}; !slices.Equal(got, want) {
		t.Errorf("versions are %v, want %v", got, want)
	}
	doc := must[api.GetPolicyVersionOutput](w, "GetPolicyVersion", &api.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")}).PolicyVersion.Document
	if text, err := url.PathUnescape(*doc); err != nil || text != allowS3 || strings.ContainsAny(*doc, `{"/:`) {
		t.Errorf("document is %s, decoded %q (%v), want %s", *doc, text, err, allowS3)
	}
}

func TestManagedPoliciesOfAWS(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	ecs := "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
	must[api.AttachRolePolicyOutput](w, "AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &ecs})
	got := must[api.GetPolicyOutput](w, "GetPolicy", &api.GetPolicyInput{PolicyArn: &ecs}).Policy
	if *got.AttachmentCount != 1 || *got.DefaultVersionId != "v10" || *got.Path != "/service-role/" || got.CreateDate.IsZero() {
		t.Errorf("policy is %+v", got)
	}
	doc := must[api.GetPolicyVersionOutput](w, "GetPolicyVersion", &api.GetPolicyVersionInput{PolicyArn: &ecs, VersionId: new("v10")}).PolicyVersion.Document
	if text, _ := url.PathUnescape(*doc); !strings.Contains(text, `"ecs:DiscoverPollEndpoint"`) {
		t.Errorf("document is %s", text)
	}
	fails[api.AttachRolePolicyOutput](w, "AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: new("web"),
		PolicyArn: new("arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy")}, "PolicyNotAttachable", 400, "")
	for _, s := range []step{
		{"DeletePolicy", &api.DeletePolicyInput{PolicyArn: &ecs}},
		{"CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: &ecs, PolicyDocument: new(allowAll)}},
		{"TagPolicy", &api.TagPolicyInput{PolicyArn: &ecs, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}},
		{"SetDefaultPolicyVersion", &api.SetDefaultPolicyVersionInput{PolicyArn: &ecs, VersionId: new("v10")}},
	} {
		if _, err := w.run(s); code(err) != "AccessDenied" {
			t.Errorf("%s on a policy of AWS: %v, want AccessDenied", s.name, err)
		}
	}
	other := newWorld(t, Options{Partition: "aws-cn"})
	if p := must[api.GetPolicyOutput](other, "GetPolicy", &api.GetPolicyInput{PolicyArn: new("arn:aws-cn:iam::aws:policy/AdministratorAccess")}).Policy; *p.PolicyName != "AdministratorAccess" {
		t.Errorf("in China the policy is %+v", p)
	}
}

func TestInlineAndAttachQuotas(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	w.user("mira")
	big := strings.Replace(allowS3, `"*"`, `"arn:aws:s3:::`+strings.Repeat("b", 1500)+`"`, 1)
	put := func(name string) *api.PutUserPolicyInput {
		return &api.PutUserPolicyInput{UserName: new("mira"), PolicyName: &name, PolicyDocument: &big}
	}
	must[api.PutUserPolicyOutput](w, "PutUserPolicy", put("one"))
	must[api.PutUserPolicyOutput](w, "PutUserPolicy", put("one")) // the same again replaces
	fails[api.PutUserPolicyOutput](w, "PutUserPolicy", put("two"), "LimitExceeded", 409, "Maximum policy size of 2048 bytes exceeded for user mira")
	fails[api.PutRolePolicyOutput](w, "PutRolePolicy", &api.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("p"), PolicyDocument: new(`{"Statement":[]`)}, "MalformedPolicyDocument", 400, "")
	huge := strings.Replace(allowS3, `"*"`, `"arn:aws:s3:::`+strings.Repeat("b", 7000)+`"`, 1)
	fails[api.CreatePolicyOutput](w, "CreatePolicy", &api.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: &huge}, "LimitExceeded", 409, "Cannot exceed quota for PolicySize: 6144")
	loose := strings.ReplaceAll(allowS3, ",", ","+strings.Repeat(" ", 2000))
	must[api.CreatePolicyOutput](w, "CreatePolicy", &api.CreatePolicyInput{PolicyName: new("loose"), PolicyDocument: &loose})
	for i := range 11 {
		arn := w.policy(fmt.Sprintf("p%d", i))
		in := &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &arn}
		if i == 10 {
			fails[api.AttachRolePolicyOutput](w, "AttachRolePolicy", in, "LimitExceeded", 409, "Cannot exceed quota for PoliciesPerRole: 10")
			continue
		}
		must[api.AttachRolePolicyOutput](w, "AttachRolePolicy", in)
		must[api.AttachRolePolicyOutput](w, "AttachRolePolicy", in)
	}
	if n := len(must[api.ListAttachedRolePoliciesOutput](w, "ListAttachedRolePolicies", &api.ListAttachedRolePoliciesInput{RoleName: new("web")}).AttachedPolicies); n != 10 {
		t.Errorf("%d policies are attached, want 10", n)
	}
	small := newWorld(t, Options{Quotas: Quotas{Roles: 1}})
	small.role("a")
	fails[api.CreateRoleOutput](small, "CreateRole", &api.CreateRoleInput{RoleName: new("b"), AssumeRolePolicyDocument: new(trustEC2)}, "LimitExceeded", 409, "Cannot exceed quota for RolesPerAccount: 1")
}

func TestListPolicies(t *testing.T) {
	w := newWorld(t, Options{})
	a, b := w.policy("a"), w.policy("b")
	w.role("web")
	must[api.AttachRolePolicyOutput](w, "AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &a})
	must[api.PutRolePermissionsBoundaryOutput](w, "PutRolePermissionsBoundary", &api.PutRolePermissionsBoundaryInput{RoleName: new("web"), PermissionsBoundary: &b})
	list := func(in *api.ListPoliciesInput) (got []string) {
		for _, p := range must[api.ListPoliciesOutput](w, "ListPolicies", in).Policies {
			got = append(got, *p.PolicyName)
		}
		return got
	}
	for _, test := range []struct {
		in   *api.ListPoliciesInput
		want []string
	}{
		{&api.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}, []string{"a", "b"}},
		{&api.ListPoliciesInput{OnlyAttached: true}, []string{"a", "AdministratorAccess"}},
		{&api.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, OnlyAttached: true}, []string{"a"}},
		{&api.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, []string{"b"}},
		{&api.ListPoliciesInput{PathPrefix: new("/job-function/")}, []string{"ViewOnlyAccess"}},
	} {
		if got := list(test.in); !slices.Equal(got, test.want) {
			t.Errorf("ListPolicies %+v = %v, want %v", test.in, got, test.want)
		}
	}
	if n := len(list(&api.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, MaxItems: new(int32(1000))})); n < 26 {
		t.Errorf("there are %d policies of AWS, want at least 26", n)
	}
	got := must[api.ListEntitiesForPolicyOutput](w, "ListEntitiesForPolicy", &api.ListEntitiesForPolicyInput{PolicyArn: &b, PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy})
	if len(got.PolicyRoles) != 0 {
		t.Errorf("a boundary counts as attached: %+v", got)
	}
	got = must[api.ListEntitiesForPolicyOutput](w, "ListEntitiesForPolicy", &api.ListEntitiesForPolicyInput{PolicyArn: &b})
	if len(got.PolicyRoles) != 1 || *got.PolicyRoles[0].RoleName != "web" {
		t.Errorf("entities of the boundary are %+v", got)
	}
}

// TestPaging lists with every page size, while names come and go, and wants
// every name that was there throughout exactly once and in order.
func TestPaging(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, Options{})
		all := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-cA-C]{1,3}`), 0, 12, strings.ToLower).Draw(rt, "names")
		for _, name := range all {
			w.role(name)
		}
		doomed := map[string]bool{}
		for _, name := range all {
			if rapid.Bool().Draw(rt, "doomed") {
				doomed[name] = true
			}
		}
		size := rapid.Int32Range(1, 5).Draw(rt, "size")
		var got []string
		var marker *string
		for pages := 0; ; pages++ {
			out := must[api.ListRolesOutput](w, "ListRoles", &api.ListRolesInput{MaxItems: &size, Marker: marker})
			if out.IsTruncated != (out.Marker != nil) || len(out.Roles) > int(size) || pages > len(all)+1 {
				rt.Fatalf("page %d: truncated %v, marker %v, %d roles", pages, out.IsTruncated, out.Marker, len(out.Roles))
			}
			for _, r := range out.Roles {
				got = append(got, *r.RoleName)
			}
			if pages == 0 {
				for name := range doomed {
					must[api.DeleteRoleOutput](w, "DeleteRole", &api.DeleteRoleInput{RoleName: &name})
				}
			}
			if !out.IsTruncated {
				break
			}
			marker = out.Marker
		}
		if !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
			rt.Fatalf("roles are out of order: %v", got)
		}
		for _, name := range all {
			count := 0
			for _, g := range got {
				if g == name {
					count++
				}
			}
			if count > 1 || count == 0 && !doomed[name] {
				rt.Fatalf("role %s is listed %d times in %v", name, count, got)
			}
		}
	})
}

func TestPagingErrors(t *testing.T) {
	w := newWorld(t, Options{})
	for _, in := range []*api.ListRolesInput{{MaxItems: new(int32(0))}, {MaxItems: new(int32(1001))}, {Marker: new("not base64!")}, {PathPrefix: new("x")}} {
		fails[api.ListRolesOutput](w, "ListRoles", in, "ValidationError", 400, "")
	}
}
