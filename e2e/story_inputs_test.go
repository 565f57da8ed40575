//go:build e2e

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// The configurations below testdata/stories are as people wrote them, before
// the examples were made of them. They must go on working.

// input starts a sandbox and a shell in a copy of one of them. Further
// arguments are those of the sandbox.
func input(t *testing.T, folder string, args ...string) *story {
	t.Helper()
	tool(t, "aws")
	s := &story{t: t, aws: start(t, args...), dir: t.TempDir()}
	copyConfiguration(t, s.dir, filepath.Join("testdata/stories", folder))
	s.env = append(terraformEnv(t, s.aws.env("dev")), "XDG_RUNTIME_DIR="+s.aws.runtime)
	s.sh = newShell(t, s.env, s.dir)
	s.bill()
	return s
}

// life is a configuration's whole life, with a look at it in the middle.
func (s *story) life(args string, look func()) {
	s.t.Helper()
	s.cycle(args)
	if look != nil {
		look()
	}
	s.step(command{line: "terraform destroy -auto-approve " + args})
	if left := s.says("terraform state list"); left != "" {
		s.t.Errorf("destroy left\n%s", left)
	}
}

// TestStoryInputModules: five states in a bucket with a lock table, which
// read one another.
func TestStoryInputModules(t *testing.T) {
	t.Parallel()
	s := input(t, "1-ecs-iam-profile")
	s.says("export TF_VAR_account_id=111122223333")
	in := func(folder string) { s.t.Helper(); s.says("cd " + filepath.Join(s.dir, folder)) }
	stacks := []string{"dev-network", "dev-iam-profile-ecs", "dev-ecs-cluster", "dev-ecs-ec2"}

	in("bootstrap")
	s.cycle("")
	for _, stack := range stacks {
		in("implementations/" + stack)
		s.cycle("")
	}
	// The lock is free again and the digest of each state is in the table.
	if got := s.says("aws dynamodb scan --region eu-central-1 --table-name terraform-state-aws-es-devops --query 'Items[].LockID.S' --output json"); strings.Count(got, "tfstate-md5") != len(stacks) || strings.Count(got, "tfstate") != len(stacks) {
		t.Errorf("the lock table holds %s", got)
	}
	in("implementations/dev-ecs-cluster")
	s.says("aws dynamodb put-item --region eu-central-1 --table-name terraform-state-aws-es-devops --item '" +
		`{"LockID":{"S":"terraform-state-aws-es-devops/dev-ecs-cluster.tfstate"},"Info":{"S":"{\"ID\":\"17\",\"Who\":\"maria@laptop\"}"}}'`)
	s.denies("terraform apply -auto-approve", "Error acquiring the state lock Error message: operation error DynamoDB: PutItem")
	s.says("terraform force-unlock -force 17")
	s.step(command{line: "terraform apply -auto-approve -var with_service=true", shown: []string{"Apply complete! Resources: 1 added, 0 changed, 0 destroyed."}})
	s.settled("-var with_service=true")
	// A provider that is pinned to another account does nothing.
	s.denies("terraform plan -var account_id=444455556666", "AWS account ID not allowed: 111122223333")

	for i := range stacks {
		in("implementations/" + stacks[len(stacks)-1-i])
		s.step(command{line: "terraform destroy -auto-approve"})
	}
	in("bootstrap")
	s.step(command{line: "terraform destroy -auto-approve"})
}

