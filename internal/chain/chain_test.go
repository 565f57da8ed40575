package chain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// world is a program's surroundings in a table: files by name, answers by
// method and URL, and an STS that assumes every role but "forbidden".
type world struct {
	files   map[string]string
	answers map[string]Answer
	hosts   map[string]string
	calls   []string
}

func (w *world) ReadFile(path string) ([]byte, error) {
	text, ok := w.files[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if text == "secret" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return []byte(text), nil
}

func (w *world) Do(_ context.Context, method, url string, h http.Header) (Answer, error) {
	call := method + " " + url
	if v := h.Get("Authorization"); v != "" {
		call += " " + v
	}
	w.calls = append(w.calls, call)
	a, ok := w.answers[method+" "+url]
	if !ok {
		return Answer{}, errors.New("no route to host")
	}
	if h.Get("X-Aws-Ec2-Metadata-Token") == "" && method == "GET" && a.Header.Get("Token") != "" {
		return Answer{Status: 401}, nil
	}
	return a, nil
}

func (w *world) LookupHost(_ context.Context, host string) ([]netip.Addr, error) {
	a, err := netip.ParseAddr(w.hosts[host])
	if err != nil {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{a}, nil
}

func (w *world) Run(_ context.Context, command string, shell bool) ([]byte, error) {
	w.calls = append(w.calls, fmt.Sprintf("run %s %t", command, shell))
	if out, ok := w.files["$ "+command]; ok {
		return []byte(out), nil
	}
	return nil, ErrNotRun
}

func (w *world) AssumeRole(_ context.Context, with Credentials, _ Endpoint, in Assume) (Credentials, error) {
	w.calls = append(w.calls, fmt.Sprintf("assume %s with %s for %s", in.RoleARN, with.AccessKeyID, in.Duration))
	if strings.HasSuffix(in.RoleARN, "forbidden") {
		return Credentials{}, errors.New("(AccessDenied) when calling the AssumeRole operation: no")
	}
	return Credentials{AccessKeyID: "ASIA" + in.RoleARN, SecretAccessKey: "s", SessionToken: "t"}, nil
}

func (w *world) AssumeRoleWithWebIdentity(_ context.Context, _ Endpoint, in Assume, token string) (Credentials, error) {
	return Credentials{AccessKeyID: "ASIA" + in.RoleARN + token, SecretAccessKey: "s", SessionToken: "t"}, nil
}

func (w *world) Identity(context.Context, Credentials, Endpoint) (Identity, error) {
	return Identity{}, nil
}

const given = `{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"s","Token":"t","Expiration":"2036-01-01T00:00:00Z"}`

func keys(id string) string {
	return "aws_access_key_id = " + id + "\naws_secret_access_key = s-" + id + "\n"
}

// TestWalk holds who one ends up as, for each SDK, against what the SDKs do:
// the access key id, or what the program is told, in the order of SDKs.
func TestWalk(t *testing.T) {
	env := func(kv ...string) map[string]string {
		m := map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	const (
		none   = "none"
		creds  = "/home/app/.aws/credentials"
		config = "/home/app/.aws/config"
		full   = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
		rel    = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	)
	box := map[string]Answer{
		"GET http://127.0.0.1:1/c":    {Status: 200, Body: []byte(given)},
		"GET http://localhost:1/c":    {Status: 200, Body: []byte(given)},
		"GET http://169.254.170.2/c":  {Status: 200, Body: []byte(given)},
		"GET http://169.254.170.23/c": {Status: 200, Body: []byte(given)},
		"GET http://agent:1/c":        {Status: 200, Body: []byte(given)},
		"GET http://127.0.0.1:1/no":   {Status: 400, Body: []byte(`{"code":"InvalidIdInRequest"}`)},
	}
	// want is one word for all, or one for each of: cli, python, go, js, js-v2,
	// java, terraform.
	for _, c := range []struct {
		name  string
		env   map[string]string
		files map[string]string
		want  string
	}{
		{"nothing", env(), nil, none},
		{"keys", env("AWS_ACCESS_KEY_ID", "AKIAENV", "AWS_SECRET_ACCESS_KEY", "s"), nil, "AKIAENV"},
		{"keys and a profile", env("AWS_ACCESS_KEY_ID", "AKIAENV", "AWS_SECRET_ACCESS_KEY", "s", "AWS_PROFILE", "p"),
			map[string]string{creds: "[p]\n" + keys("AKIAPRO")}, "AKIAENV AKIAENV AKIAENV AKIAPRO AKIAENV AKIAENV AKIAENV"},
		{"half a pair", env("AWS_ACCESS_KEY_ID", "AKIAENV"), map[string]string{creds: "[default]\n" + keys("AKIADEF")},
			"Partial Partial AKIADEF AKIADEF AKIADEF AKIADEF AKIADEF"},
		{"no such profile", env("AWS_PROFILE", "x", full, "http://127.0.0.1:1/c"), nil,
			"could could failed ASIACONTAINER ASIACONTAINER ASIACONTAINER failed"},
		{"prefix in credentials", env("AWS_PROFILE", "p"), map[string]string{creds: "[profile p]\n" + keys("AKIAPRO")},
			"could could failed none none none failed"},
		{"no prefix in config", env("AWS_PROFILE", "p"), map[string]string{config: "[p]\n" + keys("AKIAPRO")},
			"could could failed none none none failed"},
		{"config needs AWS_SDK_LOAD_CONFIG", env("AWS_PROFILE", "p"), map[string]string{config: "[profile p]\n" + keys("AKIAPRO")},
			"AKIAPRO AKIAPRO AKIAPRO AKIAPRO none AKIAPRO AKIAPRO"},
		{"credentials over config", env(), map[string]string{config: "[default]\n" + keys("AKIACON"), creds: "[default]\n" + keys("AKIACRE")}, "AKIACRE"},
		{"another user's file", env(), map[string]string{creds: "secret"}, none},
		{"role of the container", env("AWS_PROFILE", "p", rel, "/c"), map[string]string{creds: "[p]\nrole_arn=R\ncredential_source=EcsContainer\n"},
			"ASIAR ASIAR ASIAR ASIAR ASIACONTAINER ASIAR ASIAR"},
		{"role of no container", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\nrole_arn=R\ncredential_source=EcsContainer\n"},
			"credential_source credential_source EcsContainer none none none EcsContainer"},
		{"wrong spelling", env("AWS_PROFILE", "p", rel, "/c"), map[string]string{creds: "[p]\nrole_arn=R\ncredential_source=ECSContainer\n"},
			"ECSContainer ECSContainer values ASIACONTAINER ASIACONTAINER ASIACONTAINER values"},
		{"two sources", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\nrole_arn=R\ncredential_source=EcsContainer\nsource_profile=q\n[q]\n" + keys("AKIAQ")},
			"both both only none ASIAR none only"},
		{"source profile", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\nrole_arn=R\nsource_profile=q\n[q]\n" + keys("AKIAQ")}, "ASIAR"},
		{"role refused", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\nrole_arn=forbidden\nsource_profile=q\n[q]\n" + keys("AKIAQ")},
			"AccessDenied AccessDenied AccessDenied AccessDenied none none AccessDenied"},
		{"a circle", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\nrole_arn=R\nsource_profile=q\n[q]\nrole_arn=S\nsource_profile=p\n"},
			"Infinite Infinite itself none none none itself"},
		{"loopback", env(full, "http://127.0.0.1:1/c"), nil, "ASIACONTAINER"},
		{"localhost", env(full, "http://localhost:1/c"), nil, "ASIACONTAINER"},
		{"pod identity", env(full, "http://169.254.170.23/c"), nil, "ASIACONTAINER"},
		{"a name that is loopback", env(full, "http://agent:1/c"), nil, "Unsupported Unsupported ASIACONTAINER none none ASIACONTAINER ASIACONTAINER"},
		{"a bridge", env(full, "http://172.17.0.1/c"), nil, "Unsupported Unsupported invalid none none none invalid"},
		{"refused", env(full, "http://127.0.0.1:1/no"), nil, "InvalidIdInRequest InvalidIdInRequest InvalidIdInRequest none none none InvalidIdInRequest"},
		{"no token file", env(full, "http://127.0.0.1:1/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/none"), nil, "/none /none /none /none none none /none"},
		{"relative before full", env(rel, "/c", full, "http://172.17.0.1/c"), nil, "ASIACONTAINER"},
		{"comments", env(), map[string]string{creds: "[default]\naws_access_key_id=AKIAX # mine\naws_secret_access_key=s\n"},
			"AKIAX_#_mine AKIAX_#_mine AKIAX AKIAX AKIAX AKIAX AKIAX"},
		{"a line that is nothing", env(), map[string]string{creds: "[default]\n" + keys("AKIADEF") + "EOF\n"}, "parse parse AKIADEF AKIADEF AKIADEF AKIADEF AKIADEF"},
		{"sso", env("AWS_PROFILE", "p"), map[string]string{config: "[profile p]\nsso_session = corp\nsso_role_name=r\nsso_account_id=1\n"},
			"sso sso sso sso none sso sso"},
		{"process of another program", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\ncredential_process = x\n"}, "process"},
		{"process", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\ncredential_process = x\n", "$ x": `{"Version":1,"AccessKeyId":"AKIAPROC","SecretAccessKey":"s"}`},
			"AKIAPROC AKIAPROC AKIAPROC AKIAPROC AKIAPROC AKIAPROC AKIAPROC"},
		{"process of version \"1\"", env("AWS_PROFILE", "p"), map[string]string{creds: "[p]\ncredential_process = x\n", "$ x": `{"Version":"1","AccessKeyId":"AKIAPROC","SecretAccessKey":"s"}`},
			"Version Version Version none none none Version"},
		{"web identity", env("AWS_WEB_IDENTITY_TOKEN_FILE", "/t", "AWS_ROLE_ARN", "W"), map[string]string{"/t": "T"}, "ASIAWT"},
		{"web identity of the profile", env("AWS_PROFILE", "p"), map[string]string{"/t": "T", creds: "[p]\nweb_identity_token_file=/t\nrole_arn=W\n"},
			"ASIAWT ASIAWT ASIAWT ASIAWT ASIAWT ASIAWT ASIAWT"},
	} {
		words := strings.Fields(c.want)
		for i, sdk := range SDKs() {
			want := words[min(i, len(words)-1)]
			w := &world{files: c.files, answers: box, hosts: map[string]string{"agent": "127.0.0.1", "localhost": "127.0.0.1"}}
			tr := Walk(t.Context(), w, &Surroundings{Environ: c.env, Home: "/home/app", User: "app"}, sdk)
			switch {
			case tr.Credentials != nil:
				if got := strings.ReplaceAll(tr.Credentials.AccessKeyID, " ", "_"); got != want {
					t.Errorf("%s, %s: got %s, want %s\n%v", c.name, sdk.Name, got, want, tr.Steps)
				}
			case want == none:
				if tr.Err != sdk.NoneFound {
					t.Errorf("%s, %s: got %q %q, want %q", c.name, sdk.Name, tr.Err, tr.Undecided, sdk.NoneFound)
				}
			default:
				if !strings.Contains(tr.Err+tr.Undecided+fmt.Sprint(tr.Steps), want) || tr.Err == sdk.NoneFound {
					t.Errorf("%s, %s: got %q %q, want something with %q\n%v", c.name, sdk.Name, tr.Err, tr.Undecided, want, tr.Steps)
				}
			}
			if len(tr.Steps) < len(sdk.Order) {
				t.Errorf("%s, %s: %d steps, want each of %d sources", c.name, sdk.Name, len(tr.Steps), len(sdk.Order))
			}
		}
	}
}

// TestDuration: what each SDK sends to STS if the profile is silent, or asks
// for less than Go believes.
func TestDuration(t *testing.T) {
	for _, c := range []struct{ sdk, line, want string }{
		{"python", "", "0s"}, {"go", "", "15m0s"}, {"js", "", "1h0m0s"}, {"java", "", "1h0m0s"},
		{"python", "duration_seconds=901", "15m1s"}, {"go", "duration_seconds=901", "15m0s"}, {"go", "duration_seconds=960", "16m0s"},
		{"js", "duration_seconds=901", "15m1s"},
	} {
		w := &world{files: map[string]string{"/h/.aws/credentials": "[default]\nrole_arn=R\nsource_profile=q\n" + c.line + "\n[q]\n" + keys("AKIAQ")}}
		Walk(t.Context(), w, &Surroundings{Environ: map[string]string{}, Home: "/h"}, ByName(c.sdk))
		if got, want := strings.Join(w.calls, ","), "assume R with AKIAQ for "+c.want; got != want {
			t.Errorf("%s %s: got %s, want %s", c.sdk, c.line, got, want)
		}
	}
}

// TestMetadata: what is seen of instance metadata, with a hop limit that keeps
// the token's answer away.
func TestMetadata(t *testing.T) {
	const base = "http://169.254.169.254/latest/"
	const roles = base + "meta-data/iam/security-credentials/"
	token := http.Header{"Token": {"required"}}
	for _, c := range []struct {
		name    string
		answers map[string]Answer
		want    string
	}{
		{"nobody", nil, "nobody answers"},
		{"role", map[string]Answer{
			"PUT " + base + "api/token": {Status: 200, Body: []byte("tok")},
			"GET " + roles:              {Status: 200, Header: token, Body: []byte("web")},
			"GET " + roles + "web":      {Status: 200, Header: token, Body: []byte(`{"Code":"Success",` + given[1:])},
		}, "has role web"},
		{"hop limit", map[string]Answer{"GET " + roles: {Status: 200, Header: token}}, "did not arrive"},
		{"no profile", map[string]Answer{"PUT " + base + "api/token": {Status: 200, Body: []byte("tok")}, "GET " + roles: {Status: 404}}, "no instance profile"},
		{"not assumable", map[string]Answer{
			"PUT " + base + "api/token": {Status: 200, Body: []byte("tok")},
			"GET " + roles:              {Status: 200, Body: []byte("web")},
			"GET " + roles + "web":      {Status: 200, Body: []byte(`{"Code":"AssumeRoleUnauthorizedAccess"}`)},
		}, "AssumeRoleUnauthorizedAccess"},
	} {
		tr := Walk(t.Context(), &world{answers: c.answers}, &Surroundings{Environ: map[string]string{"AWS_REGION": "r"}, Home: "/h"}, ByName("cli"))
		last := tr.Steps[len(tr.Steps)-1]
		if !strings.Contains(last.Why, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, last.Why, c.want)
		}
		if got, want := tr.Metadata.V1 == 401, c.name == "hop limit"; got != want {
			t.Errorf("%s: answer without a token: got %t, want %t", c.name, got, want)
		}
	}
}

// TestToken: which authorization header an endpoint is asked with.
func TestToken(t *testing.T) {
	for _, c := range []struct{ sdk, file, want string }{
		{"python", "tok", "tok"}, {"go", "tok", "tok"}, {"js", "tok", "tok,GET http://127.0.0.1/c other"},
		{"python", "tok\n", ""}, {"go", "tok\n", ""}, {"go", "tok\r\n", ""},
	} {
		w := &world{files: map[string]string{"/t": c.file}}
		Walk(t.Context(), w, &Surroundings{Environ: map[string]string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "other", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t",
			"AWS_EC2_METADATA_DISABLED": "true",
		}}, ByName(c.sdk))
		want := ""
		if c.want != "" {
			want = "GET http://127.0.0.1/c " + c.want
		}
		if got := strings.Join(w.calls, ","); got != want {
			t.Errorf("%s with %q: asked %q, want %q", c.sdk, c.file, got, want)
		}
	}
}

// TestRegion: who reads which variable.
func TestRegion(t *testing.T) {
	for _, c := range []struct{ variable, blocked string }{
		{"AWS_REGION", "python"}, {"AWS_DEFAULT_REGION", "js js-v2 java"},
		{"NONE", "cli python go js js-v2 java terraform"},
	} {
		var blocked []string
		for _, sdk := range SDKs() {
			s := &Surroundings{Environ: map[string]string{c.variable: "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"}}
			if tr := Walk(t.Context(), &world{}, s, sdk); tr.Blocked != "" {
				blocked = append(blocked, sdk.Name)
			}
		}
		if got := strings.Join(blocked, " "); got != c.blocked {
			t.Errorf("with %s only: no region for %s, want %s", c.variable, got, c.blocked)
		}
	}
}

// TestEndpoint: where STS is, in the order of the settings.
func TestEndpoint(t *testing.T) {
	files := map[string]string{"/h/.aws/config": "[default]\nservices = local\nendpoint_url = http://4\n[services local]\nsts =\n  endpoint_url = http://3\n"}
	for _, c := range []struct{ kv, want string }{
		{"AWS_ENDPOINT_URL_STS=http://1 AWS_ENDPOINT_URL=http://2", "http://1"}, {"AWS_ENDPOINT_URL=http://2", "http://2"},
		{"", "http://3"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true AWS_ENDPOINT_URL=http://2", ""},
	} {
		s := &Surroundings{Environ: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, Home: "/h"}
		for kv := range strings.FieldsSeq(c.kv) {
			k, v, _ := strings.Cut(kv, "=")
			s.Environ[k] = v
		}
		if got := Walk(t.Context(), &world{files: files}, s, ByName("python")).Endpoint.URL; got != c.want {
			t.Errorf("%s: got %q, want %q", c.kv, got, c.want)
		}
	}
}

// TestRolesAtAWS: with the endpoint of a sandbox some SDKs ask AWS itself for a
// role all the same.
func TestRolesAtAWS(t *testing.T) {
	files := map[string]string{"/h/.aws/credentials": "[default]\nrole_arn=R\nsource_profile=q\n[q]\n" + keys("AKIAQ")}
	for _, c := range []struct{ variable, misled string }{
		{"AWS_ENDPOINT_URL", "go js-v2 terraform"}, {"AWS_ENDPOINT_URL_STS", "js-v2"},
	} {
		var misled []string
		for _, sdk := range SDKs() {
			w := &world{files: files}
			s := &Surroundings{Environ: map[string]string{c.variable: "http://127.0.0.1:4566", "AWS_EC2_METADATA_DISABLED": "true"}, Home: "/h"}
			if tr := Walk(t.Context(), w, s, sdk); tr.Credentials == nil {
				misled = append(misled, sdk.Name)
			}
		}
		if got := strings.Join(misled, " "); got != c.misled {
			t.Errorf("with %s: got %s, want %s", c.variable, got, c.misled)
		}
	}
}

// TestSecretsStayInside: no way of printing credentials or a trace shows more
// than a shortened key id.
func TestSecretsStayInside(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	w := &world{files: map[string]string{"/h/.aws/credentials": "[default]\naws_access_key_id = AKIAEXAMPLE1\naws_secret_access_key = " + secret + "\naws_session_token=" + secret + "\n" + secret}}
	for _, sdk := range SDKs() {
		tr := Walk(t.Context(), w, &Surroundings{Environ: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, Home: "/h"}, sdk)
		text := fmt.Sprintf("%v %s %+v %s %s", tr.Credentials, tr.Credentials, tr.Steps, tr.Err, tr.Undecided)
		if tr.Credentials != nil {
			text += fmt.Sprintf("%v %+v %#v %s", *tr.Credentials, *tr.Credentials, *tr.Credentials, tr.Credentials.LogValue())
		}
		if strings.Contains(text, secret) {
			t.Errorf("%s: a secret is in %s", sdk.Name, text)
		}
	}
}

// TestPathsStayInside: the path of a container endpoint is as good as a
// password.
func TestPathsStayInside(t *testing.T) {
	const secret = "ae63d545519fd0cd7d2ebc6f3f1e3f22"
	for _, a := range []map[string]Answer{
		nil,
		{"GET http://127.0.0.1/v2/credentials/" + secret: {Status: 500}},
		{"GET http://127.0.0.1/v2/credentials/" + secret: {Status: 200}},
		{"GET http://127.0.0.1/v2/credentials/" + secret: {Status: 200, Body: []byte("{}")}},
		{"GET http://127.0.0.1/v2/credentials/" + secret: {Status: 200, Body: []byte(given)}},
	} {
		for _, sdk := range SDKs() {
			s := &Surroundings{Environ: map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/v2/credentials/" + secret}}
			for range 2 {
				tr := Walk(t.Context(), &world{answers: a}, s, sdk)
				if text := fmt.Sprint(tr.Steps, tr.Err); strings.Contains(text, secret) {
					t.Errorf("%s: %s", sdk.Name, text)
				}
				s.Environ["AWS_ACCESS_KEY_ID"], s.Environ["AWS_SECRET_ACCESS_KEY"] = "AKIAEXAMPLE1", "s" // then it is not reached
			}
		}
	}
}

// FuzzProfiles: no file makes a walk fail, and none of an SDK's reading finds a
// profile without a name.
func FuzzProfiles(f *testing.F) {
	f.Add("[profile x]\nrole_arn = r\nsource_profile = x\n", "[x]\naws_access_key_id = a\n")
	f.Add("[default\n= \n[]\n  a = b\nservices =\n  sts =\n", "\xff[a]]\n[profile ]\n#\n;\n=")
	f.Fuzz(func(t *testing.T, config, credentials string) {
		w := &world{files: map[string]string{"/h/.aws/config": config, "/h/.aws/credentials": credentials}}
		for _, sdk := range SDKs() {
			for _, name := range []string{"", "x"} {
				tr := Walk(t.Context(), w, &Surroundings{Environ: map[string]string{"AWS_PROFILE": name, "AWS_EC2_METADATA_DISABLED": "true"}, Home: "/h"}, sdk)
				if tr.Credentials == nil && tr.Err == "" && tr.Undecided == "" {
					t.Errorf("%s: neither credentials nor a reason", sdk.Name)
				}
			}
		}
	})
}
