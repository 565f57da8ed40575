//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What goes wrong besides what the READMEs tell, in the words that clients
// print.

// scene is a sandbox and a shell beside it, without Terraform.
func scene(t *testing.T, args ...string) *story {
	t.Helper()
	tool(t, "aws")
	s := &story{t: t, aws: start(t, args...), dir: t.TempDir()}
	s.env = append(s.aws.env("dev"), "XDG_RUNTIME_DIR="+s.aws.runtime)
	s.sh = newShell(t, s.env, s.dir)
	return s
}

// role makes a role that the service may assume, and by one of its own name
// an instance profile for it if the service is EC2's.
func (s *story) role(name, principal string) {
	s.t.Helper()
	s.says(`aws iam create-role --role-name ` + name + ` --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": ` + principal + `, "Action": "sts:AssumeRole"}]}'`)
	if strings.Contains(principal, "ec2.amazonaws.com") {
		s.says("aws iam create-instance-profile --instance-profile-name " + name + " && aws iam add-role-to-instance-profile --instance-profile-name " + name + " --role-name " + name)
	}
}

func (s *story) allow(role, action string) {
	s.t.Helper()
	s.says(`aws iam put-role-policy --role-name ` + role + ` --policy-name p --policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "` + action + `", "Resource": "*"}]}'`)
}

// instance launches one with a role and keeps its id in $i.
func (s *story) instance(role, more string) {
	s.t.Helper()
	s.says("i=$(aws ec2 run-instances --image-id ami-0123456789abcdef0 --iam-instance-profile Name=" + role + " " + more + " --query 'Instances[0].InstanceId' --output text)")
}

const ec2Principal = `{"Service": "ec2.amazonaws.com"}`

// TestStoryHopLimit: a container behind a bridge is a hop further away from
// the metadata service than its machine. With a hop limit of 1 the answer to
// its token request never arrives.
func TestStoryHopLimit(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a machine with a network of its own needs root")
	}
	for _, name := range []string{"ip", "unshare", "nsenter", "curl"} {
		tool(t, name)
	}
	script, err := filepath.Abs("testdata/stories/bridge.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := scene(t)
	s.role("host", ec2Principal)
	s.instance("host", "--metadata-options HttpTokens=required,HttpPutResponseHopLimit=1")
	look := func() string {
		return s.says("mantle sandbox exec --network own $i -- bash " + script + " 2>/dev/null")
	}
	if got, want := look(), "machine: 200\ncontainer: 000\ncurl: status 28"; got != want {
		t.Errorf("with a hop limit of 1\n%s\nwant\n%s", got, want)
	}
	s.says("aws ec2 modify-instance-metadata-options --instance-id $i --http-put-response-hop-limit 2")
	if got, want := look(), "machine: 200\ncontainer: 200"; got != want {
		t.Errorf("with a hop limit of 2\n%s\nwant\n%s", got, want)
	}
}

// TestStoryPropagation: as on AWS a trust policy counts some seconds after it
// was written, and the refusal until then is that of a wrong one.
func TestStoryPropagation(t *testing.T) {
	t.Parallel()
	const delay = 8 * time.Second
	s := scene(t, "--propagation", delay.String())
	began := time.Now()
	s.role("late", `{"AWS": "arn:aws:iam::111122223333:user/dev-admin"}`)
	made := time.Now()
	const assume = "aws sts assume-role --role-arn arn:aws:iam::111122223333:role/late --role-session-name late --query AssumedRoleUser.Arn --output text"
	const refusal = "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:iam::111122223333:user/dev-admin is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/late"
	for refused := 0; ; refused++ {
		out, status := s.sh.run(assume)
		switch {
		case status != 0 && !strings.Contains(out, refusal):
			t.Fatalf("refused with\n%s\nwant\n%s", out, refusal)
		case status != 0 && time.Since(made) > delay+20*time.Second:
			t.Fatalf("refused after %s", time.Since(made))
		case status != 0:
			continue
		case refused == 0 || time.Since(began) < delay:
			t.Errorf("allowed after %s, having been refused %d times", time.Since(made), refused)
		}
		if want := "arn:aws:sts::111122223333:assumed-role/late/late"; strings.TrimSpace(out) != want {
			t.Errorf("got %s, want %s", out, want)
		}
		return
	}
}

