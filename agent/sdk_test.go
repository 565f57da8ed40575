package agent_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// environment clears what this machine says about AWS and sets vars, given as
// NAME=value.
func environment(t *testing.T, vars ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it when the test ends
			os.Unsetenv(name)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, v := range append([]string{"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none}, vars...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// borrowed is what the SDK for Go finds in the environment as it is.
func borrowed(t *testing.T, options ...func(*config.LoadOptions) error) (key, account, region string, expires time.Time, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return "", "", "", time.Time{}, err
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	return c.AccessKeyID, c.AccountID, cfg.Region, c.Expires, err
}

func TestSDKContainer(t *testing.T) {
	w := agent.NewWorkloads()
	g := w.Add("alpha")
	url := start(t, agent.NewECS(lend(byWorkload), w, agent.ECSOptions{}), agent.ServeOptions{})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(g.Token()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{
		"token":      g.Env(url),
		"token file": {"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + url + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + file},
		"path":       {"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + url + g.RelativeURI()},
		"localhost":  g.Env(strings.Replace(url, "127.0.0.1", "localhost", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, env...)
			key, account, _, expires, err := borrowed(t)
			if err != nil {
				t.Fatal(err)
			}
			if key != "ASIAIOSFODNN7EXAMPLE" || account != "111122223333" || time.Until(expires) < 50*time.Minute {
				t.Errorf("key %s, account %s, expires %v", key, account, expires)
			}
		})
	}
}

// A person who reads the SDK's error learns what to do.
func TestSDKContainerErrors(t *testing.T) {
	w := agent.NewWorkloads()
	g, past := w.Add("alpha"), w.Add("alpha")
	past.Revoke()
	for _, tt := range []struct {
		name string
		g    *agent.Grant
		err  error
		want []string
	}{
		{"revoked", past, nil, []string{"AccessDenied", "a token ends with the process"}},
		{"refused", g, &broker.RefusedError{Decision: broker.Decision{Reason: "no workload called alpha"}}, []string{"AccessDenied", "no workload called alpha"}},
		{"denied", g, &broker.LendError{Role: testRole, Kind: broker.Denied, Message: "the trust policy names only ec2.amazonaws.com"}, []string{"AccessDenied", "names only ec2.amazonaws.com", testRole}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := start(t, agent.NewECS(always(broker.Credentials{}, tt.err), w, agent.ECSOptions{}), agent.ServeOptions{})
			environment(t, tt.g.Env(url)...)
			_, _, _, _, err := borrowed(t)
			if err == nil {
				t.Fatal("got credentials")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

// counted counts requests by method and path.
type counted struct {
	http.Handler
	mu sync.Mutex
	n  map[string]int
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	c.n[r.Method+" "+r.URL.Path]++
	c.mu.Unlock()
	c.Handler.ServeHTTP(w, r)
}

func TestSDKMetadata(t *testing.T) {
	h := &counted{Handler: agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})}
	url := start(t, h, agent.ServeOptions{Workload: "alpha"})
	environment(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+url, "AWS_EC2_METADATA_V1_DISABLED=true")
	key, account, region, expires, err := borrowed(t, config.WithEC2IMDSRegion())
	if err != nil {
		t.Fatal(err)
	}
	if key != "ASIAIOSFODNN7EXAMPLE" || region != "eu-west-1" || time.Until(expires) < 50*time.Minute {
		t.Errorf("key %s, account %s, region %s, expires %v", key, account, region, expires)
	}

	ctx := t.Context()
	c := imds.New(imds.Options{Endpoint: url, EnableFallback: 1})
	doc, err := c.GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if doc.InstanceID != "i-1234567890abcdef0" || doc.AccountID != "111122223333" || doc.AvailabilityZone != "eu-west-1b" || doc.PendingTime.Year() != 2016 {
		t.Errorf("document %+v", doc)
	}
	info, err := c.GetIAMInfo(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info.InstanceProfileArn != "arn:aws:iam::111122223333:instance-profile/svc/alpha" || info.LastUpdated.IsZero() {
		t.Errorf("info %+v", info)
	}
	out, err := c.GetMetadata(ctx, &imds.GetMetadataInput{Path: "placement/availability-zone-id"})
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(out.Content); string(b) != "euw1-az2" {
		t.Errorf("zone id %q", b)
	}
	if _, err = c.GetUserData(ctx, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("user data: %v", err)
	}
	// The SDK takes tokens for good: had an answer lacked their life, it would ask
	// for one before every request.
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.n["PUT /latest/api/token"]; n > 3 {
		t.Errorf("%d tokens were asked for by three clients: %v", n, h.n)
	}
}

func TestSDKMetadataErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no rule", &broker.RefusedError{Decision: broker.Decision{Reason: "no rule fits"}}, "no EC2 IMDS role found"},
		{"denied", &broker.LendError{Role: testRole, Kind: broker.Denied, Message: "the trust policy names only ec2.amazonaws.com"}, "AssumeRoleUnauthorizedAccess"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := start(t, agent.NewIMDS(always(broker.Credentials{}, tt.err), agent.IMDSOptions{}), agent.ServeOptions{Workload: "alpha"})
			environment(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+url)
			if _, _, _, _, err := borrowed(t); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// A thousand callers who come at once while nothing is cached cost one call of
// STS, and all get the same credentials.
func TestColdStart(t *testing.T) {
	const callers = 1000
	var calls atomic.Int64
	lender := broker.LenderFunc(func(ctx context.Context, l broker.Loan) (broker.Credentials, error) {
		calls.Add(1)
		time.Sleep(50 * time.Millisecond)
		return credentials(l.Role), nil
	})
	b := broker.New(broker.Rules{{Name: "alpha", Loan: broker.Loan{Role: testRole}}}, lender, broker.Options{})
	w := agent.NewWorkloads()
	g := w.Add("alpha")
	e := agent.NewECS(b, w, agent.ECSOptions{})
	var good atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			r := request(e, nil, "GET", "/v1/credentials", "Authorization: "+g.Token())
			if r.StatusCode == 200 && strings.Contains(body(t, r), testRole) {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if good.Load() != callers || calls.Load() != 1 {
		t.Errorf("%d callers: %d answered, by %d calls; want all, by 1", callers, good.Load(), calls.Load())
	}
}
