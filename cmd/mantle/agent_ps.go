package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func agentPsCommand(e *env) *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "ps",
		Short: "Say what the agent of this host lends to whom",
		Long: `Ps asks the running agent by its socket which workload was lent what: how its
callers are known, the role and the session that CloudTrail shows, when the
session ends, how many requests were answered and how many were not, and why
the last was refused. Below stand the last callers that are no workload's.

Only root and the user who runs the agent are told. Nothing that is told is a
secret.`,
		Example: `  mantle agent ps
  sudo mantle agent ps --watch
  mantle agent ps --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for {
				var out psAnswer
				if err := e.askControl(c.Context(), pathPs, &out); err != nil {
					return err
				}
				if watch && e.Output == "json" {
					e.printf("%s\n", oneLine(out))
				} else {
					if watch && isTerminal(e.Stdout) {
						e.printf("\x1b[H\x1b[2J") // home, and clear
					}
					if err := e.answer(out, func(w io.Writer) { writePs(w, out, time.Now()) }); err != nil {
						return err
					}
				}
				if !watch {
					return nil
				}
				select {
				case <-c.Context().Done():
					return c.Context().Err()
				case <-time.After(watchEvery):
				}
			}
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "ask again every two seconds; with --output json a line each time")
	return c
}

const watchEvery = 2 * time.Second

func writePs(w io.Writer, out psAnswer, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 4, 3, ' ', 0)
	fmt.Fprintln(t, "WORKLOAD\tKNOWN BY\tROLE\tSESSION\tEXPIRES\tCALLS\tDENIED\tLAST REFUSAL")
	for _, r := range out.Workloads {
		expires, refusal := "-", "-"
		if r.Expires != nil {
			expires = "in " + round(r.Expires.Sub(now))
			if !r.Expires.After(now) {
				expires = "expired"
			}
		}
		if x := r.LastRefusal; x != nil {
			refusal = round(now.Sub(x.Time)) + " ago: " + brief(x.Reason)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Workload, cmp.Or(r.How, "-"), cmp.Or(roleName(r.Role), "-"), cmp.Or(r.SessionName, "-"), expires, r.Calls, r.Denied, refusal)
	}
	t.Flush()
	if out.Turned == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s of callers of no workload refused; the last:\n", count(int(out.Turned), "request"))
	for i, s := range out.Strangers {
		if i == 5 {
			break
		}
		fmt.Fprintf(w, "  %s ago at %s: %s\n", round(now.Sub(s.Time)), cmp.Or(s.Door, "-"), brief(s.Reason))
	}
}

// brief is the beginning of a text, as one line.
func brief(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 110 {
		s = string(r[:109]) + "…"
	}
	return s
}

// round is a duration in its largest unit, or two.
func round(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// roleName is what follows ":role/" in an ARN.
func roleName(arn string) string {
	if _, name, ok := strings.Cut(arn, ":role/"); ok {
		return name
	}
	return arn
}

func agentStatusCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say how the agent of this host does",
		Long: `Status asks the running agent by its socket for its doors, its interception, its
sessions and whether it is ready: what /readyz of its metrics endpoint says, too.

The exit status is 0 if it is ready, 1 if something is not well, 5 if no agent
answers. Only root and the user who runs the agent are told.`,
		Example: `  mantle agent status
  mantle agent status --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var out statusAnswer
			if err := e.askControl(c.Context(), pathStatus, &out); err != nil {
				return err
			}
			if err := e.answer(out, func(w io.Writer) { writeStatus(w, out, time.Now()) }); err != nil {
				return err
			}
			if !out.Ready {
				return &exitError{code: exitDenied}
			}
			return nil
		},
	}
}

func writeStatus(w io.Writer, out statusAnswer, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 4, 3, ' ', 0)
	fmt.Fprintf(t, "agent\tpid %d, mantle %s, up %s\n", out.PID, out.Version, round(now.Sub(out.Since)))
	for _, d := range out.Doors {
		notes := ""
		if d.Diverted {
			notes += ", diverted"
		}
		if d.Inherited {
			notes += ", held by systemd"
		}
		fmt.Fprintf(t, "door\t%s %s%s\n", d.Name, d.Address, notes)
	}
	fmt.Fprintf(t, "interception\t%s\n", out.Interception)
	fmt.Fprintf(t, "workloads\t%d, %s, %s held\n", out.Workloads, count(out.Sessions, "session"), count(out.Held, "caller"))
	if a := out.Audit; a != nil {
		fmt.Fprintf(t, "audit\t%s, %s, %d lost\n", a.To, count(int(a.Lines), "line"), a.Lost)
	}
	for _, c := range out.Checks {
		well := "ok"
		if !c.OK {
			well = "NOT WELL"
		}
		fmt.Fprintf(t, "%s\t%s: %s\n", well, c.Name, cmp.Or(c.Detail, "ready"))
	}
	for _, f := range out.Failing {
		fmt.Fprintf(t, "failing\t%s: %s\n", f.SessionName, brief(f.Error))
	}
	t.Flush()
}

// askControl asks the running agent one of mantle's own questions.
func (e *env) askControl(ctx context.Context, path string, into any) error {
	socket := e.socketPath()
	if socket == "" {
		return failf(exitUnreachable, "no agent can be asked: there is no place for its socket").withHint("set XDG_RUNTIME_DIR or MANTLE_SOCKET")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return failf(exitUnreachable, "ask the agent: %w", errors.Unwrap(err)).withHint("start it with mantle agent, or set MANTLE_SOCKET to its socket")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return failf(exitUnreachable, "ask the agent: %w", err)
	}
	var said struct{ Message string }
	switch {
	case resp.StatusCode == http.StatusForbidden && json.Unmarshal(body, &said) == nil && said.Message != "":
		return failf(exitDenied, "the agent says: %s", said.Message)
	case resp.StatusCode != http.StatusOK:
		return failf(exitUnreachable, "the agent at %s answers %s", socket, resp.Status).withHint("is it of an older version?")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return failf(exitUnreachable, "what answers at %s is no agent: %w", socket, err)
	}
	return nil
}
