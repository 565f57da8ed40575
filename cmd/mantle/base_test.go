package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
)

// aloneInTheWorld takes away what the environment says of AWS: the SDK reads
// the process's own.
func aloneInTheWorld(t *testing.T, vars ...string) *env {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it when the test ends
			os.Unsetenv(name)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, kv := range append([]string{"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_EC2_METADATA_DISABLED=true"}, vars...) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	return &env{Stdout: &strings.Builder{}, Stderr: &strings.Builder{}, Environ: os.Environ()}
}

// lends is a role's credentials, named for where they come from.
type lends string

func (l lends) Credentials(context.Context, broker.Caller) (broker.Credentials, error) {
	return broker.Credentials{
		AccessKeyID: "ASIA" + strings.ToUpper(string(l)), SecretAccessKey: "s", SessionToken: "t",
		RoleARN: "arn:aws:iam::111122223333:role/host", Expires: time.Now().Add(time.Hour),
	}, nil
}

// served serves h as the agent would for one workload.
func served(t *testing.T, h http.Handler) string {
	t.Helper()
	ln, err := listenOn("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Serve(ctx, ln, h, agent.ServeOptions{Workload: "host"}) }()
	t.Cleanup(func() { cancel(); <-done })
	return "http://" + ln.Addr().String()
}

func TestBaseSources(t *testing.T) {
	metadata := served(t, agent.NewIMDS(lends("instance"), agent.IMDSOptions{
		Instance: func(broker.Caller) agent.Instance { return agent.Instance{ID: "i-1", Region: "eu-north-1"} },
	}))
	container := served(t, agent.NewECS(lends("container"), nil, agent.ECSOptions{}))
	var asked string // what STS was asked last
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		asked = r.Form.Encode()
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	nowhere := httptest.NewServer(http.NotFoundHandler())
	defer nowhere.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	token := write("token", "a.b.c")
	profiles := write("config", "[profile dev]\nregion = eu-west-3\naws_access_key_id = AKIADEV\naws_secret_access_key = s\n")
	const role = "arn:aws:iam::111122223333:role/mantle"
	vends := []string{"sh", "-c", fmt.Sprintf(`echo '{"Version":1,"AccessKeyId":"ASIAPROCESS","SecretAccessKey":"s","SessionToken":"t","Expiration":"%s"}'`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))}

	for _, tt := range []struct {
		name   string
		base   config.Base
		vars   []string
		key    string // "" for a failure
		region string
		want   string // in the error
	}{
		{"instance", config.Base{Source: "instance"}, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata}, "ASIAINSTANCE", "eu-north-1", ""},
		{"instance in a region that is named", config.Base{Source: "instance", Region: "us-gov-west-1"}, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata}, "ASIAINSTANCE", "us-gov-west-1", ""},
		{"instance, whatever the environment holds", config.Base{Source: "instance"}, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata, "AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=s"}, "ASIAINSTANCE", "eu-north-1", ""},
		{"no instance", config.Base{Source: "instance", Region: "eu-west-1"}, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + nowhere.URL}, "", "", "attach an instance profile"},
		{"container", config.Base{Source: "container", Region: "eu-west-1"}, []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container + "/v1/credentials"}, "ASIACONTAINER", "eu-west-1", ""},
		{"no container", config.Base{Source: "container", Region: "eu-west-1"}, nil, "", "", "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor"},
		{"container elsewhere", config.Base{Source: "container", Region: "eu-west-1"}, []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/x"}, "", "", "192.0.2.1 is on another machine, and not https"},
		{"environment", config.Base{Source: "environment", Region: "eu-west-1"}, []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s"}, "AKIAENV", "eu-west-1", ""},
		{"empty environment", config.Base{Source: "environment", Region: "eu-west-1"}, nil, "", "", "the environment has none"},
		{"profile", config.Base{Source: "profile", Profile: "dev"}, []string{"AWS_CONFIG_FILE=" + profiles}, "AKIADEV", "eu-west-3", ""},
		{"profile before the environment", config.Base{Profile: "dev"}, []string{"AWS_CONFIG_FILE=" + profiles, "AWS_ACCESS_KEY_ID=AKIAX", "AWS_SECRET_ACCESS_KEY=s"}, "AKIADEV", "eu-west-3", ""},
		{"no such profile", config.Base{Profile: "prod"}, []string{"AWS_CONFIG_FILE=" + profiles}, "", "", "prod"},
		{"web identity", config.Base{Source: "web_identity", RoleARN: role, TokenFile: token, Region: "eu-west-1", Endpoint: sts.URL}, nil, "ASIAWEB", "eu-west-1", ""},
		{"no token", config.Base{Source: "web_identity", RoleARN: role, TokenFile: token + "x", Region: "eu-west-1", Endpoint: sts.URL}, nil, "", "", "see that token_file holds a token"},
		{"process", config.Base{Source: "process", Command: vends, Region: "eu-west-1"}, nil, "ASIAPROCESS", "eu-west-1", ""},
		{"process that fails", config.Base{Source: "process", Command: []string{"false"}, Region: "eu-west-1"}, nil, "", "", "run the command by hand"},
		{"chain", config.Base{}, []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s", "AWS_REGION=eu-west-2"}, "AKIAENV", "eu-west-2", ""},
		{"no region", config.Base{Source: "environment"}, []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s"}, "", "", "no region is set"},
		{"no such bundle", config.Base{CABundle: token + "x", Region: "eu-west-1"}, nil, "", "", "ca_bundle: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := aloneInTheWorld(t, tt.vars...)
			cfg, err := e.baseFrom(t.Context(), tt.base, 0)
			key := ""
			if err == nil {
				got, failed := cfg.Credentials.Retrieve(t.Context())
				key, err = got.AccessKeyID, failed
			}
			switch {
			case tt.key == "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got key %q, error %v; want %q", key, err, tt.want)
			case tt.key != "" && (err != nil || key != tt.key || cfg.Region != tt.region):
				t.Errorf("got key %q in %q, error %v; want %q in %q", key, cfg.Region, err, tt.key, tt.region)
			}
			if x, ok := errors.AsType[*exitError](err); ok && x.hint == "" {
				t.Errorf("%v comes without a cure", err)
			}
		})
	}
	if !strings.Contains(asked, "WebIdentityToken=a.b.c") || !strings.Contains(asked, "RoleSessionName=mantle") {
		t.Errorf("STS was asked %s", asked)
	}
}

