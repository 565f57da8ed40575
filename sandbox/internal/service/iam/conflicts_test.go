package iam

import (
	"context"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// step is one call.
type step struct {
	name string
	in   any
}

func (w *world) run(s step) (any, error) {
	w.t.Helper()
	r := &service.Request{Caller: w.caller, Now: w.now}
	if _, err := w.ops[s.name].Checks(r, s.in); err != nil {
		return nil, err
	}
	return w.ops[s.name].Handle(context.Background(), r, s.in)
}

func (w *world) mustRun(s step) any {
	w.t.Helper()
	out, err := w.run(s)
	if err != nil {
		w.t.Fatalf("%s: %v", s.name, err)
	}
	return out
}

// TestDeleteConflicts checks that nothing in use can be deleted, and that it
// can be once it is not.
func TestDeleteConflicts(t *testing.T) {
	role, user, group, profile, arn := new("web"), new("mira"), new("devs"), new("web"), new("arn:aws:iam::111122223333:policy/limits")
	name, doc := new("p"), new(allowS3)
	deletes := map[string]step{
		"profile": {"DeleteInstanceProfile", &api.DeleteInstanceProfileInput{InstanceProfileName: profile}},
		"role":    {"DeleteRole", &api.DeleteRoleInput{RoleName: role}},
		"user":    {"DeleteUser", &api.DeleteUserInput{UserName: user}},
		"group":   {"DeleteGroup", &api.DeleteGroupInput{GroupName: group}},
		"policy":  {"DeletePolicy", &api.DeletePolicyInput{PolicyArn: arn}},
	}
	const (
		inline   = "Cannot delete entity, must delete policies first."
		attached = "Cannot delete entity, must detach all policies first."
		profiled = "Cannot delete entity, must remove roles from instance profile first."
		grouped  = "Cannot delete entity, must remove users from group first."
		used     = "Cannot delete a policy attached to entities."
	)
	for _, test := range []struct {
		do, undo step
		want     map[string]string // what cannot be deleted, and the message
	}{
		{step{"PutRolePolicy", &api.PutRolePolicyInput{RoleName: role, PolicyName: name, PolicyDocument: doc}},
			step{"DeleteRolePolicy", &api.DeleteRolePolicyInput{RoleName: role, PolicyName: name}},
			map[string]string{"role": inline}},
		{step{"AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: role, PolicyArn: arn}},
			step{"DetachRolePolicy", &api.DetachRolePolicyInput{RoleName: role, PolicyArn: arn}},
			map[string]string{"role": attached, "policy": used}},
		{step{"PutRolePermissionsBoundary", &api.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: arn}},
			step{"DeleteRolePermissionsBoundary", &api.DeleteRolePermissionsBoundaryInput{RoleName: role}},
			map[string]string{"policy": "boundary"}},
		{step{"AddRoleToInstanceProfile", &api.AddRoleToInstanceProfileInput{RoleName: role, InstanceProfileName: profile}},
			step{"RemoveRoleFromInstanceProfile", &api.RemoveRoleFromInstanceProfileInput{RoleName: role, InstanceProfileName: profile}},
			map[string]string{"role": profiled, "profile": profiled}},
		{step{"PutUserPolicy", &api.PutUserPolicyInput{UserName: user, PolicyName: name, PolicyDocument: doc}},
			step{"DeleteUserPolicy", &api.DeleteUserPolicyInput{UserName: user, PolicyName: name}},
			map[string]string{"user": inline}},
		{step{"AttachUserPolicy", &api.AttachUserPolicyInput{UserName: user, PolicyArn: arn}},
			step{"DetachUserPolicy", &api.DetachUserPolicyInput{UserName: user, PolicyArn: arn}},
			map[string]string{"user": attached, "policy": used}},
		{step{"PutUserPermissionsBoundary", &api.PutUserPermissionsBoundaryInput{UserName: user, PermissionsBoundary: arn}},
			step{"DeleteUserPermissionsBoundary", &api.DeleteUserPermissionsBoundaryInput{UserName: user}},
			map[string]string{"policy": "boundary"}},
		{step{"CreateAccessKey", &api.CreateAccessKeyInput{UserName: user}},
			step{"DeleteAccessKey", &api.DeleteAccessKeyInput{UserName: user}}, // the id is filled in below
			map[string]string{"user": "Cannot delete entity, must delete access keys first."}},
		{step{"AddUserToGroup", &api.AddUserToGroupInput{UserName: user, GroupName: group}},
			step{"RemoveUserFromGroup", &api.RemoveUserFromGroupInput{UserName: user, GroupName: group}},
			map[string]string{"user": grouped, "group": grouped}},
		{step{"PutGroupPolicy", &api.PutGroupPolicyInput{GroupName: group, PolicyName: name, PolicyDocument: doc}},
			step{"DeleteGroupPolicy", &api.DeleteGroupPolicyInput{GroupName: group, PolicyName: name}},
			map[string]string{"group": inline}},
		{step{"AttachGroupPolicy", &api.AttachGroupPolicyInput{GroupName: group, PolicyArn: arn}},
			step{"DetachGroupPolicy", &api.DetachGroupPolicyInput{GroupName: group, PolicyArn: arn}},
			map[string]string{"group": attached, "policy": used}},
		{step{"CreatePolicyVersion", &api.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: doc}},
			step{"DeletePolicyVersion", &api.DeletePolicyVersionInput{PolicyArn: arn, VersionId: new("v2")}},
			map[string]string{"policy": "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."}},
	} {
		t.Run(test.do.name, func(t *testing.T) {
			w := newWorld(t, Options{})
			for _, s := range []step{
				{"CreateRole", &api.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: new(trustEC2)}},
				{"CreateUser", &api.CreateUserInput{UserName: user}},
				{"CreateGroup", &api.CreateGroupInput{GroupName: group}},
				{"CreateInstanceProfile", &api.CreateInstanceProfileInput{InstanceProfileName: profile}},
				{"CreatePolicy", &api.CreatePolicyInput{PolicyName: new("limits"), PolicyDocument: doc}},
			} {
				w.mustRun(s)
			}
			out := w.mustRun(test.do)
			if made, ok := out.(*api.CreateAccessKeyOutput); ok {
				test.undo.in.(*api.DeleteAccessKeyInput).AccessKeyId = made.AccessKey.AccessKeyId
			}
			for what, message := range test.want {
				if _, err := w.run(deletes[what]); code(err) != "DeleteConflict" || !strings.Contains(err.Error(), message) {
					t.Errorf("deleting the %s after %s: %v, want DeleteConflict with %q", what, test.do.name, err, message)
				}
			}
			w.mustRun(test.undo)
			for _, s := range deletes {
				w.mustRun(s)
			}
			if left := attachmentsLeft(w); left != 1 {
				t.Errorf("%d attachments are left, want only the administrator's", left)
			}
		})
	}
}

