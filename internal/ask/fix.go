package ask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A Fix is a change after which what was asked is allowed. It was tried in memory
// before it is offered.
type Fix struct {
	Label   string   `json:"label"` // "A"
	Title   string   `json:"title"`
	Changes []Change `json:"changes,omitempty"`

	// Request are condition keys that the caller has to send: no policy changes.
	Request map[string]string `json:"request,omitempty"`
	Lines   []string          `json:"lines,omitempty"` // how to send them

	// Via is the role that the caller takes on for it, "" if it needs none.
	Via string `json:"via,omitempty"`

	// Opened are those who can do more than before, and what.
	Opened []Opened `json:"opens"`
	Wider  bool     `json:"wider"` // it opens more than was asked
	Why    string   `json:"why,omitempty"`

	weight int
}

// Opened is something that a fix makes possible.
type Opened struct {
	Principal string  `json:"principal"`
	Action    string  `json:"action"`
	Resource  string  `json:"resource"`
	Verdict   Verdict `json:"verdict"`
	Via       string  `json:"via,omitempty"`   // a chain over the caller, which cannot be had without
	Asked     bool    `json:"asked,omitempty"` // this is what was asked for
}

// Fixes are what can be done about an answer, the smallest first, and what
// cannot: layers that only others can change.
type Fixes struct {
	List   []Fix    `json:"fixes"`
	Advice []string `json:"advice,omitempty"`
}

// Find returns the fix with a label.
func (f *Fixes) Find(label string) (*Fix, bool) {
	for i := range f.List {
		if strings.EqualFold(f.List[i].Label, label) {
			return &f.List[i], true
		}
	}
	return nil, false
}

// Fix looks for changes after which the question of an answer is answered with
// yes.
func (a *Asker) Fix(x *Answer) (*Fixes, error) {
	out := &Fixes{}
	if x.Verdict == Allowed {
		return out, nil
	}
	if x.Verdict == Undecided {
		out.Advice = append(out.Advice, "no fix is offered before it is known what is the case")
		return out, nil
	}
	if x.Explanation.Layer == iam.LayerRootUser {
		out.Advice = append(out.Advice, "use a user or a role: no policy lets the root user assume roles")
		return out, nil
	}
	out.Advice = a.advice(x)
	out.List = append(out.List, a.request(x)...)
	single, err := a.singles(x)
	if err != nil {
		return nil, err
	}
	tried, err := a.combine(x, single)
	if err != nil {
		return nil, err
	}
	out.List = append(out.List, tried...)
	if !x.Assume && x.caller.person != nil && x.Outcome == iam.ImplicitDeny {
		via, err := a.via(x)
		if err != nil {
			return nil, err
		}
		out.List = append(out.List, via...)
	}
	slices.SortStableFunc(out.List, func(p, q Fix) int {
		if p.Wider != q.Wider {
			if p.Wider {
				return 1
			}
			return -1
		}
		return cmp.Compare(p.weight, q.weight)
	})
	const most = 5
	if len(out.List) > most {
		out.List = out.List[:most]
	}
	for i := range out.List {
		out.List[i].Label = string(rune('A' + i))
	}
	return out, nil
}

// advice names the layers that stop the request and that no fix touches.
func (a *Asker) advice(x *Answer) []string {
	var out []string
	for _, l := range x.Explanation.Layers {
		name := map[iam.Layer]string{iam.LayerSCP: "service control policy", iam.LayerRCP: "resource control policy", iam.LayerBoundary: "permissions boundary", iam.LayerSession: "session policy"}[l.Layer]
		if name == "" {
			continue
		}
		by := ""
		for _, s := range l.Statements {
			if s.Matched && s.Effect == iam.EffectDeny {
				by = " " + a.reported(x, l.Layer, l.Level, &s).String()
			}
		}
		who := map[iam.Layer]string{
			iam.LayerSCP: "whoever runs the organization has to change it", iam.LayerRCP: "whoever runs the organization has to change it",
			iam.LayerBoundary: "it is the most that " + a.Name(x.Principal) + " may have: ask whoever set it", iam.LayerSession: "it was given when the session was made",
		}[l.Layer]
		switch l.Result {
		case iam.ResultDeny:
			out = append(out, fmt.Sprintf("the %s%s denies it; %s", name, by, who))
		case iam.ResultSilent:
			out = append(out, fmt.Sprintf("the %s does not allow %s; %s", name, x.Action, who))
		}
	}
	return out
}