// rise is a machine that may put on the role "expansive".
func rise(t *testing.T) *story {
	t.Helper()
	s := scene(t)
	s.role("implicit", ec2Principal)
	s.allow("implicit", "sts:AssumeRole")
	s.role("expansive", `{"AWS": "arn:aws:iam::111122223333:role/implicit"}`)
	s.allow("expansive", "iam:ListUsers")
	s.instance("implicit", "")
	return s
}

// TestStoryStaleKeys: keys that a script has exported end after an hour. Under
// mantle run nothing has to be exported.
func TestStoryStaleKeys(t *testing.T) {
	t.Parallel()
	s := rise(t)
	s.says("keys=$(mantle sandbox exec $i -- aws sts assume-role --role-arn arn:aws:iam::111122223333:role/expansive --role-session-name $i --query Credentials --output json 2>/dev/null)")
	s.says(`exported() { env -u AWS_PROFILE AWS_ACCESS_KEY_ID=$(jq -r .AccessKeyId <<<"$keys") AWS_SECRET_ACCESS_KEY=$(jq -r .SecretAccessKey <<<"$keys") AWS_SESSION_TOKEN=$(jq -r .SessionToken <<<"$keys") "$@"; }`)
	const arn = "aws sts get-caller-identity --query Arn --output text"
	i := s.says("echo $i")
	want := "arn:aws:sts::111122223333:assumed-role/expansive/" + i
	if got := s.says("exported " + arn); got != want {
		t.Errorf("the keys are of %s, want %s", got, want)
	}
	s.says("mantle sandbox clock --listen ${AWS_ENDPOINT_URL#http://} --advance 61m")
	s.denies("exported "+arn, "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The security token included in the request is expired")
	s.denies("exported aws s3 ls", "An error occurred (ExpiredToken) when calling the ListBuckets operation: The provided token has expired.")
	if got := s.says("mantle sandbox exec $i -- mantle run --role expansive --session-name $i -- " + arn + " 2>/dev/null"); got != want {
		t.Errorf("an hour later mantle run is %s, want %s", got, want)
	}
}

// TestStoryParallelRuns: what runs side by side on a machine shares nothing:
// each has its own session, and no key in its environment.
func TestStoryParallelRuns(t *testing.T) {
	t.Parallel()
	s := rise(t)
	write(t, s.dir, "job", []byte(`
aws sts get-caller-identity --query Arn --output text >$1.arn
echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN" >$1.door
env | grep -c -E '^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)=' >$1.keys
until [ -s $2.door ]; do sleep 0.1; done
read -r uri token <$2.door
curl -s -o /dev/null -w '%{http_code}' -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" $uri >$1.other
echo done >$1.done
until [ -s $2.done ]; do sleep 0.1; done
`))
	write(t, s.dir, "both", []byte(`
mantle run --role expansive --session-name one --endpoint container -- bash job one two & one=$!
mantle run --role expansive --session-name two --endpoint container -- bash job two one & two=$!
wait $one && wait $two
`))
	s.says("timeout 120 mantle sandbox exec $i -- bash both")
	for _, name := range []string{"one", "two"} {
		for file, want := range map[string]string{
			"arn": "arn:aws:sts::111122223333:assumed-role/expansive/" + name, "keys": "0",
			"other": "403", // at the other's address with its own token
		} {
			if got := s.says("cat " + name + "." + file); got != want {
				t.Errorf("%s.%s is %q, want %q", name, file, got, want)
			}
		}
	}
	if one, two := s.says("cat one.door"), s.says("cat two.door"); one == two {
		t.Errorf("both have %s", one)
	}
}
