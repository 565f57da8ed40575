package ask

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/estate"
)

// A Change is one edit of one policy.
type Change struct {
	// What says which kind of policy it is: "trust" of the role Entity, "inline"
	// of the role or user Entity, "managed" with the ARN Entity, or "resource" of
	// the resource Entity.
	What    string `json:"what"`
	Entity  string `json:"entity"`
	Account string `json:"account"`

	// Name is the name of an inline policy.
	Name string `json:"name,omitempty"`

	// Before and After are the documents, indented; Before is empty if the policy
	// is new, After if it goes.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`

	// Text is the change in a few words.
	Text string `json:"text"`

	policy *iam.Policy    // what is edited; nil if it is new
	add    *statementJSON // what is added
	index  int            // the statement that is removed or narrowed, if add is nil
	narrow string         // what a narrowed statement spares: "resource" or "principal"
	spare  string         // the ARN that it spares
}

// document is a policy as JSON whose statements can be changed.
type document struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

func readDocument(p *iam.Policy) (document, error) {
	var d document
	src, err := p.MarshalJSON()
	if err != nil {
		return d, err
	}
	err = json.Unmarshal(src, &d)
	return d, err
}

func indented(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.String(), err
}

// settleDocuments fills in Before and After.
func (c *Change) settleDocuments() error {
	d := document{Version: "2012-10-17"}
	if c.policy != nil {
		var err error
		if d, err = readDocument(c.policy); err != nil {
			return err
		}
		if c.Before, err = indented(d); err != nil {
			return err
		}
	}
	switch {
	case c.add != nil:
		raw, err := json.Marshal(c.add)
		if err != nil {
			return err
		}
		d.Statement = append(d.Statement, raw)
	case c.narrow != "":
		s := c.policy.Statement(c.index)
		n := write(&s)
		if c.narrow == "resource" {
			n.Resource, n.NotResource = nil, []string{c.spare}
		} else {
			if n.Condition == nil {
				n.Condition = map[string]map[string][]string{}
			}
			n.Condition["ArnNotEquals"] = map[string][]string{"aws:PrincipalArn": {c.spare}}
		}
		raw, err := json.Marshal(n)
		if err != nil {
			return err
		}
		d.Statement[c.index] = raw
	default:
		d.Statement = slices.Delete(d.Statement, c.index, c.index+1)
	}
	if len(d.Statement) == 0 {
		c.After = "" // a policy without statements is deleted
		return nil
	}
	var err error
	c.After, err = indented(d)
	return err
}

// kind is the kind of the policy.
func (c *Change) kind() iam.Kind {
	switch c.What {
	case "trust":
		return iam.Trust
	case "resource":
		return iam.Resource
	}
	return iam.Identity
}

// changed is the estate after some changes. The estate itself stays as it is.
func changed(e *estate.Estate, changes []Change) (*estate.Estate, error) {
	out := *e
	out.Accounts = maps.Clone(e.Accounts)
	out.Written = maps.Clone(e.Written)
	out.Resources = slices.Clone(e.Resources)
	for i := range changes {
		c := &changes[i]
		var p *iam.Policy
		if c.After != "" {
			name := c.Entity + " " + c.Name
			if c.policy != nil {
				name = c.policy.Name()
			}
			var err error
			if p, err = iam.Parse(c.kind(), name, []byte(c.After)); err != nil {
				return nil, fmt.Errorf("the changed policy of %s is no policy: %w", c.Entity, err)
			}
		}
		if w, ok := e.Written[c.policy]; ok && p != nil && out.Written != nil {
			out.Written[p] = estate.Written{Range: w.Range, Address: w.Address, Attribute: w.Attribute}
		}
		if c.What == "resource" {
			i := slices.IndexFunc(out.Resources, func(r estate.Resource) bool { return r.ARN == c.Entity })
			if i < 0 {
				return nil, fmt.Errorf("%s is not in the data", c.Entity)
			}
			out.Resources[i].Policy = p
			continue
		}
		acct := *out.Accounts[c.Account]
		out.Accounts[c.Account] = &acct
		if c.What == "managed" {
			acct.Policies = slices.Clone(acct.Policies)
			for i := range acct.Policies {
				if m := &acct.Policies[i]; m.ARN == c.Entity && p != nil {
					m.Default, m.Versions = "next", []account.Version{{ID: "next", Document: p}}
				}
			}
			continue
		}
		acct.Roles, acct.Users, acct.Groups = slices.Clone(acct.Roles), slices.Clone(acct.Users), slices.Clone(acct.Groups)
		inline := func(en *account.Entity) {
			if en.ARN != c.Entity {
				return
			}
			en.Inline = slices.DeleteFunc(slices.Clone(en.Inline), func(in account.Inline) bool { return in.Name == c.Name })
			if p != nil {
				en.Inline = append(en.Inline, account.Inline{Name: c.Name, Document: p})
			}
		}
		for i := range acct.Roles {
			r := &acct.Roles[i]
			if c.What == "trust" {
				if r.ARN == c.Entity {
					r.Trust = p
				}
				continue
			}
			inline(&r.Entity)
		}
		if c.What == "inline" {
			for i := range acct.Users {
				inline(&acct.Users[i].Entity)
			}
			for i := range acct.Groups {
				inline(&acct.Groups[i].Entity)
			}
		}
	}
	return &out, nil
}

