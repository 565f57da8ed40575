//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStoryInstanceProfile: instances that wear the role in their profile.
func TestStoryInstanceProfile(t *testing.T) {
	t.Parallel()
	tell(t, "ecs-iam-profile").readme("README.md")
}

// TestStoryAssumeRole: a host's role puts on another.
func TestStoryAssumeRole(t *testing.T) {
	t.Parallel()
	s := tell(t, "ec2-assume-role")
	// The two solutions differ in one file, and all three in what they make
	// only by it.
	for _, name := range []string{"versions.tf", "variables.tf", "outputs.tf", "host.tf", "bucket.tf"} {
		if s.says("cat solution-root/"+name) != s.says("cat solution/"+name) {
			t.Errorf("solution-root/%s is not that of solution", name)
		}
	}
	s.readme("README.md")
}

// TestStoryElevate: a machine's low role rises for one job.
func TestStoryElevate(t *testing.T) {
	t.Parallel()
	s := tell(t, "ec2-elevate")
	s.blocks("README.md", "A low role that rises when it must")
	// The trail shows which machine acted, under which name.
	log := s.says(`mantle sandbox log --listen ${AWS_ENDPOINT_URL#http://} --session $i --output json | jq -r '[.eventName, .userIdentity.sessionContext.sessionIssuer.userName, .errorCode // "-"] | join(" ")'`)
	for _, want := range []string{"ListUsers implicit_role AccessDenied", "AssumeRole implicit_role -", "GetCallerIdentity expansive_role -"} {
		if !strings.Contains(log+"\n", want+"\n") {
			t.Errorf("the trail lacks %q:\n%s", want, log)
		}
	}
	s.blocks("README.md", "What people get wrong")
	s.blocks("README.md", "Clearing up")
}

// TestStoryCrossAccount: a task of one account works in another by way of a
// profile file.
func TestStoryCrossAccount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting the profile file into a task without Docker needs root")
	}
	if r := run(t, plainEnv(), "", tool(t, "python3"), "-c", "import boto3"); r.code != 0 {
		t.Skip("boto3 is not installed: run e2e/setup")
	}
	s := tell(t, "ecs-cross-account")
	s.blocks("README.md", "A task in one account works in another")
	s.blocks("README.md", "What people get wrong")
	// A task definition without a task role leaves the profile with nothing
	// to start from.
	s.says(`aws ecs describe-task-definition --task-definition app --query taskDefinition --output json | jq '{family, networkMode, containerDefinitions, volumes}' >bare.json`)
	s.says("bare=$(aws ecs register-task-definition --cli-input-json file://bare.json --query taskDefinition.taskDefinitionArn --output text)")
	s.denies("mantle sandbox run-task app", "error: Error when retrieving credentials from EcsContainer: No credentials found in credential_source referenced in profile crossAccount")
	s.says("aws ecs deregister-task-definition --task-definition $bare")
	s.blocks("README.md", "Clearing up")
}

// TestStoryTaskRole: a task has a role of its own.
func TestStoryTaskRole(t *testing.T) {
	t.Parallel()
	installed := modules(t)
	s := tell(t, "ecs-task-role")
	// What `npm ci` would fetch is here already.
	if err := os.Symlink(installed, filepath.Join(s.dir, "app/node_modules")); err != nil {
		t.Fatal(err)
	}
	s.blocks("README.md", "A role for each task")
	s.blocks("README.md", "Only what it uses")
	s.neighbours()
	s.blocks("README.md", "What people get wrong")
	s.blocks("README.md", "Clearing up")
}

// neighbours runs tasks side by side: each has its own role, none can have
// another's, and one without a role has nothing.
func (s *story) neighbours() {
	s.t.Helper()
	s.says(`aws iam create-role --role-name second-task --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'`)
	const containers = `'[{"name": "app", "image": "none", "memory": 64, "command": ["sleep", "600"]}]'`
	s.says("aws ecs register-task-definition --family second --task-role-arn arn:aws:iam::111122223333:role/second-task --container-definitions " + containers)
	s.says("aws ecs register-task-definition --family bare --container-definitions " + containers)
	start := func(line string) string {
		s.t.Helper()
		return s.says("mantle sandbox run-task --detach " + line + " 2>/dev/null")
	}
	first, second, bare := start("aws-nodejs-sample -- sleep 600"), start("second"), start("bare")
	in := func(task, command string) string {
		s.t.Helper()
		return "mantle sandbox exec " + task + " -- " + command + " 2>/dev/null"
	}
	for task, role := range map[string]string{first: "aws-nodejs-sample-task", second: "second-task"} {
		want := "arn:aws:sts::111122223333:assumed-role/" + role + "/" + task
		if got := s.says(in(task, "aws sts get-caller-identity --query Arn --output text")); got != want {
			s.t.Errorf("task %s is %s, want %s", task, got, want)
		}
	}
	s.denies("mantle sandbox exec "+bare+" -- aws sts get-caller-identity", "Unable to locate credentials")
	uri := s.says(in(first, `sh -c 'echo ${AWS_CONTAINER_CREDENTIALS_FULL_URI:-http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI}'`))
	status := func(task string) string {
		return s.says(in(task, `sh -c 'curl -s -o /dev/null -w "%{http_code}" -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" `+uri+`; true'`))
	}
	if got := status(first); got != "200" {
		s.t.Errorf("a task that asks for its own credentials gets %s", got)
	}
	for name, task := range map[string]string{"another task": second, "a task without a role": bare} {
		if got := status(task); got == "200" {
			s.t.Errorf("%s that asks for a task's credentials at %s gets them", name, uri)
		}
	}
	for _, task := range []string{first, second, bare} {
		s.says("aws ecs stop-task --task " + task)
	}
	s.says("aws iam delete-role --role-name second-task")
}