// TestWhatIsMissing asks for what does not exist.
func TestWhatIsMissing(t *testing.T) {
	w := newWorld(t, Options{})
	w.role("web")
	w.user("mira")
	arn := "arn:aws:iam::111122223333:policy/nope"
	for _, test := range []struct {
		s       step
		message string
	}{
		{step{"GetUser", &api.GetUserInput{UserName: new("x")}}, "The user with name x cannot be found."},
		{step{"GetGroup", &api.GetGroupInput{GroupName: new("x")}}, "The group with name x cannot be found."},
		{step{"GetInstanceProfile", &api.GetInstanceProfileInput{InstanceProfileName: new("x")}}, "Instance Profile x cannot be found."},
		{step{"GetPolicy", &api.GetPolicyInput{PolicyArn: &arn}}, "Policy " + arn + " was not found."},
		{step{"GetPolicy", &api.GetPolicyInput{PolicyArn: new("arn:aws:iam::aws:policy/readonlyaccess")}}, "was not found."},
		{step{"GetRolePolicy", &api.GetRolePolicyInput{RoleName: new("web"), PolicyName: new("p")}}, "The role policy with name p cannot be found."},
		{step{"DeleteUserPolicy", &api.DeleteUserPolicyInput{UserName: new("mira"), PolicyName: new("p")}}, "The user policy with name p cannot be found."},
		{step{"AttachRolePolicy", &api.AttachRolePolicyInput{RoleName: new("web"), PolicyArn: &arn}}, "Policy " + arn + " does not exist or is not attachable."},
		{step{"DetachRolePolicy", &api.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: &arn}}, "Policy " + arn + " was not found."},
		{step{"DeleteAccessKey", &api.DeleteAccessKeyInput{UserName: new("mira"), AccessKeyId: new("AKIAIOSFODNN7EXAMPLE")}}, "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found"},
		{step{"GetLoginProfile", &api.GetLoginProfileInput{UserName: new("mira")}}, "Login Profile for User mira cannot be found."},
		{step{"GetAccountPasswordPolicy", &api.GetAccountPasswordPolicyInput{}}, "The Password Policy with domain name 111122223333 cannot be found."},
		{step{"DeleteRolePermissionsBoundary", &api.DeleteRolePermissionsBoundaryInput{RoleName: new("web")}}, "cannot be found"},
		{step{"DeleteServiceLinkedRole", &api.DeleteServiceLinkedRoleInput{RoleName: new("web")}}, "The role with name web cannot be found."},
	} {
		_, err := w.run(test.s)
		if code(err) != "NoSuchEntity" || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: %v, want NoSuchEntity with %q", test.s.name, err, test.message)
		}
	}
}
