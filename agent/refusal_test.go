package agent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// Every refusal is told of once: by the Broker's audit if it was asked, by
// Refused if not, and by nobody if a script only looked around.
func TestRefusals(t *testing.T) {
	var audited []broker.Event
	lender := broker.LenderFunc(func(_ context.Context, l broker.Loan) (broker.Credentials, error) {
		return broker.Credentials{}, &broker.LendError{Role: l.Role, Kind: broker.Denied}
	})
	b := broker.New(broker.Rules{{Name: "web", Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/web"}}}, lender,
		broker.Options{Audit: func(e broker.Event) {
			if e.Outcome == broker.Refused || e.Outcome == broker.NotLent {
				audited = append(audited, e)
			}
		}})
	var told []agent.Refusal
	hear := func(r agent.Refusal) { told = append(told, r) }
	ecs := agent.NewECS(b, agent.NewWorkloads(), agent.ECSOptions{Refused: hear})
	imds := agent.NewIMDS(b, agent.IMDSOptions{Refused: hear, AllowV1: func(broker.Caller) bool { return true }})
	strict := agent.NewIMDS(b, agent.IMDSOptions{Refused: hear})
	pods := agent.NewPodIdentity(b, nil, agent.PodIdentityOptions{Refused: hear})
	stranger := &broker.Caller{UID: 7, GID: 7, PID: -1, How: broker.ByPeer}
	web := &broker.Caller{Workload: "web", UID: -1, GID: -1, PID: -1, How: broker.ByListener}
	const credentials = "/latest/meta-data/iam/security-credentials/"
	for _, tt := range []struct {
		name           string
		to             http.Handler
		who            *broker.Caller
		path, header   string
		audited, class string
	}{
		{"container, unknown", ecs, nil, "/v1/credentials", "", "", agent.RefusedCaller},
		{"container, foreign token", ecs, nil, "/v1/credentials", "Authorization: x", "", agent.RefusedCaller},
		{"container, by a proxy", ecs, web, "/v1/credentials", "X-Forwarded-For: 10.0.0.1", "", agent.RefusedCaller},
		{"container, strange path", ecs, web, "/v1//credentials", "", "", agent.RefusedRequest},
		{"container, elsewhere", ecs, web, "/favicon.ico", "", "", ""},
		{"container, stranger", ecs, stranger, "/v1/credentials", "", "refused", ""},
		{"container, denied by AWS", ecs, web, "/v1/credentials", "", "not-lent", ""},
		{"metadata, unknown", imds, nil, credentials, "", "", agent.RefusedToken}, // who is nobody has no version 1
		{"metadata, no token", strict, web, credentials, "", "", agent.RefusedToken},
		{"metadata, stranger", imds, stranger, credentials, "", "", agent.RefusedRole},
		{"metadata, elsewhere", imds, web, "/latest/meta-data/nothing", "", "", ""},
		{"metadata, denied by AWS", imds, web, credentials + "web", "", "not-lent", ""},
		{"pod, no token", pods, nil, "/v1/credentials", "", "", agent.RefusedRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			audited, told = nil, nil
			r := httptest.NewRequest("GET", tt.path, nil)
			r.Host = "localhost"
			if tt.who != nil {
				r = r.WithContext(agent.WithCaller(r.Context(), *tt.who))
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			tt.to.ServeHTTP(httptest.NewRecorder(), r)
			got := [2]string{}
			if len(audited) > 0 {
				got[0] = audited[0].Outcome.String()
			}
			if len(told) > 0 {
				got[1] = told[0].Class
			}
			if want := [2]string{tt.audited, tt.class}; got != want || len(audited) > 1 || len(told) > 1 {
				t.Errorf("audited and told %q, want %q: %s", got, want, fmt.Sprint(audited, told))
			}
			for _, r := range told {
				if r.Reason == "" || r.Path == "" || r.Remote == "" || r.Status < 400 || r.Time.IsZero() {
					t.Errorf("told too little: %+v", r)
				}
			}
		})
	}
}
