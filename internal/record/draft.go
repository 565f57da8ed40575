// Package record drafts the least policy that a piece of work needed, from the
// calls that it made.
//
// Every call is a permission: an action on a resource. The draft allows each
// permission that was asked for and nothing else, with actions on the same
// resources in one statement. [Draft.Check] has the policy engine confirm that:
// every call is allowed, and without any one action of any one statement some
// call is not.
package record

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// Call is one permission that was asked for.
type Call struct {
	Action   string // "s3:PutObject"
	Resource string // ARN, or "*" for actions without resource-level permissions
	Account  string // that owns the resource, "" if not known

	// PassedTo is the service that iam:PassRole was for.
	PassedTo string

	// Denied reports that the call was refused.
	Denied bool

	// Principal who asked, as an ARN, and the program, as it named itself.
	Principal, Agent string
}

// Used is one action on one resource, with how often and by whom it was asked
// for.
type Used struct {
	Action   string   `json:"action"`
	Resource string   `json:"resource"`
	PassedTo string   `json:"passedToService,omitempty"`
	Calls    int      `json:"calls"`
	Denied   int      `json:"denied"` // how many of them
	By       []string `json:"by"`     // principals, sorted
	Agents   []string `json:"agents"` // programs, sorted
}

// Statement of the drafted policy. Effect is always "Allow".
type Statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Action    []string                     `json:"Action"`
	Resource  []string                     `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// Policy is a policy document.
type Policy struct {
	Version   string
	Statement []Statement
}

// Draft is a policy with what it was drafted from.
type Draft struct {
	Policy Policy
	Used   []Used

	calls []Call
}

// Options of a draft.
type Options struct {
	// Generalize replaces what varies in resources by wildcards: a glob such as
	// "arn:aws:s3:::node-sdk-sample-*/*" stands for each resource that it covers.
	// Nothing is generalised that is not named here.
	Generalize []string
}

// alwaysAllowed are actions that no policy is needed for: they name the caller
// to itself, or give up power.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func alwaysAllowed(action string) bool { return strings.EqualFold(action, "sts:GetCallerIdentity") }

// New drafts the policy for some calls. Calls that need no permission are left
// out. The error names a pattern of Options that is not sound.
func New(calls []Call, opt Options) (*Draft, error) {
	patterns := make([]pattern, 0, len(opt.Generalize))
	for _, text := range opt.Generalize {
		p, err := newPattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	type key struct{ action, resource, passed string }
	used := map[key]*Used{}
	by, agents := map[key]map[string]bool{}, map[key]map[string]bool{}
	d := &Draft{Policy: Policy{Version: "2012-10-17", Statement: []Statement{}}}
	for _, c := range calls {
		if alwaysAllowed(c.Action) {
			continue
		}
		d.calls = append(d.calls, c)
		k := key{c.Action, generalize(c.Resource, patterns), c.PassedTo}
		u := used[k]
		if u == nil {
			u = &Used{Action: k.action, Resource: k.resource, PassedTo: k.passed}
			used[k], by[k], agents[k] = u, map[string]bool{}, map[string]bool{}
		}
		u.Calls++
		if c.Denied {
			u.Denied++
		}
		by[k][c.Principal] = true
		if c.Agent != "" {
			agents[k][c.Agent] = true
		}
	}
	for k, u := range used {
		u.By, u.Agents = slices.Sorted(maps.Keys(by[k])), slices.Sorted(maps.Keys(agents[k]))
		d.Used = append(d.Used, *u)
	}
	slices.SortFunc(d.Used, func(a, b Used) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.PassedTo, b.PassedTo))
	})
	d.Policy.Statement = statements(d.Used)
	return d, nil
}

// statements brings together resources that see the same actions.
func statements(used []Used) []Statement {
	type where struct{ resource, passed string }
	actions := map[where][]string{}
	for i, u := range used {
		if covered(used, i) {
			continue
		}
		w := where{u.Resource, u.PassedTo}
		actions[w] = append(actions[w], u.Action) // sorted, as used is
	}
	type group struct {
		actions, resources []string
		passed             string
	}
	groups := map[string]*group{}
	for w, list := range actions {
		// Resources of different services never share a statement, even if they
		// see the same actions: there are none.
		id := strings.Join(list, " ") + "\n" + w.passed
		if w.resource == "*" {
			id += "\n*" // beside "*" any other resource would be lost
		}
		g := groups[id]
		if g == nil {
			g = &group{actions: list, passed: w.passed}
			groups[id] = g
		}
		g.resources = append(g.resources, w.resource)
	}
	out := make([]Statement, 0, len(groups))
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		slices.Sort(g.resources)
		s := Statement{Sid: sid(g.actions), Effect: "Allow", Action: g.actions, Resource: g.resources}
		if g.passed != "" {
			s.Condition = map[string]map[string]string{"StringEquals": {"iam:PassedToService": g.passed}}
		}
		out = append(out, s)
	}
	taken := map[string]int{}
	for i := range out {
		if taken[out[i].Sid]++; taken[out[i].Sid] > 1 {
			out[i].Sid += fmt.Sprint(taken[out[i].Sid])
		}
	}
	return out
}

// covered reports whether an action on a resource is allowed anyway, because
// the same action was needed on something wider.
func covered(used []Used, i int) bool {
	u := &used[i]
	return slices.ContainsFunc(used, func(v Used) bool {
		if v.Action != u.Action || v.PassedTo != u.PassedTo || v.Resource == u.Resource {
			return false
		}
		return wildcard(v.Resource).covers(u.Resource)
	})
}

// sid names a statement for its first action, and says if there are more.
func sid(actions []string) string {
	service, name, _ := strings.Cut(actions[0], ":")
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
	}
	service = clean(service)
	out := strings.ToUpper(service[:min(1, len(service))]) + service[min(1, len(service)):] + clean(name)
	if len(actions) > 1 {
		out += "AndMore"
	}
	return out
}

// JSON is the policy document, indented by two spaces, with a line break at its
// end.
func (p Policy) JSON() []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	enc.Encode(p) // strings, maps and lists always can be
	return []byte(b.String())
}

// Check has the engine confirm the draft: each call is allowed, and each action
// of each statement is needed by one. It is an error of this package, or of a
// document that IAM would not store, if it does not.
func (d *Draft) Check() error {
	if len(d.calls) == 0 {
		return nil
	}
	if missing, err := d.Policy.misses(d.calls); err != nil {
		return err
	} else if missing != nil {
		return fmt.Errorf("the draft does not allow %s on %s", missing.Action, missing.Resource)
	}
	for i, s := range d.Policy.Statement {
		for j, action := range s.Action {
			less := Policy{Version: d.Policy.Version, Statement: slices.Clone(d.Policy.Statement)}
			less.Statement[i].Action = slices.Delete(slices.Clone(s.Action), j, j+1)
			if len(less.Statement[i].Action) == 0 {
				less.Statement = slices.Delete(less.Statement, i, i+1)
			}
			if len(less.Statement) == 0 {
				continue
			}
			if missing, err := less.misses(d.calls); err != nil {
				return err
			} else if missing == nil {
				return fmt.Errorf("the draft allows %s on %s, which no call needed", action, strings.Join(s.Resource, ", "))
			}
		}
	}
	return nil
}

// misses is a call that the policy does not allow.
func (p Policy) misses(calls []Call) (*Call, error) {
	text := p.JSON()
	if err := iam.Validate(iam.Identity, text, iam.ValidateOptions{}); err != nil {
		return nil, fmt.Errorf("IAM would not store the draft: %w", err)
	}
	compiled, err := iam.Parse(iam.Identity, "draft", text)
	if err != nil {
		return nil, err
	}
	layers := iam.Policies{Identity: []*iam.Policy{compiled}}
	for i := range calls {
		c := &calls[i]
		ctx := iam.NewContext()
		if c.PassedTo != "" {
			ctx.Set("iam:PassedToService", c.PassedTo)
		}
		account := c.Account
		if account == "" {
			account = "000000000000"
		}
		r := iam.Request{
			Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + account + ":user/draft", Account: account},
			Action:    c.Action, Resource: c.Resource, ResourceAccount: account, Context: ctx,
		}
		if d := layers.Decide(&r); !d.Allowed() {
			return c, nil
		}
	}
	return nil, nil
}
