package ask

import (
	"fmt"
	"io"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// A Rung is one step of the ladder that every request climbs: a deny anywhere
// ends it, then each set of policies that limits must allow, and one that grants
// must grant. See "How AWS enforcement code logic evaluates requests" in the IAM
// User Guide.
type Rung struct {
	Name       string     `json:"name"`
	Layer      string     `json:"layer,omitempty"`
	Result     iam.Result `json:"result"`
	Stops      bool       `json:"stops"` // the request ends here
	Note       string     `json:"note,omitempty"`
	Statements []Line     `json:"statements,omitempty"`
}

// A Line is a statement on a rung.
type Line struct {
	Place
	Effect  iam.Effect   `json:"effect"`
	Matched bool         `json:"matched"`
	Failed  *iam.Failure `json:"failed,omitempty"` // the first part that did not match
}

// ladder makes the rungs of an answer: the explicit denies first, then the layers.
func (a *Asker) ladder(x *Answer) []Rung {
	e := x.Explanation
	deny := Rung{Name: "explicit deny", Result: iam.ResultNone}
	var rungs []Rung
	by := map[iam.Layer][]*iam.LayerReport{}
	for i := range e.Layers {
		by[e.Layers[i].Layer] = append(by[e.Layers[i].Layer], &e.Layers[i])
	}
	for _, l := range []struct {
		layer iam.Layer
		name  string
	}{
		{iam.LayerSCP, "SCP"}, {iam.LayerRCP, "RCP"}, {iam.LayerEndpoint, "endpoint policy"}, {iam.LayerTrust, "trust policy"},
		{iam.LayerResource, "resource policy"}, {iam.LayerIdentity, "identity policies"}, {iam.LayerBoundary, "boundary"}, {iam.LayerSession, "session policy"},
	} {
		for _, rep := range by[l.layer] {
			r := Rung{Name: l.name, Layer: l.layer.String(), Result: rep.Result, Stops: rep.Stops && e.Outcome != iam.ExplicitDeny, Note: rep.Note}
			if rep.Level >= 0 {
				r.Name += fmt.Sprintf(" level %d", rep.Level)
			}
			if l.layer == iam.LayerIdentity && x.caller.person != nil && rep.Result != iam.ResultAllow {
				r.Note = fmt.Sprintf("%s on %s", plural(len(x.policies.Identity), "policy", "policies"), short(x.Principal))
			}
			for _, s := range rep.Statements {
				line := Line{Place: a.reported(x, l.layer, rep.Level, &s), Effect: s.Effect, Matched: s.Matched, Failed: s.Failed}
				if s.Matched && s.Effect == iam.EffectDeny {
					deny.Result = iam.ResultDeny
					deny.Stops = e.Outcome == iam.ExplicitDeny
					deny.Statements = append(deny.Statements, line)
				}
				r.Statements = append(r.Statements, line)
			}
			if l.layer == iam.LayerEndpoint && rep.Result == iam.ResultNone {
				continue // no source knows them
			}
			rungs = append(rungs, r)
		}
	}
	if len(e.Layers) == 0 {
		return nil
	}
	return append([]Rung{deny}, rungs...)
}

// reported finds where the statement of a report was written. Reports name
// policies; two policies of one layer with the same name are told apart by where
// the statement starts.
func (a *Asker) reported(x *Answer, layer iam.Layer, level int, s *iam.StatementReport) Place {
	p := &x.policies
	var set []*iam.Policy
	switch layer {
	case iam.LayerSCP:
		set = p.SCP[max(level, 0)]
	case iam.LayerRCP:
		set = p.RCP[max(level, 0)]
	case iam.LayerTrust, iam.LayerResource:
		set = []*iam.Policy{p.Resource}
	case iam.LayerIdentity:
		set = p.Identity
	case iam.LayerBoundary:
		set = p.Boundary
	case iam.LayerSession:
		set = p.Session
	}
	for _, one := range set {
		if one == nil || one.Name() != s.Policy || s.Index >= one.Len() {
			continue
		}
		if st := one.Statement(s.Index); st.Line == s.Line && st.Column == s.Column && st.Sid == s.Sid {
			return a.place(one, s.Index)
		}
	}
	return Place{Policy: s.Policy, Statement: s.Index, Sid: s.Sid}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// heading is the answer in a line: "DENIED  s3:ListBucket on b  as role/web".
func (a *Asker) heading(x *Answer) string {
	who := a.Name(x.Principal)
	if x.Principal == "" {
		who = "anonymous"
	}
	if x.Session != "" {
		who += ", session " + x.Session
	}
	if x.Assume && strings.EqualFold(x.Action, "sts:AssumeRole") {
		return fmt.Sprintf("%s  %s assume %s", strings.ToUpper(string(x.Verdict)), who, a.Name(x.Resource))
	}
	return fmt.Sprintf("%s  %s on %s  as %s", strings.ToUpper(string(x.Verdict)), x.Action, a.Name(x.Resource), who)
}

// Write prints an answer for people: the verdict, and if full the ladder.
func (a *Asker) Write(w io.Writer, x *Answer, full bool) {
	fmt.Fprintln(w, a.heading(x))
	fmt.Fprintf(w, "  %s\n", x.Reason)
	if x.Deciding != nil {
		fmt.Fprintf(w, "  decided by  %s\n", x.Deciding)
	}
	a.writeSides(w, x)
	for _, c := range x.Conditions {
		fmt.Fprintf(w, "  if          %s   in %s\n", c, c.Place)
	}
	for _, u := range x.Unknown {
		fmt.Fprintf(w, "  not known   %s\n", u)
	}
	for _, n := range x.Notes {
		fmt.Fprintf(w, "  note        %s\n", n)
	}
	if full {
		a.writeLadder(w, x)
	}
}

// writeSides prints the two sides where it takes both.
func (a *Asker) writeSides(w io.Writer, x *Answer) {
	if !x.Assume && !x.Explanation.CrossAccount || len(x.Explanation.Layers) == 0 {
		return
	}
	side := "resource side"
	if x.Assume {
		side = "trust side"
	}
	print := func(name string, s iam.Side) {
		text := strings.ToUpper(string(s.Result))
		if s.Result == iam.ResultSilent {
			text = "NO MATCH"
		}
		if s.Note != "" {
			text += "  " + s.Note
		}
		fmt.Fprintf(w, "  %-13s %s\n", name, text)
	}
	print("caller side", x.Caller)
	print(side, x.Trust)
}

// shown is how many near misses a rung shows.
const shown = 4

func (a *Asker) writeLadder(w io.Writer, x *Answer) {
	for i, r := range x.Ladder {
		mark := " "
		switch {
		case r.Stops:
			mark = "✗"
		case r.Result == iam.ResultAllow:
			mark = "✓"
		}
		text := string(r.Result)
		if r.Note != "" {
			text += " (" + r.Note + ")"
		}
		if r.Stops {
			text += "  ← stops here"
		}
		fmt.Fprintf(w, "  %d %-18s %s %s\n", i+1, r.Name, mark, text)
		if i == 0 {
			continue // the denies are listed on their own rungs
		}
		misses := 0
		for _, s := range r.Statements {
			if !s.Matched {
				if misses++; misses > shown {
					continue
				}
			}
			text := s.Effect.String() + ", matches"
			if s.Failed != nil {
				text = s.Effect.String() + ", does not match: " + s.Failed.String()
			}
			fmt.Fprintf(w, "      %s: %s\n", s.Place, text)
		}
		if misses > shown {
			fmt.Fprintf(w, "      … and %d more that do not match\n", misses-shown)
		}
	}
}