// trustee makes a Change that adds a statement to the trust policy of a role.
func (a *Asker) trustee(role *person, c *caller, action string) (Change, bool) {
	s := &statementJSON{Effect: "Allow", Action: []string{action}}
	switch c.principal.Type {
	case iam.AssumedRole:
		s.Principal = map[string][]string{"AWS": {c.principal.Issuer}}
	case iam.User:
		s.Principal = map[string][]string{"AWS": {c.principal.ARN}}
	case iam.Service:
		s.Principal = map[string][]string{"Service": {c.principal.ARN}}
	default:
		return Change{}, false // providers take conditions that only a person knows
	}
	if strings.EqualFold(action, "sts:AssumeRole") {
		s.Action = []string{"sts:AssumeRole"}
	}
	return Change{
		What: "trust", Entity: role.arn, Account: role.account, policy: role.role.Trust, add: s,
		Text: fmt.Sprintf("%s's trust policy: + %s for %s", a.Name(role.arn), s.Action[0], a.Name(c.arn())),
	}, true
}

// grant makes a Change that gives a caller an inline policy.
func (a *Asker) grant(p *person, action, resource string) Change {
	s := &statementJSON{Effect: "Allow", Action: []string{action}, Resource: []string{resource}}
	service, op, _ := strings.Cut(action, ":")
	base := "Allow" + strings.ToUpper(service[:1]) + service[1:] + op
	var have []account.Inline
	if p.role != nil {
		have = p.role.Inline
	} else {
		have = p.user.Inline
	}
	name := base
	for n := 2; slices.ContainsFunc(have, func(in account.Inline) bool { return in.Name == name }); n++ {
		name = fmt.Sprintf("%s%d", base, n)
	}
	return Change{
		What: "inline", Entity: p.arn, Account: p.account, Name: name, add: s,
		Text: fmt.Sprintf("give %s %s on %s: 1 statement", a.Name(p.arn), action, a.Name(resource)),
	}
}

// letIn makes a Change that adds a caller to the policy of a resource.
func (a *Asker) letIn(r *estate.Resource, c *caller, action, resource string) (Change, bool) {
	s := &statementJSON{Effect: "Allow", Action: []string{action}, Resource: []string{resource}}
	switch c.principal.Type {
	case iam.AssumedRole:
		s.Principal = map[string][]string{"AWS": {c.principal.Issuer}}
	case iam.User:
		s.Principal = map[string][]string{"AWS": {c.principal.ARN}}
	case iam.Service:
		s.Principal = map[string][]string{"Service": {c.principal.ARN}}
	default:
		return Change{}, false
	}
	if strings.HasPrefix(r.Type, "kms:") {
		s.Resource = []string{"*"} // in a key policy, this key
	}
	return Change{
		What: "resource", Entity: r.ARN, Account: r.Account, policy: r.Policy, add: s,
		Text: fmt.Sprintf("%s's policy: + %s for %s", short(r.ARN), action, a.Name(c.arn())),
	}, true
}

// undo makes Changes that take a denying statement back: for what is asked only,
// if that can be said, or as a whole. Nothing is said of policies that are not the
// asker's to change: SCPs, RCPs, boundaries, and those of AWS.
func (a *Asker) undo(x *Answer, layer iam.Layer, p *iam.Policy, index int) []Change {
	c := Change{policy: p, index: index}
	switch layer {
	case iam.LayerTrust:
		c.What, c.Entity, c.Account = "trust", x.Resource, a.people[x.Resource].account
	case iam.LayerResource:
		r := a.holder(x.Resource)
		if r == nil {
			return nil
		}
		c.What, c.Entity, c.Account = "resource", r.ARN, r.Account
	case iam.LayerIdentity:
		if !a.attachedAs(x.caller.person, p, &c) {
			return nil
		}
	default:
		return nil
	}
	s := p.Statement(index)
	where := a.place(p, index).String()
	if c.What == "trust" && p.Len() == 1 {
		return nil // no role is without trust policy
	}
	narrow := c
	switch {
	case layer == iam.LayerIdentity && !s.NotResources && slices.Equal(s.Resources, []string{"*"}) && x.Resource != "*":
		narrow.narrow, narrow.spare = "resource", x.Resource
		narrow.Text = fmt.Sprintf("spare %s in the deny %s", a.Name(x.Resource), where)
	case layer != iam.LayerIdentity && x.caller.person != nil && !slices.ContainsFunc(s.Conditions, func(c iam.StatementCondition) bool { return c.Operator == "ArnNotEquals" }):
		narrow.narrow, narrow.spare = "principal", x.caller.person.arn
		narrow.Text = fmt.Sprintf("spare %s in the deny %s", a.Name(x.caller.person.arn), where)
	}
	c.Text = "remove the deny " + where
	if narrow.narrow != "" {
		return []Change{narrow, c}
	}
	return []Change{c}
}

// attachedAs finds where a person has a policy from.
func (a *Asker) attachedAs(p *person, policy *iam.Policy, c *Change) bool {
	if p == nil {
		return false
	}
	acct := a.accounts[p.account]
	inline := func(en *account.Entity) bool {
		for _, in := range en.Inline {
			if in.Document == policy {
				c.What, c.Entity, c.Account, c.Name = "inline", en.ARN, p.account, in.Name
				return true
			}
		}
		return false
	}
	var attached []string
	if p.role != nil {
		if inline(&p.role.Entity) {
			return true
		}
		attached = p.role.Attached
	} else {
		if inline(&p.user.Entity) {
			return true
		}
		attached = p.user.Attached
		for i := range acct.Groups {
			g := &acct.Groups[i]
			if slices.ContainsFunc(p.user.Groups, func(n string) bool { return strings.EqualFold(n, g.Name) }) {
				if inline(&g.Entity) {
					return true
				}
				attached = append(slices.Clone(attached), g.Attached...)
			}
		}
	}
	for i := range acct.Policies {
		m := &acct.Policies[i]
		if m.Document() == policy && slices.Contains(attached, m.ARN) && !m.AWS() {
			c.What, c.Entity, c.Account = "managed", m.ARN, p.account
			return true
		}
	}
	return false
}
