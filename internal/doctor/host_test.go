package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Each rule of a host, found and not found, by answers that are made up.
func TestHost(t *testing.T) {
	agent := func(a Agent) func(context.Context) (Agent, error) {
		return func(context.Context) (Agent, error) { return a, nil }
	}
	table := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	meta := func(m Metadata) func(context.Context) (Metadata, error) {
		return func(context.Context) (Metadata, error) { return m, nil }
	}
	off := func(d time.Duration) func(context.Context) (time.Duration, error) {
		return func(context.Context) (time.Duration, error) { return d, nil }
	}
	fails := func(context.Context) error { return errors.New("none found") }
	well := func(context.Context) error { return nil }
	none := func(context.Context) (Agent, error) { return Agent{}, ErrNoAgent() }
	door := []Door{{"container", "http://127.0.0.1:4510"}}
	for _, tt := range []struct {
		name string
		host Host
		want string // ids and severities
		says string
	}{
		{"nothing to see", Host{}, "", ""},
		{"a healthy agent", Host{Agent: agent(Agent{Ready: true, Doors: door, Interception: "redirect"}), Table: table("open"), Reach: func(context.Context, string) error { return nil }, Base: well, Skew: off(-2 * time.Second)}, "", ""},
		{"no agent", Host{Agent: none, Table: table("absent")}, "", ""},
		{"an agent that is not ready", Host{Agent: agent(Agent{Doors: door, NotWell: map[string]string{"directory docker": "not listed yet", "doors": "not open yet", "interception": "gone", "base credentials": "expired"}})},
			"H102 error, H103 error, H104 error, H105 error", "not listed yet"},
		{"renewals that fail", Host{Agent: agent(Agent{Failing: []string{"web@host: AccessDenied"}, LostLines: 3})}, "H106 warning, H107 error", "AccessDenied"},
		{"a door that nobody reaches", Host{Agent: agent(Agent{Doors: door}), Reach: func(context.Context, string) error { return errors.New("refused") }}, "H101 error", "127.0.0.1:4510"},
		{"no door", Host{Agent: agent(Agent{}), Reach: func(context.Context, string) error { return nil }}, "H101 error", "no door"},
		{"a table that somebody changed", Host{Agent: agent(Agent{Doors: door, Interception: "redirect"}), Table: table("changed")}, "H103 error", ""},
		{"a table that is not there", Host{Agent: agent(Agent{Doors: door, Interception: "redirect"}), Table: table("absent")}, "H103 error", "absent"},
		{"an agent that needs no table", Host{Agent: agent(Agent{Doors: door, Interception: "none"}), Table: table("absent")}, "", ""},
		{"a closed table without an agent", Host{Agent: none, Table: table("closed")}, "H103 warning", ""},
		{"an open table without an agent", Host{Agent: none, Table: table("open")}, "H103 error", ""},
		{"no base credentials", Host{Base: fails}, "H104 error", "none found"},
		{"a clock that is ahead", Host{Skew: off(7*time.Minute + 12*time.Second)}, "R901 error", "7m12s ahead of AWS's, which refuses what is more than 5m0s off"},
		{"a clock that is a little behind", Host{Skew: off(-90 * time.Second)}, "R901 warning", "1m30s behind AWS's"},
		{"a hop limit of one", Host{Metadata: meta(Metadata{Present: true, TokenLate: true, Plain: 401, Took: 8 * time.Millisecond})}, "I304 warning", "401 in 8ms"},
		{"metadata without a token", Host{Metadata: meta(Metadata{Present: true, Token: 200, Plain: 200})}, "I306 warning", ""},
		{"containers that reach metadata", Host{Metadata: meta(Metadata{Present: true, Token: 200, Plain: 401}), Table: table("absent")}, "I307 warning", ""},
		{"containers that do not", Host{Agent: none, Metadata: meta(Metadata{Present: true, Token: 200, Plain: 401}), Table: table("closed")}, "H103 warning", ""},
		{"no metadata at all", Host{Metadata: meta(Metadata{}), Table: table("absent")}, "", ""},
		{"a lost variable", Host{First: map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}, Environ: map[string]string{}}, "E409 info", ""},
		{"a full URI to a machine", Host{Environ: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/v1"}}, "C508 error", "another machine"},
		{"an ECS agent as it comes", Host{ECS: map[string]string{"ECS_CLUSTER": "c"}}, "E408 warning, I307 warning", ""},
		{"an ECS agent with isolation", Host{ECS: map[string]string{"ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST": "true", "ECS_AWSVPC_BLOCK_IMDS": "TRUE"}}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var said strings.Builder
			for _, l := range tt.host.Examine(t.Context()) {
				for _, c := range l.Checks {
					got = append(got, c.ID+" "+c.Severity.String())
					fmt.Fprintln(&said, c.What)
					if c.Cure == "" {
						t.Errorf("%s has no cure", c.ID)
					}
				}
				if l.Unknown != "" {
					t.Errorf("%s: %s", l.At, l.Unknown)
				}
			}
			if g := strings.Join(got, ", "); g != tt.want || !strings.Contains(said.String(), tt.says) {
				t.Errorf("got %s, want %s that says %q:\n%s", g, tt.want, tt.says, said.String())
			}
		})
	}
}

