package ask

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// opens finds who can do more than before: who can do what was asked, and who can
// become the roles whose trust policies change.
func (a *Asker) opens(x *Answer, after *Asker, f *Fix) error {
	add := func(s *Somebody, action, resource string) {
		o := Opened{Principal: s.Principal, Action: action, Resource: resource, Verdict: s.Verdict}
		o.Asked = s.Principal == x.Principal
		if slices.Contains(s.Chain, x.Principal) {
			o.Via = x.Principal
		}
		if !o.Asked && o.Via == "" {
			f.Wider, f.Why = true, a.Name(s.Principal)+" can do it as well"
		}
		f.Opened = append(f.Opened, o)
	}
	targets := []string{}
	for _, c := range f.Changes {
		if c.What == "trust" && !slices.Contains(targets, c.Entity) {
			targets = append(targets, c.Entity)
		}
		if c.add == nil {
			a.widened(x, f, &c)
		}
	}
	if x.Assume && !slices.Contains(targets, x.Resource) && a.trusts[x.Resource] != nil {
		targets = append(targets, x.Resource)
	}
	for _, t := range targets {
		before, err := a.WhoCanAssume(t, x.question.Context)
		if err != nil {
			return err
		}
		now, err := after.WhoCanAssume(t, x.question.Context)
		if err != nil {
			return err
		}
		for _, s := range gained(before.Who, now.Who) {
			add(&s, "sts:AssumeRole", t)
			if f.Via == t { // and may do there what was asked
				add(&s, x.Action, x.Resource)
			}
		}
	}
	if x.Assume || f.Via != "" {
		return nil
	}
	if x.able == nil {
		x.able = append([]Somebody{}, a.direct(&x.question, x.Resource)...)
	}
	g, err := a.graph()
	if err != nil {
		return err
	}
	for _, s := range gained(x.able, after.direct(&x.question, x.Resource)) {
		add(&s, x.Action, x.Resource)
		if a.trusts[s.Principal] == nil {
			continue
		}
		paths, err := g.WhoCanAssume(s.Principal)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if v := weaker(fromGraph(path.Verdict), s.Verdict); v == Allowed || v == IfConditions {
				f.Opened = append(f.Opened, Opened{Principal: path.From(), Action: x.Action, Resource: x.Resource, Verdict: v, Via: s.Principal})
			}
		}
	}
	return nil
}

// gained are those who can do more in the second list than in the first.
func gained(before, now []Somebody) []Somebody {
	had := map[string]Verdict{}
	for _, s := range before {
		had[s.Principal] = s.Verdict
	}
	var out []Somebody
	for _, s := range now {
		if v, ok := had[s.Principal]; (!ok || strength(v) < strength(s.Verdict)) && s.Verdict != Undecided {
			out = append(out, s)
		}
	}
	return out
}

// widened marks a fix that takes back a deny of more than was asked.
func (a *Asker) widened(x *Answer, f *Fix, c *Change) {
	s := c.policy.Statement(c.index)
	action := strings.ToLower(x.checked.Action)
	exact := !s.NotActions && !slices.ContainsFunc(s.Actions, func(p string) bool { return strings.ToLower(p) != action })
	here := c.narrow == "resource" || c.What == "trust" || !s.NotResources && !slices.ContainsFunc(s.Resources, func(r string) bool { return r != x.Resource })
	mine := c.What == "inline" && c.Entity == x.Principal || c.narrow == "principal"
	switch {
	case !exact:
		f.Wider, f.Why = true, "the deny is also of "+strings.Join(s.Actions, ", ")
	case !here:
		f.Wider, f.Why = true, "the deny is also about "+strings.Join(s.Resources, ", ")
	case !mine:
		f.Wider, f.Why = true, "the deny binds others too"
	}
}

// WriteFixes prints fixes for people.
func (a *Asker) WriteFixes(w io.Writer, x *Answer, fixes *Fixes, command string) {
	if !x.Assume && x.Verdict == Denied {
		a.writeOthers(w, x)
	}
	for _, adv := range fixes.Advice {
		fmt.Fprintf(w, "  %s\n", adv)
	}
	for _, f := range fixes.List {
		fmt.Fprintf(w, "Fix %s: %s\n", f.Label, f.Title)
		if f.Wider {
			fmt.Fprintf(w, "       opens more than was asked: %s\n", f.Why)
		}
		for _, l := range f.Lines {
			fmt.Fprintf(w, "       %s\n", l)
		}
		const most = 6
		for i, o := range f.Opened {
			if i == most {
				fmt.Fprintf(w, "       … and %d more\n", len(f.Opened)-most)
				break
			}
			what := "can then do " + o.Action + " on " + a.Name(o.Resource)
			if strings.EqualFold(o.Action, "sts:AssumeRole") {
				what = "can then become " + a.Name(o.Resource)
			}
			if o.Via != "" {
				what += ", by way of " + a.Name(o.Via)
			}
			if o.Verdict == IfConditions {
				what += ", if conditions hold"
			}
			fmt.Fprintf(w, "       %s %s\n", a.Name(o.Principal), what)
		}
	}
	if command != "" && slices.ContainsFunc(fixes.List, func(f Fix) bool { return len(f.Changes) > 0 }) {
		fmt.Fprintf(w, "%s\n", command)
	}
}

// writeOthers says who else can do it: administrators only if nobody else can.
func (a *Asker) writeOthers(w io.Writer, x *Answer) {
	var names, admins []string
	for _, s := range a.direct(&x.question, x.Resource) {
		if s.Verdict != Allowed {
			continue
		}
		text := a.Name(s.Principal)
		if s.By != nil {
			text += " (" + s.By.String() + ")"
		}
		if wide(a.people[s.Principal]) {
			admins = append(admins, text)
		} else {
			names = append(names, text)
		}
	}
	if len(names) == 0 {
		names = admins
	}
	const most = 3
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("and %d more", n-most))
	}
	if len(names) > 0 {
		fmt.Fprintf(w, "Someone can: %s\n", strings.Join(names, ", "))
	}
}