// Where STS is called.
func TestBaseEndpoints(t *testing.T) {
	e := aloneInTheWorld(t, "AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=s")
	for _, tt := range []struct {
		base config.Base
		want string
	}{
		{config.Base{Region: "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com/"},
		{config.Base{Region: "us-east-1"}, "https://sts.us-east-1.amazonaws.com/"}, // not the global one
		{config.Base{Region: "cn-north-1"}, "https://sts.cn-north-1.amazonaws.com.cn/"},
		{config.Base{Region: "us-gov-west-1"}, "https://sts.us-gov-west-1.amazonaws.com/"},
		{config.Base{Region: "us-iso-east-1"}, "https://sts.us-iso-east-1.c2s.ic.gov/"},
		{config.Base{Region: "eusc-de-east-1"}, "https://sts.eusc-de-east-1.amazonaws.eu/"},
		{config.Base{Region: "us-east-1", FIPS: true}, "https://sts-fips.us-east-1.amazonaws.com/"},
		{config.Base{Region: "eu-west-1", DualStack: true}, "https://sts.eu-west-1.api.aws/"},
		{config.Base{Region: "eu-west-1", Endpoint: "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com"}, "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/"},
	} {
		cfg, err := e.baseFrom(t.Context(), tt.base, 0)
		if err != nil {
			t.Fatal(err)
		}
		called := ""
		cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			called = r.URL.String()
			return nil, errors.New("enough")
		})
		cfg.RetryMaxAttempts = 1
		l := e.lend(t.Context(), cfg, nil, nil)
		l.identity(t.Context())
		if called != tt.want {
			t.Errorf("%+v: called %s, want %s", tt.base, called, tt.want)
		}
	}
}

type doer func(*http.Request) (*http.Response, error)

func (f doer) Do(r *http.Request) (*http.Response, error) { return f(r) }

// No proxy hears of what goes to this host or its link.
func TestNoProxyForLocal(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	tr := localClient(0).GetTransport()
	for _, host := range []string{"169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::23]", "127.0.0.1", "localhost", "[::1]"} {
		r, err := http.NewRequest("GET", "http://"+host+"/latest/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := tr.Proxy(r); u != nil || err != nil {
			t.Errorf("%s: by %v (%v)", host, u, err)
		}
	}
}