// What could not be looked at is said, and is not taken for well.
func TestUnknown(t *testing.T) {
	list := Host{Table: func() (string, error) { return "", errors.New("operation not permitted") }, Skew: func(context.Context) (time.Duration, error) { return 0, errors.New("no route") }}.Examine(t.Context())
	n := 0
	for _, l := range list {
		if l.Unknown != "" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%+v", list)
	}
}

func TestUnsupportedHost(t *testing.T) {
	for at, ok := range map[string]bool{
		"http://127.0.0.1:4510/v1/credentials": true, "http://localhost/x": true, "http://[::1]/x": true, "http://169.254.170.2/v2/x": true,
		"http://169.254.170.23/v1/credentials": true, "http://[fd00:ec2::23]/v1/credentials": true, "https://vault.example/x": true,
		"http://10.0.0.1/x": false, "http://vault.example/x": false, "ftp://127.0.0.1/x": false, "/v2/x": false,
	} {
		if why := unsupportedHost(at); (why == "") != ok {
			t.Errorf("%s: %q", at, why)
		}
	}
}

// A metadata service whose answer to the PUT does not arrive, as with a hop
// limit of one behind a bridge.
func TestAskMetadata(t *testing.T) {
	late := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			<-late
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	defer close(late)
	m, err := AskMetadata(t.Context(), http.DefaultClient, s.URL)
	if err != nil || !m.Present || !m.TokenLate || m.Plain != 401 || m.Took <= 0 {
		t.Errorf("%+v, %v", m, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there now
	if m, err := AskMetadata(t.Context(), http.DefaultClient, "http://"+ln.Addr().String()); err != nil || m.Present || m.TokenLate {
		t.Errorf("where nobody answers: %+v, %v", m, err)
	}
	if err := Reach(t.Context(), "http://"+ln.Addr().String()); err == nil {
		t.Error("a door where nobody listens is reached")
	}
	if err := Reach(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
}

func TestAskClock(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().UTC().Add(-7*time.Minute).Format(http.TimeFormat))
	}))
	defer s.Close()
	d, err := AskClock(t.Context(), http.DefaultClient, s.URL, time.Now)
	if err != nil || (d-7*time.Minute).Abs() > 2*time.Second {
		t.Errorf("%v, %v", d, err)
	}
}

func TestVariables(t *testing.T) {
	got := Variables("# comment\nECS_CLUSTER=c\nexport A=\"b c\"\n\nX=1\x00Y=2\x00")
	if len(got) != 4 || got["ECS_CLUSTER"] != "c" || got["A"] != "b c" || got["Y"] != "2" {
		t.Errorf("%q", got)
	}
}
