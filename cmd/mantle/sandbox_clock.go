package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// clockOf is a sandbox's clock as its control socket shows it.
type clockOf struct {
	Now    time.Time
	Offset time.Duration // ahead of this host's clock
}

// clockMove moves a sandbox's clock: by Advance, to Set, or back to the
// host's.
type clockMove struct {
	Advance time.Duration `json:",omitempty"`
	Set     time.Time     `json:",omitzero"`
	Reset   bool          `json:",omitempty"`
}

func (c *control) getClock(*http.Request) (any, error) {
	return clockOf{c.Now().UTC(), c.Offset()}, nil
}

func (c *control) moveClock(r *http.Request) (any, error) {
	var in clockMove
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	var err error
	switch {
	case in.Reset:
		c.ResetClock()
	case !in.Set.IsZero():
		err = c.SetClock(in.Set)
	default:
		err = c.Advance(in.Advance)
	}
	if err != nil {
		return nil, err
	}
	return c.getClock(r)
}

func (c *controller) clock(ctx context.Context) (x clockOf, err error) {
	return x, c.call(ctx, http.MethodGet, "clock", "", nil, &x)
}

func (c *controller) moveClock(ctx context.Context, m clockMove) (x clockOf, err error) {
	return x, c.call(ctx, http.MethodPost, "clock", "", m, &x)
}

func sandboxClockCommand(e *env) *cobra.Command {
	var listen, set string
	var m clockMove
	c := &cobra.Command{
		Use:   "clock",
		Short: "Show a running sandbox's clock, or move it",
		Long: `Clock shows what time it is in a running sandbox, and with a flag moves its
clock, which goes on from there: to see what a program does when its session
ends, nobody has to wait for an hour.

The sandbox's clock decides when sessions end, what instances and tasks are
given new credentials, when changes of IAM count (--propagation), what
conditions on times say, and the dates in answers. What is signed outside is
still judged by this host's clock, since programs sign by that: requests,
presigned URLs, and the tokens and assertions of identity providers.

A program that holds credentials does not see time pass: it believes the
expiration that it was told, by this host's clock, and learns of their end by
the error. Metadata and container endpoints of sandbox exec and run-task tell
expirations by this host's clock; answers of STS tell them by the sandbox's.

The move is not kept with the state, and does not reach other sandboxes on the
same database.`,
		Example: `  mantle sandbox clock
  mantle sandbox clock --advance 2h
  mantle sandbox clock --set 2027-01-01T00:00:00Z
  mantle sandbox clock --reset`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			move := false
			for _, name := range []string{"advance", "set", "reset"} {
				if c.Flags().Changed(name) {
					if move {
						return usagef("--advance, --set and --reset exclude each other")
					}
					move = true
				}
			}
			if c.Flags().Changed("advance") && m.Advance <= 0 {
				return usagef("--advance %s is not a time to come", m.Advance).withHint("time passes in one direction; to go back, use --set or --reset")
			}
			if c.Flags().Changed("set") {
				t, err := time.Parse(time.RFC3339, set)
				if err != nil {
					return usagef("--set %s is not a time", set).withHint("write it as RFC 3339 does: 2027-01-01T00:00:00Z")
				}
				m.Set = t
			}
			if c.Flags().Changed("reset") && !m.Reset {
				move = false
			}
			return e.sandboxClock(c.Context(), listen, m, move)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address of the sandbox (default: AWS_ENDPOINT_URL, or "+defaultListen+")")
	c.Flags().DurationVar(&m.Advance, "advance", 0, "let this much time pass at once")
	c.Flags().StringVar(&set, "set", "", "set the clock to a time, as 2027-01-01T00:00:00Z")
	c.Flags().BoolVar(&m.Reset, "reset", false, "go with this host's clock again")
	return c
}

func (e *env) sandboxClock(ctx context.Context, listen string, m clockMove, move bool) error {
	c, err := e.controllerOf(listen)
	if err != nil {
		return err
	}
	var now clockOf
	if move {
		now, err = c.moveClock(ctx, m)
	} else {
		now, err = c.clock(ctx)
	}
	if x, ok := err.(refusal); ok {
		return usagef("%w", x)
	}
	if err != nil {
		return err
	}
	// What is less than the time that asking takes is no offset.
	offset := now.Offset.Round(time.Millisecond)
	answer := struct {
		Schema string  `json:"schema"`
		URL    string  `json:"url"`
		Now    string  `json:"now"`
		Offset float64 `json:"offsetSeconds"`
	}{schema, c.url(), now.Now.Format(time.RFC3339Nano), offset.Seconds()}
	return e.answer(answer, func(w io.Writer) {
		is := "as this host's"
		switch {
		case offset > 0:
			is = offset.String() + " ahead of this host's"
		case offset < 0:
			is = (-offset).String() + " behind this host's"
		}
		fmt.Fprintf(w, "%s  the clock of %s, %s\n", now.Now.Format(time.RFC3339), c.url(), is)
	})
}
