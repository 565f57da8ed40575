package iam

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// fill sets the fields of an input to values that name things that exist.
func fill(t *testing.T, in any, values map[string]string) {
	t.Helper()
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if !f.CanSet() {
			continue
		}
		switch f.Interface().(type) {
		case *string:
			if s, ok := values[name]; ok {
				f.Set(reflect.ValueOf(&s))
			}
		case []types.Tag:
			f.Set(reflect.ValueOf([]types.Tag{{Key: new("team"), Value: new("shop")}}))
		case []string:
			f.Set(reflect.ValueOf([]string{"team"}))
		}
	}
}

// TestChecksFitReference asks every operation for its checks and compares
// them with the service authorization reference: the action exists, the
// resource is of a type that the action has, and no condition key is sent
// that the action or resource does not have.
func TestChecksFitReference(t *testing.T) {
	src, err := os.ReadFile("testdata/actions.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference map[string]struct{ Resources, Keys []string }
	if err := json.Unmarshal(src, &reference); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{})
	policy := *must[api.CreatePolicyOutput](w, "CreatePolicy", &api.CreatePolicyInput{
		PolicyName: new("limits"), PolicyDocument: new(allowAll), Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}).Policy.Arn
	tags := []types.Tag{{Key: new("stage"), Value: new("prod")}}
	must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: new("web"), Path: new("/app/"), AssumeRolePolicyDocument: new(trustEC2), PermissionsBoundary: &policy, Tags: tags})
	must[api.CreateUserOutput](w, "CreateUser", &api.CreateUserInput{UserName: new("mira"), Path: new("/people/"), PermissionsBoundary: &policy, Tags: tags})
	must[api.CreateGroupOutput](w, "CreateGroup", &api.CreateGroupInput{GroupName: new("developers"), Path: new("/people/")})
	must[api.CreateInstanceProfileOutput](w, "CreateInstanceProfile", &api.CreateInstanceProfileInput{InstanceProfileName: new("web"), Path: new("/app/"), Tags: tags})
	values := map[string]string{
		"RoleName": "web", "UserName": "mira", "GroupName": "developers", "InstanceProfileName": "web",
		"PolicyArn": policy, "PermissionsBoundary": policy, "PolicyName": "some-policy", "Path": "/x/",
		"AWSServiceName": "ecs.amazonaws.com", "AccessKeyId": w.keys.Admin.ID,
		"DeletionTaskId": "task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/1",
		"NewUserName":    "mira2", "NewGroupName": "developers2", "Name": "corp", "Url": "https://example.com",
		"OpenIDConnectProviderArn": "arn:aws:iam::" + testAccount + ":oidc-provider/example.com",
		"SAMLProviderArn":          "arn:aws:iam::" + testAccount + ":saml-provider/corp",
		"PolicySourceArn":          "arn:aws:iam::" + testAccount + ":role/app/web",
	}
	must[api.CreateOpenIDConnectProviderOutput](w, "CreateOpenIDConnectProvider", &api.CreateOpenIDConnectProviderInput{Url: new("https://example.com"), Tags: tags})
	wantKey := map[string]string{ // the keys that a call must carry, beside tags
		"AttachRolePolicy": keyPolicyARN, "DetachUserPolicy": keyPolicyARN, "AttachGroupPolicy": keyPolicyARN,
		"PutRolePermissionsBoundary": keyBoundary, "CreateUser": keyBoundary, "CreateRole": keyBoundary,
		"PutUserPolicy": keyBoundary, "DeleteRolePolicy": keyBoundary, "AddRoleToInstanceProfile": keyPassedTo,
		"CreateServiceLinkedRole": keyService, "TagUser": "aws:TagKeys", "UntagRole": "aws:TagKeys",
		"CreatePolicy": "aws:RequestTag/team", "GetRole": "iam:ResourceTag/stage", "DeleteUser": "aws:ResourceTag/stage",
		"GetInstanceProfile": "aws:ResourceTag/stage", "GetPolicy": "aws:ResourceTag/a",
		"CreateOpenIDConnectProvider": "aws:RequestTag/team", "GetOpenIDConnectProvider": "aws:ResourceTag/stage",
	}
	for name, op := range w.ops {
		in := op.Input()
		fill(t, in, values)
		checks, err := op.Checks(&service.Request{Caller: w.caller, Now: w.now}, in)
		if err != nil || len(checks) == 0 {
			t.Errorf("%s: checks %v, %v", name, checks, err)
			continue
		}
		if checks[0].Action != "iam:"+name {
			t.Errorf("%s asks for %s first", name, checks[0].Action)
		}
		found := wantKey[name] == ""
		for _, c := range checks {
			ref, ok := reference[strings.TrimPrefix(c.Action, "iam:")]
			if !ok {
				t.Errorf("%s asks for %s, which does not exist", name, c.Action)
				continue
			}
			// Listings have no resource in the reference; AWS names the
			// collection in their denials and we check it there.
			if kind := typeOf(c.Resource); len(ref.Resources) > 0 && !slices.Contains(ref.Resources, kind) {
				t.Errorf("%s asks for %s on %s, want a %v", name, c.Action, c.Resource, ref.Resources)
			}
			for _, kv := range c.Context {
				found = found || kv.Key == wantKey[name]
				generic, _, slash := strings.Cut(kv.Key, "/")
				if slash {
					generic += "/${TagKey}"
				}
				if !slices.Contains(ref.Keys, generic) {
					t.Errorf("%s sends %s with %s, which has only %v", name, kv.Key, c.Action, ref.Keys)
				}
				if len(kv.Values) == 0 {
					t.Errorf("%s sends %s without value", name, kv.Key)
				}
			}
		}
		if !found {
			t.Errorf("%s does not send %s: %+v", name, wantKey[name], checks)
		}
	}
}

