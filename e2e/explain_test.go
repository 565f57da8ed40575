//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// cured runs a command that is denied, has the denial explained from what the
// sandbox wrote down and the configuration in the folder, applies the patch of a
// fix with patch, applies the configuration, and runs the command that is then to
// be allowed.
func (s *story) cured(fix, denied, words, allowed string) {
	s.t.Helper()
	s.denies(denied, words)
	s.says("mantle explain --last --terraform . --fix " + fix + " --output diff >fix.patch")
	s.says("! grep '^[+-][+-][+-].*modules' fix.patch && patch -p1 <fix.patch && rm fix.patch")
	s.says("terraform fmt -check -diff")
	s.says("terraform apply -auto-approve")
	s.says(allowed)
	if out, status := s.sh.run("terraform plan -detailed-exitcode"); status != 0 {
		s.t.Errorf("the patched configuration is not settled:\n%s", out)
	}
}

// applied runs terraform init and apply in the shell.
func (s *story) applied() {
	s.t.Helper()
	s.says("terraform init")
	s.says("terraform apply -auto-approve")
}

// TestExplainAssumeRole: the host is let into the role that can.
func TestExplainAssumeRole(t *testing.T) {
	t.Parallel()
	tool(t, "patch")
	s := tell(t, "ec2-assume-role")
	s.says("cd problem")
	s.applied()
	s.says("i=$(terraform output -raw instance_id)")
	const ls = "aws s3 ls s3://github-amitsaha-bucket/"
	s.denies("mantle sandbox exec $i -- "+ls, "AccessDenied")
	said := s.says("mantle explain --last")
	for _, want := range []string{"DENIED  s3:ListBucket on github-amitsaha-bucket  as role/test_profile1_role (dev), session i-", "Someone can: role/test_profile2_role (dev) (inline policy AccessConfigurationBucket",
		"Fix A: let role/test_profile1_role (dev)", "assume role/test_profile2_role (dev)"} {
		if !strings.Contains(said, want) {
			t.Errorf("explain does not say %q:\n%s", want, said)
		}
	}
	s.cured("A", "mantle sandbox exec $i -- "+ls, "AccessDenied", "mantle sandbox exec $i -- mantle run --role test_profile2_role -- sh -c 'touch hello && aws s3 cp hello s3://github-amitsaha-bucket/'")
	s.says("mantle can test_profile1_role assume test_profile2_role --expect allow")
	s.says("mantle can test_profile1_role assume test_profile2_role --expect allow --terraform .")
}

// TestExplainElevate: the low role is given the one action that it lacks.
func TestExplainElevate(t *testing.T) {
	t.Parallel()
	tool(t, "patch")
	s := tell(t, "ec2-elevate")
	s.applied()
	s.says("i=$(terraform output -raw instance_id)")
	s.cured("A", "mantle sandbox exec $i -- aws s3 mb s3://a-bucket-of-its-own", "AccessDenied", "mantle sandbox exec $i -- aws s3 mb s3://a-bucket-of-its-own")
}

// TestExplainInstanceProfile: an action without resources.
func TestExplainInstanceProfile(t *testing.T) {
	t.Parallel()
	tool(t, "patch")
	s := tell(t, "ecs-iam-profile")
	s.applied()
	s.says("i=$(aws ec2 run-instances --image-id ami-0123456789abcdef0 --iam-instance-profile Name=ecs-instance-profile --query 'Instances[0].InstanceId' --output text)")
	s.cured("A", "mantle sandbox exec $i -- aws s3 ls", "AccessDenied", "mantle sandbox exec $i -- aws s3 ls")
	if said := s.says("mantle explain role ec2-ecs-instance-role"); !strings.Contains(said, "launched with profile ecs-instance-profile") || !strings.Contains(said, "→ 1 instance") {
		t.Errorf("explain role says\n%s", said)
	}
	// What EC2 hides in a message that only STS can read.
	s.denies("mantle sandbox exec $i -- aws ec2 create-vpc --cidr-block 10.9.0.0/16 2>refused", "")
	if said := s.says("mantle explain - <refused"); !strings.Contains(said, "DENIED  ec2:CreateVpc on") {
		t.Errorf("explain of an encoded message says\n%s", said)
	}
}