// TestStoryInputAssumeRole: the variants of one instance that wants a
// bucket.
func TestStoryInputAssumeRole(t *testing.T) {
	t.Parallel()
	// The mistyped principal might be one that is only just being made, so
	// the provider asks again for a while. Meanwhile the others run.
	typo := input(t, "2-ec2-assume-role/solution-root-typo")
	typo.says("terraform init")
	typo.says("terraform apply -auto-approve >apply.log 2>&1 & apply=$!")
	t.Cleanup(func() {
		typo.denies("wait $apply || { cat apply.log; false; }", `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws::iam::111122223333:root"`)
		typo.says("terraform destroy -auto-approve")
	})
	for _, folder := range []string{"problem", "solution", "solution-root"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			s := input(t, "2-ec2-assume-role/"+folder)
			s.life("", func() {
				if got := s.says("terraform output -raw caller_arn"); got != "arn:aws:iam::111122223333:user/dev-admin" {
					t.Errorf("the caller is %s", got)
				}
				// What AWS stores as a unique id is shown as the ARN that was written.
				principal := s.says("aws iam get-role --role-name test_profile2_role --query Role.AssumeRolePolicyDocument.Statement[0].Principal --output json")
				want := map[string]string{
					"problem": "", "solution": "arn:aws:iam::111122223333:role/test_profile1_role", "solution-root": "arn:aws:iam::111122223333:root",
				}[folder]
				var got struct{ Service, AWS string }
				if err := json.Unmarshal([]byte(principal), &got); err != nil || got.Service != "ec2.amazonaws.com" || got.AWS != want {
					t.Errorf("role2 trusts %s (%v)", principal, err)
				}
			})
		})
	}
}

// TestStoryInputElevate: an implicit role and an expansive one.
func TestStoryInputElevate(t *testing.T) {
	t.Parallel()
	s := input(t, "3-ec2-elevate")
	s.life("", nil)
}

// TestStoryInputCrossAccount: two providers, two accounts.
func TestStoryInputCrossAccount(t *testing.T) {
	t.Parallel()
	s := input(t, "4-ecs-cross-account", "--account", "account-a=777788889999", "--account", "account-b=222233334444")
	const vars = "-var account_a=777788889999 -var account_b=222233334444"
	s.life(vars, func() {
		if got := s.says("aws dynamodb describe-table --profile account-a --region us-west-2 --table-name orders --query Table.TableArn --output text"); got != "arn:aws:dynamodb:us-west-2:777788889999:table/orders" {
			t.Errorf("the table is %s", got)
		}
		s.denies("aws dynamodb describe-table --profile account-b --region us-west-2 --table-name orders", "(ResourceNotFoundException)")
	})
}

// TestStoryInputTaskRole: repository, cluster, two roles, a bucket with a
// policy that denies everybody but two principals.
func TestStoryInputTaskRole(t *testing.T) {
	t.Parallel()
	s := input(t, "5-ecs-task-role")
	s.life("", func() {
		bucket := s.says("terraform output -raw bucket")
		if got := s.says("aws s3 cp s3://" + bucket + "/hello_world.txt -"); got != "Hello World!" {
			t.Errorf("the object is %q", got)
		}
		s.says("aws iam create-user --user-name other && aws iam attach-user-policy --user-name other --policy-arn arn:aws:iam::aws:policy/AdministratorAccess")
		key := s.says("aws iam create-access-key --user-name other --query 'AccessKey.[AccessKeyId,SecretAccessKey]' --output text")
		id, secret, _ := strings.Cut(key, "\t")
		s.denies("env -u AWS_PROFILE AWS_ACCESS_KEY_ID="+id+" AWS_SECRET_ACCESS_KEY="+secret+" aws s3 rm s3://"+bucket+"/hello_world.txt",
			"is not authorized to perform: s3:DeleteObject on resource: \"arn:aws:s3:::"+bucket+"/hello_world.txt\" with an explicit deny in a resource-based policy")
	})
}

// TestStoryInputNeighbours: what a reader adds next; the state is locked by
// a file beside it.
func TestStoryInputNeighbours(t *testing.T) {
	t.Parallel()
	s := input(t, "neighbours", "--account", "other=222222222222")
	s.says("aws s3 mb s3://f-extra-state --region us-east-1")
	s.cycle("")
	s.says("echo '{\"ID\":\"17\",\"Who\":\"maria@laptop\"}' | aws s3 cp - s3://f-extra-state/extra.tfstate.tflock")
	s.denies("terraform plan", "PreconditionFailed")
	s.says("terraform force-unlock -force 17")
	s.step(command{line: "terraform destroy -auto-approve", shown: []string{"Destroy complete! Resources: … destroyed."}})
}
