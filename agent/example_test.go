package agent_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// A workload is given a token when it starts, and borrows its role with it.
func ExampleECS() {
	rules := broker.Rules{{Name: "web", Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/web"}}}
	sts := broker.LenderFunc(func(_ context.Context, l broker.Loan) (broker.Credentials, error) {
		return broker.Credentials{
			AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "…", SessionToken: "…",
			RoleARN: l.Role, Expires: time.Now().Add(time.Hour),
		}, nil
	})
	workloads := agent.NewWorkloads()
	endpoint := agent.NewECS(broker.New(rules, sts, broker.Options{}), workloads, agent.ECSOptions{})

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- agent.Serve(ctx, ln, endpoint, agent.ServeOptions{}) }()

	// The process is started with this environment, and its SDK does the rest.
	grant := workloads.Add("web")
	env := grant.Env("http://" + ln.Addr().String())
	_, url, _ := strings.Cut(env[0], "=")
	_, token, _ := strings.Cut(env[1], "=")

	ask := func() {
		r, _ := http.NewRequest("GET", url, nil)
		r.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, strings.Contains(string(b), "role/web"))
	}
	ask()
	grant.Revoke() // the process has ended
	ask()

	http.DefaultClient.CloseIdleConnections()
	stop()
	fmt.Println(<-done)
	// Output:
	// 200 true
	// 403 false
	// <nil>
}

// An instance with a role of its own for whoever connects to one listener.
func ExampleIMDS() {
	lent := broker.Credentials{AccessKeyID: "ASIA…", RoleARN: "arn:aws:iam::111122223333:role/web", Expires: time.Now().Add(time.Hour)}
	m := agent.NewIMDS(always(lent, nil), agent.IMDSOptions{
		Instance: func(c broker.Caller) agent.Instance {
			return agent.Instance{ID: agent.InstanceID("this-host", c.Workload), Region: "eu-west-1"}
		},
	})
	web := &broker.Caller{Workload: "web", UID: -1, PID: -1, How: broker.ByListener}
	show := func(path string, headers ...string) {
		r := request(m, web, "GET", path, headers...)
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusOK {
			b = []byte(http.StatusText(r.StatusCode))
		}
		fmt.Println(path, r.StatusCode, string(b))
	}
	show("/latest/meta-data/placement/region") // version 1
	r := request(m, web, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60")
	token, _ := io.ReadAll(r.Body)
	header := "X-aws-ec2-metadata-token: " + string(token)
	show("/latest/meta-data/placement/region", header)
	show("/latest/meta-data/instance-id", header)
	show("/latest/meta-data/iam/security-credentials/", header)
	// Output:
	// /latest/meta-data/placement/region 401 Unauthorized
	// /latest/meta-data/placement/region 200 eu-west-1
	// /latest/meta-data/instance-id 200 i-1fe4b744c89bae10f
	// /latest/meta-data/iam/security-credentials/ 200 web
}
