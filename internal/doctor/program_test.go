package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/internal/chain"
)

// place is where a program is: its files, and an STS that says yes. Nothing
// answers but a metadata service that wants tokens and gives none, if it is
// behind a bridge.
type place struct {
	files  map[string]string
	bridge bool
	sts    error
}

func (p *place) ReadFile(path string) ([]byte, error) {
	if text, ok := p.files[path]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (p *place) Do(_ context.Context, method, url string, _ http.Header) (chain.Answer, error) {
	switch {
	case p.bridge && method == "GET":
		return chain.Answer{Status: 401}, nil
	case strings.HasPrefix(url, "http://169.254.170.2"):
		return chain.Answer{Status: 200, Body: []byte(`{"AccessKeyId":"ASIATASKROLE","SecretAccessKey":"s","Token":"t","Expiration":"2036-01-01T00:00:00Z"}`)}, nil
	}
	return chain.Answer{}, errors.New("no answer in time")
}

func (p *place) LookupHost(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}

func (p *place) Run(context.Context, string, bool) ([]byte, error) { return nil, chain.ErrNotRun }

func (p *place) AssumeRole(context.Context, chain.Credentials, chain.Endpoint, chain.Assume) (chain.Credentials, error) {
	return chain.Credentials{AccessKeyID: "ASIAROLE0000", SecretAccessKey: "s"}, p.sts
}

func (p *place) AssumeRoleWithWebIdentity(context.Context, chain.Endpoint, chain.Assume, string) (chain.Credentials, error) {
	return chain.Credentials{}, p.sts
}

func (p *place) Identity(context.Context, chain.Credentials, chain.Endpoint) (chain.Identity, error) {
	return chain.Identity{}, p.sts
}

// TestExamine holds each rule against surroundings that break it, and against
// the same ones repaired.
func TestExamine(t *testing.T) {
	const (
		creds  = "/home/app/.aws/credentials"
		config = "/home/app/.aws/config"
		rel    = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/c"
		keys   = "AWS_ACCESS_KEY_ID=AKIAEXAMPLE4Q AWS_SECRET_ACCESS_KEY=s"
		role   = "[x]\nrole_arn=arn:aws:iam::111122223333:role/r\nrole_session_name=n\n"
		static = "aws_access_key_id=AKIASTATIC00\naws_secret_access_key=s\n"
	)
	for _, c := range []struct {
		name      string
		sdk       string
		env       string
		files     map[string]string
		place     place
		sdks      []SDK
		skew      time.Duration
		container bool
		metadata  int
		want      string // "ID severity: words of it", "" for nothing
	}{
		{name: "sound", env: keys},
		{name: "profile of another user", env: "AWS_PROFILE=x", files: map[string]string{"/root/.aws/credentials": "[x]\n" + static},
			want: "C501 error: the section is in /root/.aws/credentials, but the program runs as app with HOME=/home/app"},
		{name: "profile of a user of the database", env: "AWS_PROFILE=x", files: map[string]string{"/etc/passwd": "svc:x:1:1::/srv/svc:/bin/sh\n", "/srv/svc/.aws/config": "[profile x]\nregion=r\n"},
			want: "C501 error: AWS_CONFIG_FILE=/srv/svc/.aws/config"},
		{name: "profile of nobody", env: "AWS_PROFILE=x", files: map[string]string{creds: "[y]\n" + static}, want: "C501 error: there are y"},
		{name: "profile prefix in credentials", env: "AWS_PROFILE=x", files: map[string]string{creds: "[profile x]\n" + static}, want: "C502 error: write [x] instead of [profile x]"},
		{name: "no prefix in config", env: "AWS_PROFILE=x", files: map[string]string{config: "[x]\n" + static}, want: "C502 error: write [profile x] instead of [x]"},
		{name: "section that is another program's", env: keys, files: map[string]string{config: "[toplevel]\nwhoami = sts get-caller-identity\n"}},
		{name: "invisible, but not asked for", env: keys, files: map[string]string{creds: "[profile y]\n" + static}, want: "C502 warning: [profile y]"},
		{name: "no container", env: "AWS_PROFILE=x", files: map[string]string{creds: role + "credential_source=EcsContainer\n"}, want: "C503 error: taskRoleArn"},
		{name: "no container for the source", env: "AWS_PROFILE=w", files: map[string]string{creds: role + "credential_source=EcsContainer\n[w]\nrole_arn=a\nsource_profile=x\nrole_session_name=n\n"}, want: "C503 error: profile x"},
		{name: "container", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: role + "credential_source=EcsContainer\n"}},
		{name: "capitals", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: role + "credential_source=ECSContainer\n"}, want: "C504 error: write EcsContainer: capitals count"},
		{name: "both sources", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: role + "credential_source=EcsContainer\nsource_profile=y\n"}, want: "C504 error: has both"},
		{name: "no source", env: "AWS_PROFILE=x", files: map[string]string{creds: role}, want: "C504 error: neither"},
		{name: "keys over profile", env: keys + " AWS_PROFILE=x", files: map[string]string{creds: "[x]\n" + static}, want: "C505 warning: AWS_ACCESS_KEY_ID (AKIA…4Q) shadows AWS_PROFILE=x; you are arn:me"},
		{name: "profile over keys", sdk: "js", env: keys + " AWS_PROFILE=x", files: map[string]string{creds: "[x]\n" + static}, want: "C505 warning: AWS_PROFILE=x shadows AWS_ACCESS_KEY_ID"},
		{name: "keys over the task's role", env: keys + " " + rel, want: "E406 error: AWS_ACCESS_KEY_ID (AKIA…4Q)"},
		{name: "profile over the task's role", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: "[x]\n" + static}, want: "E406 error: AWS_PROFILE=x"},
		{name: "no region", env: keys + " NOREGION=1", want: "C506 warning: You must specify a region"},
		{name: "the other region", sdk: "python", env: keys + " NOREGION=1 AWS_REGION=r", want: "C506 warning: AWS_REGION is set, but this SDK does not read it"},
		{name: "config file unread", sdk: "js-v2", env: "AWS_PROFILE=x", files: map[string]string{config: "[profile x]\n" + static}, want: "C507 warning: AWS_SDK_LOAD_CONFIG=1"},
		{name: "bridge address", env: "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://172.17.0.1/c", want: "C508 error: leads to 172.17.0.1"},
		{name: "old SDK", env: "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials", sdks: []SDK{{"aws-sdk-go", "1.44.300", "the program"}, {"botocore", "1.34.41", "/x"}},
			want: "C508 error: aws-sdk-go 1.44.300 (the program) is older than 1.47.11 and refuses 169.254.170.23"},
		{name: "no session name", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: "[x]\nrole_arn=a\ncredential_source=EcsContainer\n"}, want: "C509 info: botocore-session-"},
		{name: "lost variable", env: keys, files: map[string]string{"/proc/1/environ": "A=b\x00AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/c\x00"}, want: "E409 info: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		{name: "hop limit", env: "IMDS=1", place: place{bridge: true}, want: "I304 warning: http_put_response_hop_limit = 2"},
		{name: "host in reach", env: rel, container: true, metadata: 200, want: "I307 warning: the role of its host"},
		{name: "host out of reach", env: rel, container: true},
		{name: "too long a session", env: "AWS_PROFILE=x " + rel, files: map[string]string{creds: role + "credential_source=EcsContainer\nduration_seconds=7200\n"},
			place: place{sts: errors.New("(ValidationError): The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")}, want: "S601 error: duration_seconds = 3600"},
		{name: "slow clock", env: keys, skew: -432 * time.Second, want: "R901 error: the clock is 7m12s behind"},
		{name: "fast clock", env: keys, skew: time.Hour, want: "R901 error: 1h0m0s ahead"},
		{name: "fair clock", env: keys, skew: 4 * time.Minute},
	} {
		s := &chain.Surroundings{Environ: map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}, Home: "/home/app", User: "app"}
		if strings.Contains(c.env, "NOREGION") {
			delete(s.Environ, "AWS_REGION")
			delete(s.Environ, "AWS_DEFAULT_REGION")
		}
		if strings.Contains(c.env, "IMDS") {
			delete(s.Environ, "AWS_EC2_METADATA_DISABLED")
		}
		for kv := range strings.FieldsSeq(c.env) {
			k, v, _ := strings.Cut(kv, "=")
			s.Environ[k] = v
		}
		sdk := chain.ByName("cli")
		if c.sdk != "" {
			sdk = chain.ByName(c.sdk)
		}
		w := c.place
		w.files = c.files
		now := time.Now()
		p := &Program{Surroundings: s, Trace: chain.Walk(t.Context(), &w, s, sdk), Look: w.ReadFile, Now: now, Container: c.container, Metadata: c.metadata, SDKs: c.sdks}
		p.Identity = chain.Identity{ARN: "arn:me", Date: now.Add(-c.skew)}
		var got []string
		for _, x := range Examine(p) {
			got = append(got, x.ID+" "+x.Severity.String()+": "+x.What+" / "+x.Cure)
		}
		head, words, _ := strings.Cut(c.want, ": ")
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], head) || !strings.Contains(got[0], words)) {
			t.Errorf("%s: got %q, want only %q", c.name, got, c.want)
		}
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1.44.0", "1.47.11", true}, {"1.47.11", "1.47.11", false}, {"1.100.0", "1.47.11", false}, {"2.0", "1.47.11", false},
		{"1.47", "1.47.11", true}, {"v0-dev", "1.47.11", false},
	} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%s, %s): got %t, want %t", c.a, c.b, got, c.want)
		}
	}
}
