//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// short lends sessions that SDKs must renew soon: both ask again once less
// than five minutes are left.
type short struct {
	life time.Duration
	n    atomic.Int64
}

func (s *short) Credentials(context.Context, broker.Caller) (broker.Credentials, error) {
	return broker.Credentials{
		AccessKeyID: fmt.Sprintf("ASIATESTREFRESH%05d", s.n.Add(1)), SecretAccessKey: "secret", SessionToken: "token",
		Expires: time.Now().Add(s.life), RoleARN: "arn:aws:iam::111122223333:role/app", AccountID: "111122223333",
	}, nil
}

// endpoints serves both dialects and returns the environment of each.
func endpoints(t *testing.T, b agent.Broker) map[string][]string {
	t.Helper()
	workloads := agent.NewWorkloads()
	serve := func(h http.Handler, opt agent.ServeOptions) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- agent.Serve(ctx, ln, h, opt) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return "http://" + ln.Addr().String()
	}
	container := serve(agent.NewECS(b, workloads, agent.ECSOptions{}), agent.ServeOptions{})
	metadata := serve(agent.NewIMDS(b, agent.IMDSOptions{}), agent.ServeOptions{Workload: "app"})
	return map[string][]string{
		"container": workloads.Add("app").Env(container),
		"metadata":  {"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + metadata, "AWS_EC2_METADATA_DISABLED=false"},
	}
}

// TestRefresh: SDKs come back for new credentials when the old ones near
// their end, through either endpoint.
func TestRefresh(t *testing.T) {
	for name, env := range endpoints(t, &short{life: 5*time.Minute + 20*time.Second}) {
		t.Run("javascript/"+name, func(t *testing.T) {
			out := must(t, append(append(plainEnv(), "AWS_REGION=eu-west-1"), env...), "js", tool(t, "node"), "refresh.mjs")
			ids := strings.Fields(out)
			if len(ids) != 4 || ids[0] != ids[1] || ids[1] == ids[3] {
				t.Errorf("got keys %v, want one kept while it is fresh and another one a minute later", ids)
			}
		})
	}
	// The SDK for Go asks anew five minutes before the end on the container
	// path; on the metadata path it keeps what it has for longer, so there the
	// session simply ends.
	for name, life := range map[string]time.Duration{"container": 5*time.Minute + time.Second, "metadata": 3 * time.Second} {
		t.Run("go/"+name, func(t *testing.T) {
			for _, kv := range append(endpoints(t, &short{life: life})[name], "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null") {
				k, v, _ := strings.Cut(kv, "=")
				t.Setenv(k, v)
			}
			cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"))
			if err != nil {
				t.Fatal(err)
			}
			key := func() string {
				t.Helper()
				c, err := cfg.Credentials.Retrieve(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return c.AccessKeyID
			}
			first := key()
			if name == "container" && key() != first {
				t.Error("fresh credentials were fetched again")
			}
			time.Sleep(3200 * time.Millisecond)
			if key() == first {
				t.Errorf("%s is still in use after its time", first)
			}
		})
	}
}