// combine tries each change alone, and then two or three together that are not
// enough alone.
func (a *Asker) combine(x *Answer, steps []step) ([]Fix, error) {
	var fixes []Fix
	var done [][]int
	try := func(at ...int) error {
		for _, d := range done {
			if !slices.ContainsFunc(d, func(i int) bool { return !slices.Contains(at, i) }) {
				return nil // less is enough
			}
		}
		var changes []Change
		weight, grants := 0, 0
		seen := map[string]bool{}
		for _, i := range at {
			s := &steps[i]
			key := fmt.Sprint(s.deny)
			if s.deny > 0 && seen[key] || seen[s.change.What+s.change.Entity+s.change.Name] {
				return nil // the same deny twice, or one document twice
			}
			seen[key], seen[s.change.What+s.change.Entity+s.change.Name] = true, true
			changes = append(changes, s.change)
			weight += s.weight
			if s.deny == 0 {
				grants++
			}
		}
		f, ok, err := a.try(x, changes, "")
		if err != nil || !ok {
			return err
		}
		done = append(done, at)
		f.weight = weight
		fixes = append(fixes, *f)
		return nil
	}
	n := len(steps)
	const most = 12 // of a policy with a hundred denies nobody wants all pairs
	n = min(n, most)
	for i := range n {
		if err := try(i); err != nil {
			return nil, err
		}
	}
	for i := range n {
		for j := i + 1; j < n; j++ {
			if err := try(i, j); err != nil {
				return nil, err
			}
		}
	}
	if len(fixes) == 0 {
		for i := range n {
			for j := i + 1; j < n; j++ {
				for k := j + 1; k < n; k++ {
					if err := try(i, j, k); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return fixes, nil
}

// via looks for roles that may do it and that the caller could take on.
func (a *Asker) via(x *Answer) ([]Fix, error) {
	question := x.question
	var fixes []Fix
	g, err := a.graph()
	if err != nil {
		return nil, err
	}
	roles := a.direct(&question, x.Resource)
	const most = 3
	for _, s := range roles {
		role := a.people[s.Principal]
		if role.role == nil || s.Verdict != Allowed || role == x.caller.person || strings.Contains(role.arn, ":role/aws-service-role/") {
			continue
		}
		if n, ok := g.Node(role.arn); ok && n.Admin != "" || wide(role) {
			continue // an administrator's role is no small fix
		}
		if len(fixes) == most {
			break
		}
		y := a.asking(nil).answer(Question{Principal: x.Principal, Action: "sts:AssumeRole", Resource: role.arn}, x.caller, role.arn)
		title := "let " + a.Name(x.Principal) + " assume " + a.Name(role.arn)
		if y.Verdict == Allowed {
			fixes = append(fixes, Fix{
				Title: a.Name(x.Principal) + " may already assume " + a.Name(role.arn) + ": do it as that role", Via: role.arn, weight: 1,
				Lines: []string{"mantle run --role " + a.roleArgument(role) + " -- COMMAND"},
			})
			continue
		}
		steps, err := a.singles(y)
		if err != nil {
			return nil, err
		}
		made, err := a.combine(y, steps)
		if err != nil {
			return nil, err
		}
		for _, f := range made {
			if len(f.Changes) == 0 || slices.ContainsFunc(f.Changes, func(c Change) bool { return c.add == nil }) {
				continue
			}
			after, ok, err := a.try(x, f.Changes, role.arn)
			if err != nil {
				return nil, err
			}
			if ok {
				after.Title = title + " – " + after.Title
				after.weight = f.weight - 5
				after.Lines = []string{"mantle run --role " + a.roleArgument(role) + " -- COMMAND"}
				fixes = append(fixes, *after)
				break
			}
		}
	}
	return fixes, nil
}

// roleArgument is the role as mantle run takes it: its ARN, or its name if the
// account is not known.
func (a *Asker) roleArgument(p *person) string {
	if tf.Placeholder(p.account) {
		return p.name
	}
	return p.arn
}

// wide reports whether a role may do everything with something.
func wide(p *person) bool {
	for _, policy := range p.policies.Identity {
		for s := range policy.Statements() {
			if s.Effect == iam.EffectAllow && (s.NotActions || slices.Contains(s.Actions, "*") || slices.Contains(s.Actions, "*:*")) {
				return true
			}
		}
	}
	return false
}

// try applies changes in memory and asks again.
func (a *Asker) try(x *Answer, changes []Change, via string) (*Fix, bool, error) {
	e, err := changed(a.estate, changes)
	if err != nil {
		return nil, false, err
	}
	after, err := New(e)
	if err != nil {
		return nil, false, err
	}
	if !after.helps(x, via) {
		return nil, false, nil
	}
	f := &Fix{Changes: changes, Via: via}
	var texts []string
	for _, ch := range changes {
		texts = append(texts, ch.Text)
	}
	f.Title = strings.Join(texts, "; ")
	if err := a.opens(x, after, f); err != nil {
		return nil, false, err
	}
	return f, true, nil
}

// Helps reports whether what was asked is allowed in another picture of the same
// accounts, in which a fix has been made.
func (a *Asker) Helps(x *Answer, f *Fix) bool { return a.helps(x, f.Via) }

func (a *Asker) helps(x *Answer, via string) bool {
	c := x.caller
	if c.person != nil {
		p := a.people[c.person.arn]
		if p == nil {
			return false
		}
		principal, session := c.principal, c.session
		c = of(p)
		c.principal, c.session = principal, session
	}
	question := x.question
	if via == "" {
		return a.asking(question.Context).answer(question, c, x.Resource).Verdict == Allowed
	}
	if a.people[via] == nil || a.asking(nil).answer(Question{Principal: x.Principal, Action: "sts:AssumeRole", Resource: via}, c, via).Verdict != Allowed {
		return false
	}
	return a.asking(question.Context).answer(question, of(a.people[via]), x.Resource).Verdict == Allowed
}