// typeOf is the resource type in an ARN.
func typeOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return arn
	}
	kind, _, _ := strings.Cut(parts[5], "/")
	return kind
}

// TestCheckedResources pins the ARNs that are asked for.
func TestCheckedResources(t *testing.T) {
	w := newWorld(t, Options{})
	must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: new("web"), Path: new("/app/"), AssumeRolePolicyDocument: new(trustEC2)})
	must[api.CreateUserOutput](w, "CreateUser", &api.CreateUserInput{UserName: new("mira")})
	for _, test := range []struct {
		name string
		in   any
		want []string // "action resource"
	}{
		{"CreateRole", &api.CreateRoleInput{RoleName: new("x"), Path: new("/a/b/")}, []string{"iam:CreateRole role/a/b/x"}},
		{"CreateRole", &api.CreateRoleInput{RoleName: new("x"), Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}, []string{"iam:CreateRole role/x", "iam:TagRole role/x"}},
		{"GetRole", &api.GetRoleInput{RoleName: new("WEB")}, []string{"iam:GetRole role/app/web"}},
		{"GetRole", &api.GetRoleInput{RoleName: new("nope")}, []string{"iam:GetRole role/nope"}},
		{"ListRoles", &api.ListRolesInput{}, []string{"iam:ListRoles role/"}},
		{"ListRoles", &api.ListRolesInput{PathPrefix: new("/app/")}, []string{"iam:ListRoles role/app/"}},
		{"GetUser", &api.GetUserInput{}, []string{"iam:GetUser user/shop-admin"}},
		{"CreateAccessKey", &api.CreateAccessKeyInput{UserName: new("mira")}, []string{"iam:CreateAccessKey user/mira"}},
		{"UpdateUser", &api.UpdateUserInput{UserName: new("mira"), NewPath: new("/p/")}, []string{"iam:UpdateUser user/mira", "iam:UpdateUser user/p/mira"}},
		{"UpdateUser", &api.UpdateUserInput{UserName: new("mira")}, []string{"iam:UpdateUser user/mira"}},
		{"AddRoleToInstanceProfile", &api.AddRoleToInstanceProfileInput{InstanceProfileName: new("p"), RoleName: new("web")}, []string{"iam:AddRoleToInstanceProfile instance-profile/p", "iam:PassRole role/app/web"}},
		{"CreateServiceLinkedRole", &api.CreateServiceLinkedRoleInput{AWSServiceName: new("ecs.amazonaws.com")}, []string{"iam:CreateServiceLinkedRole role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"}},
	} {
		op := w.ops[test.name]
		checks, err := op.Checks(&service.Request{Caller: w.caller, Now: w.now}, test.in)
		var got []string
		for _, c := range checks {
			got = append(got, c.Action+" "+strings.TrimPrefix(c.Resource, "arn:aws:iam::"+testAccount+":"))
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s asks for %q (%v), want %q", test.name, got, err, test.want)
		}
	}
	checks, err := w.ops["DeletePolicy"].Checks(&service.Request{Caller: w.caller}, &api.DeletePolicyInput{PolicyArn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")})
	if err != nil || checks[0].Owner != "aws" {
		t.Errorf("deleting a policy of AWS is checked as %+v (%v), want owner aws", checks, err)
	}
}
