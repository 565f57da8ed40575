//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// made is what SDKs make up for a session's name.
var made = regexp.MustCompile(`/(botocore-session|aws-go-sdk|aws-sdk-js)-\d+$`)

// TestWhoamiChain asks real clients who they are, in many environments, and
// mantle whoami --chain who they will be: the same principal, or nobody.
func TestWhoamiChain(t *testing.T) {
	a := start(t)
	admin := a.env("dev")
	cli := tool(t, "aws")
	runCLI := func(args ...string) string {
		return strings.TrimSpace(must(t, admin, "", cli, append(args, "--output", "text")...))
	}
	role := func(name, trusted string) string {
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}]}`, trusted)
		return runCLI("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust, "--query", "Role.Arn")
	}
	user := func(name string) credentials {
		runCLI("iam", "create-user", "--user-name", name)
		f := strings.Fields(runCLI("iam", "create-access-key", "--user-name", name, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]"))
		return credentials{AccessKeyID: f[0], SecretAccessKey: f[1]}
	}
	ci, ann := user("ci"), user("ann")
	task := role("task", "arn:aws:iam::111122223333:user/ci")
	reader := role("reader", "arn:aws:iam::111122223333:root")
	for _, who := range []struct{ verb, name string }{{"user", "ann"}, {"role", "task"}} {
		runCLI("iam", "put-"+who.verb+"-policy", "--"+who.verb+"-name", who.name, "--policy-name", "assume", "--policy-document",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+reader+`"}]}`)
	}
	var session struct {
		Credentials struct {
			AccessKeyID                               string `json:"AccessKeyId"`
			SecretAccessKey, SessionToken, Expiration string
		}
	}
	assumed := must(t, a.as(ci), "", cli, "sts", "assume-role", "--role-arn", task, "--role-session-name", "t1", "--output", "json")
	if err := json.Unmarshal([]byte(assumed), &session); err != nil {
		t.Fatal(err)
	}
	s := session.Credentials
	expires := strings.Replace(s.Expiration, "+00:00", "Z", 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /creds", func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Get("Authorization"); v != "" && v != "open" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"RoleArn": task, "AccessKeyId": s.AccessKeyID, "SecretAccessKey": s.SecretAccessKey, "Token": s.SessionToken, "Expiration": expires})
	})
	mux.HandleFunc("GET /refused", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":"InvalidIdInRequest","message":"Credentials not found"}`)
	})
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		fmt.Fprint(w, "token")
	})
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			fmt.Fprint(w, "task")
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": s.AccessKeyID, "SecretAccessKey": s.SecretAccessKey, "Token": s.SessionToken, "Expiration": expires})
	})
	place := httptest.NewServer(mux)
	t.Cleanup(place.Close)

	keys := func(c credentials) map[string]string {
		return map[string]string{"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey}
	}
	static := func(name string, c credentials) string {
		return fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", name, c.AccessKeyID, c.SecretAccessKey)
	}
	container := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": place.URL + "/creds"}
	process := fmt.Sprintf(`#!/bin/sh
echo '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s"}'
`, ann.AccessKeyID, ann.SecretAccessKey)

	type vars = map[string]string
	join := func(all ...vars) vars {
		out := vars{}
		for _, m := range all {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	cases := []struct {
		name                string
		env                 vars // REGION "" takes the region away
		config, credentials string
		files               vars
	}{
		{name: "nothing"},
		{name: "keys", env: keys(ci)},
		{name: "half a pair", env: vars{"AWS_ACCESS_KEY_ID": ci.AccessKeyID}},
		{name: "keys by old names", env: vars{"AWS_ACCESS_KEY": ci.AccessKeyID, "AWS_SECRET_KEY": ci.SecretAccessKey}},
		{name: "keys and a profile", env: join(keys(ci), vars{"AWS_PROFILE": "ann"}), credentials: static("ann", ann)},
		{name: "keys and no such profile", env: join(keys(ci), vars{"AWS_PROFILE": "nobody"}), credentials: static("ann", ann)},
		{name: "container and no such profile", env: join(container, vars{"AWS_PROFILE": "nobody"}), credentials: static("ann", ann)},
		{name: "two profile variables", env: vars{"AWS_PROFILE": "ann", "AWS_DEFAULT_PROFILE": "ci"}, credentials: static("ann", ann) + static("ci", ci)},
		{name: "session without its token", env: keys(credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey})},
		{name: "old token variable", env: join(keys(ci), vars{"AWS_SECURITY_TOKEN": "bogus"})},
		{name: "default profile before container", env: container, credentials: static("default", ann)},
		{name: "credentials file over config file", env: vars{"AWS_PROFILE": "x"}, config: static("profile x", ci), credentials: static("x", ann)},
		{name: "profile prefix in credentials", env: vars{"AWS_PROFILE": "x"}, credentials: static("profile x", ann)},
		{name: "no prefix in config", env: vars{"AWS_PROFILE": "x"}, config: static("x", ann)},
		{name: "section twice", env: vars{"AWS_PROFILE": "x"}, credentials: static("x", ci) + static("x", ann)},
		{name: "comment behind a value", env: vars{"AWS_PROFILE": "x"}, credentials: fmt.Sprintf("[x]\naws_access_key_id = %s # ann\naws_secret_access_key = %s # hers\n", ann.AccessKeyID, ann.SecretAccessKey)},
		{name: "line that is nothing", env: vars{"AWS_PROFILE": "ann"}, credentials: static("ann", ann) + "EOF\n"},
		{name: "role by profile", env: vars{"AWS_PROFILE": "r"}, config: "[profile r]\nrole_arn = " + reader + "\nsource_profile = ann\nrole_session_name = n\n", credentials: static("ann", ann)},
		{name: "role by profile, in the credentials file", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + reader + "\nsource_profile = ann\n" + static("ann", ann)},
		{name: "role by itself", env: vars{"AWS_PROFILE": "r"}, credentials: static("r", ann) + "role_arn = " + reader + "\nsource_profile = r\n"},
		{name: "role with keys and no source", env: vars{"AWS_PROFILE": "r"}, credentials: static("r", ann) + "role_arn = " + reader + "\n"},
		{name: "role without source", env: join(container, vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\n"},
		{name: "role by two hops", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + reader + "\nsource_profile = t\n[t]\nrole_arn = " + task + "\nsource_profile = ci\n" + static("ci", ci)},
		{name: "role in a circle", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + reader + "\nsource_profile = t\n[t]\nrole_arn = " + task + "\nsource_profile = r\n"},
		{name: "role by no such profile", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + reader + "\nsource_profile = nobody\n"},
		{name: "role refused", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + task + "\nsource_profile = ann\n" + static("ann", ann)},
		{name: "role by container", env: join(container, vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = EcsContainer\n"},
		{name: "role by container that is not there", env: vars{"AWS_PROFILE": "r"}, credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = EcsContainer\n"},
		{name: "role by ECSContainer", env: join(container, vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = ECSContainer\n"},
		{name: "role by environment", env: join(keys(ann), vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = Environment\n"},
		{name: "role by two sources", env: join(container, vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = EcsContainer\nsource_profile = ann\n" + static("ann", ann)},
		{name: "role for two hours from a role", env: join(container, vars{"AWS_PROFILE": "r"}), credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = EcsContainer\nduration_seconds = 7200\n"},
		{name: "process", env: vars{"AWS_PROFILE": "p"}, config: "[profile p]\ncredential_process = HOME/p.sh\n", files: vars{"p.sh": process}},
		{name: "process with a variable", env: vars{"AWS_PROFILE": "p"}, config: "[profile p]\ncredential_process = $HOME/p.sh\n", files: vars{"p.sh": process}},
		{name: "process that says version 2", env: vars{"AWS_PROFILE": "p"}, config: "[profile p]\ncredential_process = HOME/p.sh\n", files: vars{"p.sh": strings.Replace(process, `"Version":1`, `"Version":2`, 1)}},
		{name: "keys before a process", env: vars{"AWS_PROFILE": "p"}, credentials: static("p", ci) + "credential_process = HOME/p.sh\n", files: vars{"p.sh": process}},
		{name: "container", env: container},
		{name: "container and keys", env: join(container, keys(ci))},
		{name: "container with its token", env: join(container, vars{"AWS_CONTAINER_AUTHORIZATION_TOKEN": "open"})},
		{name: "container with a wrong token", env: join(container, vars{"AWS_CONTAINER_AUTHORIZATION_TOKEN": "shut"})},
		{name: "container with a line break in its token file", env: join(container, vars{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "HOME/token"}), files: vars{"token": "open\n"}},
		{name: "container without its token file", env: join(container, vars{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "HOME/token"})},
		{name: "container that refuses", env: vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": place.URL + "/refused"}},
		{name: "container by name", env: vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": strings.Replace(place.URL, "127.0.0.1", "localhost", 1) + "/creds"}},
		{name: "container at another loopback address", env: vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": strings.Replace(place.URL, "127.0.0.1", "127.1.2.3", 1) + "/creds"}},
		{name: "container at a bridge", env: vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://172.17.0.1:1/creds"}},
		{name: "container that fails and an instance", env: vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": place.URL + "/refused", "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": place.URL}},
		{name: "instance", env: vars{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": place.URL}},
		{name: "instance, disabled by 1", env: vars{"AWS_EC2_METADATA_DISABLED": "1", "AWS_EC2_METADATA_SERVICE_ENDPOINT": place.URL}},
		{name: "role by instance", env: vars{"AWS_PROFILE": "r", "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": place.URL}, credentials: "[r]\nrole_arn = " + reader + "\ncredential_source = Ec2InstanceMetadata\n"},
		{name: "no region", env: join(keys(ci), vars{"REGION": ""})},
		{name: "AWS_REGION only", env: join(keys(ci), vars{"REGION": "", "AWS_REGION": "eu-west-1"})},
		{name: "AWS_DEFAULT_REGION only", env: join(keys(ci), vars{"REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"})},
		{name: "region of the profile", env: vars{"REGION": "", "AWS_PROFILE": "ann"}, credentials: static("ann", ann) + "region = eu-west-1\n"},
		{name: "web identity without its token", env: vars{"AWS_ROLE_ARN": reader, "AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/none"}},
		{name: "web identity without a role", env: vars{"AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/none"}},
		{name: "keys that have expired", env: join(keys(ci), vars{"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"})},
	}

	program := filepath.Join(t.TempDir(), "whoami")
	must(t, os.Environ(), "", "go", "build", "-o", program, "./testdata/whoami")
	python, node := tool(t, "python3"), tool(t, "node")
	nameCLI := "python" // version 1 is botocore with its rules
	if out, err := exec.Command(cli, "--version").CombinedOutput(); err != nil {
		t.Fatal(err)
	} else if strings.HasPrefix(string(out), "aws-cli/2") {
		nameCLI = "cli"
	}
	clients := []struct {
		name, sdk string
		command   []string
	}{
		{"AWS CLI", nameCLI, []string{cli, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"}},
		{"boto3", "python", []string{python, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"}},
		{"Go", "go", []string{program}},
		{"JavaScript", "js", []string{node, "js/whoami.mjs"}},
		{"JavaScript v2", "js-v2", []string{node, "js/v2.cjs"}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel() // clients wait for seconds before they believe a refusal
			home := t.TempDir()
			text := func(s string) string { return strings.ReplaceAll(s, "HOME/", home+"/") }
			if strings.Contains(c.config, "$HOME") {
				text = func(s string) string { return s }
			}
			if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
				t.Fatal(err)
			}
			files := vars{".aws/config": text(c.config), ".aws/credentials": text(c.credentials)}
			for name, data := range c.files {
				files[name] = data
			}
			for name, data := range files {
				if data == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(home, name), []byte(data), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			set := join(vars{
				"HOME": home, "PATH": os.Getenv("PATH"), "AWS_ENDPOINT_URL": a.url, "AWS_ENDPOINT_URL_STS": a.url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
				"AWS_EC2_METADATA_DISABLED": "true",
				// Where python and aws are pyenv's, they look for it in HOME.
				"PYENV_ROOT": filepath.Join(os.Getenv("HOME"), ".pyenv"),
			})
			if _, none := c.env["REGION"]; none {
				delete(set, "AWS_REGION")
				delete(set, "AWS_DEFAULT_REGION")
			}
			for k, v := range c.env {
				if k != "REGION" {
					set[k] = text(v)
				}
			}
			var env []string
			for k, v := range set {
				env = append(env, k+"="+v)
			}
			for _, client := range clients {
				// Some run in a circle of profiles for ever: they are nobody.
				r := run(t, env, "", "timeout", append([]string{"40"}, client.command...)...)
				if r.code == 124 {
					t.Logf("%s did not come back", client.name)
				}
				real := strings.TrimSpace(r.stdout)
				if strings.HasPrefix(real, "{") {
					var x struct{ Arn string }
					json.Unmarshal([]byte(real), &x)
					real = x.Arn
				}
				if r.code != 0 {
					real = ""
				}
				said := run(t, env, "", mantle(t), "whoami", "--chain", "--sdk", client.sdk, "--output", "json")
				var x struct {
					ARN, Error, Undecided string
					Steps                 []struct{ Source, State, Why string }
				}
				if err := json.Unmarshal([]byte(said.stdout), &x); err != nil {
					t.Fatalf("%s: whoami --chain said %q %s", client.name, said.stdout, said.stderr)
				}
				if got, want := made.ReplaceAllString(x.ARN, "/made"), made.ReplaceAllString(real, "/made"); got != want {
					t.Errorf("%s is %q (%s), whoami --chain --sdk %s says %q %s\n%v", client.name, want, lastLine(r.stderr), client.sdk, got, x.Error, x.Steps)
				}
				if (said.code == 0) != (real != "") {
					t.Errorf("%s: status %d for %q", client.name, said.code, real)
				}
				for _, c := range []credentials{ci, ann, {SecretAccessKey: s.SecretAccessKey}} {
					if strings.Contains(said.stdout+said.stderr, c.SecretAccessKey) {
						t.Errorf("%s: a secret is in the answer", client.name)
					}
				}
			}
		})
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}
