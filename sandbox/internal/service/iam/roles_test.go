package iam

import (
	"net/url"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func (w *world) role(name string) *types.Role {
	w.t.Helper()
	return must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(trustEC2)}).Role
}

func (w *world) user(name string) *types.User {
	w.t.Helper()
	return must[api.CreateUserOutput](w, "CreateUser", &api.CreateUserInput{UserName: &name}).User
}

func (w *world) policy(name string) string {
	w.t.Helper()
	return *must[api.CreatePolicyOutput](w, "CreatePolicy", &api.CreatePolicyInput{PolicyName: &name, PolicyDocument: new(allowS3)}).Policy.Arn
}

func TestRoleLife(t *testing.T) {
	w := newWorld(t, Options{})
	created := must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{
		RoleName: new("Web"), Path: new("/app/"), AssumeRolePolicyDocument: new(" " + trustEC2 + "\n"), Description: new("front"),
		MaxSessionDuration: new(int32(7200)), Tags: []types.Tag{{Key: new("Team"), Value: new("shop")}},
	}).Role
	got := must[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: new("web")}).Role
	if *got.Arn != "arn:aws:iam::111122223333:role/app/Web" || *got.RoleName != "Web" || *got.RoleId != *created.RoleId ||
		!strings.HasPrefix(*got.RoleId, "AROA") || len(*got.RoleId) != 21 || *got.MaxSessionDuration != 7200 || *got.Description != "front" {
		t.Errorf("role is %+v", got)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC); !got.CreateDate.Equal(want) {
		t.Errorf("role was created %v, want %v", got.CreateDate, want)
	}
	if doc := *got.AssumeRolePolicyDocument; !strings.HasPrefix(doc, "%20%7B%22Version%22%3A%222012-10-17%22") {
		t.Errorf("trust policy is not encoded as of RFC 3986: %s", doc)
	} else if text, err := url.PathUnescape(doc); err != nil || text != " "+trustEC2+"\n" {
		t.Errorf("trust policy decodes to %q (%v), want it as given", text, err)
	}
	must[api.UpdateRoleOutput](w, "UpdateRole", &api.UpdateRoleInput{RoleName: new("Web"), Description: new("")})
	if got := must[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: new("Web")}).Role; got.Description != nil || *got.MaxSessionDuration != 7200 {
		t.Errorf("after UpdateRole: description %v, session %d; want none and 7200", got.Description, *got.MaxSessionDuration)
	}
	must[api.DeleteRoleOutput](w, "DeleteRole", &api.DeleteRoleInput{RoleName: new("WEB")})
	fails[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: new("Web")}, "NoSuchEntity", 404, "The role with name Web cannot be found.")
}

func TestRoleErrors(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	long := strings.Repeat("x", 65)
	in := func(change func(*api.CreateRoleInput)) *api.CreateRoleInput {
		in := &api.CreateRoleInput{RoleName: new("other"), AssumeRolePolicyDocument: new(trustEC2)}
		change(in)
		return in
	}
	for _, test := range []struct {
		in      *api.CreateRoleInput
		code    string
		status  int
		message string
	}{
		{in(func(in *api.CreateRoleInput) { in.RoleName = new("WEB") }), "EntityAlreadyExists", 409, "Role with name WEB already exists."},
		{in(func(in *api.CreateRoleInput) { in.RoleName = new("web"); in.Path = new("/other/") }), "EntityAlreadyExists", 409, "Role with name web already exists."},
		{in(func(in *api.CreateRoleInput) { in.RoleName = nil }), "ValidationError", 400, "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null"},
		{in(func(in *api.CreateRoleInput) { in.RoleName = &long }), "ValidationError", 400, "1 validation error detected: Value '" + long + "' at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{in(func(in *api.CreateRoleInput) { in.RoleName = new("x y") }), "ValidationError", 400, "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{in(func(in *api.CreateRoleInput) { in.Path = new("app") }), "ValidationError", 400, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."},
		{in(func(in *api.CreateRoleInput) { in.MaxSessionDuration = new(int32(60)) }), "ValidationError", 400, "Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		{in(func(in *api.CreateRoleInput) { in.RoleName = new(""); in.MaxSessionDuration = new(int32(99999)) }), "ValidationError", 400, "1 validation error detected: Value '' at 'roleName'"},
		{in(func(in *api.CreateRoleInput) {
			in.Description = new(strings.Repeat("d", 1001))
			in.MaxSessionDuration = new(int32(99999))
		}), "ValidationError", 400, "2 validation errors detected: "},
		{in(func(in *api.CreateRoleInput) { in.AssumeRolePolicyDocument = nil }), "ValidationError", 400, "'assumeRolePolicyDocument'"},
		{in(func(in *api.CreateRoleInput) { in.AssumeRolePolicyDocument = new("{") }), "MalformedPolicyDocument", 400, "This policy contains invalid Json"},
		{in(func(in *api.CreateRoleInput) { in.AssumeRolePolicyDocument = new(allowS3) }), "MalformedPolicyDocument", 400, "Has prohibited field Resource"},
		{in(func(in *api.CreateRoleInput) {
			in.AssumeRolePolicyDocument = new(trusting("arn:aws:iam::111122223333:role/nope"))
		}), "MalformedPolicyDocument", 400, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:role/nope"`},
		{in(func(in *api.CreateRoleInput) { in.AssumeRolePolicyDocument = new(trusting("999988887777")) }), "MalformedPolicyDocument", 400, `Invalid principal in policy: "AWS":"999988887777"`},
		{in(func(in *api.CreateRoleInput) {
			in.AssumeRolePolicyDocument = new(strings.Replace(trustEC2, `"Action"`, `"Condition":{"StringEquals":{"aws:SourceAccount":"`+strings.Repeat("1", 2000)+`"}},"Action"`, 1))
		}), "LimitExceeded", 409, "Cannot exceed quota for ACLSizePerRole: 2048"},
		{in(func(in *api.CreateRoleInput) {
			in.PermissionsBoundary = new("arn:aws:iam::111122223333:policy/nope")
		}), "NoSuchEntity", 404, "arn:aws:iam::111122223333:policy/nope does not exist or is not attachable."},
		{in(func(in *api.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("A"), Value: new("2")}}
		}), "InvalidInput", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
	} {
		fails[api.CreateRoleOutput](w, "CreateRole", test.in, test.code, test.status, test.message)
	}
	if n := len(must[api.ListRolesOutput](w, "ListRoles", &api.ListRolesInput{}).Roles); n != 1 {
		t.Errorf("failed calls left %d roles, want 1", n)
	}
}