// TestExplainCrossAccount: either side is missing, and the words of AWS are the
// same for both. Modules make the roles; the patch leaves them alone.
func TestExplainCrossAccount(t *testing.T) {
	t.Parallel()
	tool(t, "patch")
	s := tell(t, "ecs-cross-account")
	s.says("export AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2 TF_VAR_command='[\"sleep\", \"600\"]' TF_VAR_profile_folder=$PWD/profile")
	// The module for a role within an account: it trusts the wrong account, and
	// the caller's half is not made.
	s.says(`sed -i -e 's#modules/cross-account-role#modules/assumable-role#' -e 's/{ aws.caller = aws.dev, aws.target = aws.shared }/{ aws = aws.shared }/' \
  -e 's/^  caller  *= .*/  principals  = ["arn:aws:iam::444455556666:root"]/' shared.tf`)
	s.applied()
	s.says(`aws ecs register-task-definition --family plain --task-role-arn arn:aws:iam::111122223333:role/app-task --container-definitions '[{"name": "plain", "image": "none", "memory": 64, "command": ["sleep", "600"]}]'`)
	s.says("t=$(mantle sandbox run-task plain --detach)")
	const hop = "mantle sandbox exec $t -- aws sts assume-role --role-arn arn:aws:iam::444455556666:role/dynamo-access --role-session-name app"
	s.denies(hop, "AccessDenied")
	said := s.says("mantle explain --last --terraform .")
	for _, want := range []string{"caller side   NO MATCH", "trust side    NO MATCH", "Fix A: role/dynamo-access (shared)'s trust policy: + sts:AssumeRole for role/app-task (dev); give role/app-task (dev) sts:AssumeRole"} {
		if !strings.Contains(said, want) {
			t.Errorf("explain does not say %q:\n%s", want, said)
		}
	}
	s.cured("A", hop, "AccessDenied", hop)
	s.says("aws ecs stop-task --task $t")
}

// TestExplainTaskRole: ECS could not assume the role, and why. A module makes the
// role, and is told whom to let in.
func TestExplainTaskRole(t *testing.T) {
	t.Parallel()
	tool(t, "patch")
	s := tell(t, "ecs-task-role")
	s.says(`export TF_VAR_command='["sh", "-c", "echo it ran"]'`)
	s.says(`sed -i -e 's#modules/ecs-task-role#modules/assumable-role#' -e 's/^  execution_role  *= .*/  services         = ["ec2.amazonaws.com"]/' task.tf`)
	s.says("sed -i 's/module.task.task_role_arn/module.task.role_arn/' task.tf outputs.tf")
	s.applied()
	s.denies("mantle sandbox run-task aws-nodejs-sample 2>refused", "")
	out, status := s.sh.run("mantle explain - --terraform . <refused")
	if status != 1 || !strings.Contains(out, "cause 2 of 5") || !strings.Contains(out, "it names ec2.amazonaws.com, not ecs-tasks.amazonaws.com") || !strings.Contains(out, "Fix A:") {
		t.Errorf("status %d\n%s", status, out)
	}
	s.says("mantle explain ecs-tasks.amazonaws.com assume aws-nodejs-sample-task --terraform . --fix A --output diff >fix.patch")
	s.says("git apply --check fix.patch && patch -p1 <fix.patch && rm fix.patch")
	s.says("terraform apply -auto-approve")
	if out := s.says("mantle sandbox run-task aws-nodejs-sample"); !strings.Contains(out, "it ran") {
		t.Errorf("the task said\n%s", out)
	}
	if said := s.says("mantle explain task aws-nodejs-sample"); !strings.Contains(said, "role/aws-nodejs-sample-task") {
		t.Errorf("explain task says\n%s", said)
	}
}
