package ask

import (
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// An Answer is what was asked and what is the case.
type Answer struct {
	Principal string      `json:"principal"` // ARN, or what stands for it
	Session   string      `json:"session,omitempty"`
	Action    string      `json:"action"`
	Resource  string      `json:"resource"`
	Owner     string      `json:"resourceAccount,omitempty"`
	Assume    bool        `json:"assume"`
	Verdict   Verdict     `json:"verdict"`
	Outcome   iam.Outcome `json:"outcome"` // of the request with nothing in it but what is known
	Reason    string      `json:"reason"`

	// Caller and Trust are the two sides; across accounts both must allow.
	Caller iam.Side `json:"callerSide"`
	Trust  iam.Side `json:"resourceSide"`

	Deciding   *Place      `json:"deciding,omitempty"`
	Conditions []Condition `json:"conditions,omitempty"`
	Unknown    []Gap       `json:"unknown,omitempty"` // what the answer hangs on
	Notes      []string    `json:"notes,omitempty"`
	Ladder     []Rung      `json:"ladder"`

	// Explanation is the engine's own account of the request.
	Explanation *iam.Explanation `json:"-"`

	caller   caller
	policies iam.Policies
	checked  iam.Request
	question Question
	able     []Somebody // who can do it by themselves, once that has been asked
}

// Ask answers a question. The error is a *NameError for spellings that mean
// nothing or several things.
func (a *Asker) Ask(q Question) (*Answer, error) {
	if err := validAction(q.Action); err != nil {
		return nil, err
	}
	c, err := a.caller(q.Principal)
	if err != nil {
		return nil, err
	}
	resource, err := a.resource(q.Action, q.Resource)
	if err != nil {
		return nil, err
	}
	return a.asking(q.Context).answer(q, c, resource), nil
}

// matter is a request with the policies that bear on it, as far as known.
type matter struct {
	policies iam.Policies
	requests []iam.Request // all must be allowed
	class    class
	role     bool         // the request is about a role
	unknown  []tf.Unknown // concerning either side
	caller   bool         // some of it concerns the caller
	resource bool         // some of it concerns the resource
	notes    []string
}

func isAssume(action string) bool {
	switch strings.ToLower(action) {
	case "sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession", "sts:setsourceidentity":
		return true
	}
	return false
}

// matter gathers what bears on a question.
func (q *asking) matter(question *Question, c *caller, resource string) matter {
	a := q.a
	m := matter{class: c.class}
	if c.person != nil {
		m.policies = c.person.policies
		m.unknown = append(m.unknown, a.unknown[c.person.arn]...)
	} else if c.principal.Type == iam.Root && !c.outside {
		m.policies.SCP = a.estate.SCPs[c.principal.Account]
	}
	if c.outside {
		m.unknown = append(m.unknown, tf.Unknown{Why: "the policies of account " + a.AccountName(c.principal.Account) + " are not in the data"})
	}
	if id := c.principal.Account; id != "" && !c.outside {
		m.unknown = append(m.unknown, a.unknown["arn:aws:iam::"+id+":root"]...)
	}
	m.caller = len(m.unknown) > 0
	target := a.people[resource]
	m.role = target != nil && target.role != nil
	owner := ""
	arn, err := iam.ParseARN(resource)
	if err == nil {
		owner = arn.Account
	}
	holder := a.holder(resource)
	switch {
	case isAssume(question.Action) && m.role:
		m.policies.Resource, m.policies.Trust = target.role.Trust, true
	case isAssume(question.Action) && err == nil:
		m.policies.Trust = true
		m.unknown = append(m.unknown, tf.Unknown{Why: "the trust policy of " + resource + " is not in the data"})
		m.resource = true
	case holder != nil:
		m.policies.Resource = holder.Policy
		if holder.Account != "" {
			owner = holder.Account
		}
		resource := holder.ARN
		if u := a.unknown[resource]; len(u) > 0 {
			m.unknown, m.resource = append(m.unknown, u...), true
		}
	case err == nil && arn.Service != "iam" && arn.Service != "sts":
		if owner == "" {
			m.notes = append(m.notes, short(resource)+" is not in the data: taken to be of the caller's account and to have no policy of its own")
		} else if arn.Service == "kms" || owner != c.principal.Account {
			m.unknown = append(m.unknown, tf.Unknown{Why: "the policy of " + resource + " is not in the data"})
			m.resource = true
		} else {
			m.notes = append(m.notes, short(resource)+" is not in the data: taken to have no policy of its own")
		}
	}
	if m.role {
		if u := a.unknown[resource]; len(u) > 0 {
			m.unknown, m.resource = append(m.unknown, u...), true
		}
	}
	if owner == "" || owner == "aws" {
		owner = c.principal.Account
	}
	m.policies.RCP = a.estate.RCPs[owner]
	ctx := q.context(c.person, &c.principal, owner, target)
	if err == nil && arn.Region != "" {
		if _, ok := ctx.Get("aws:RequestedRegion"); !ok {
			ctx.Set("aws:RequestedRegion", arn.Region)
		}
	}
	r := iam.Request{Principal: c.principal, Action: question.Action, Resource: resource, ResourceAccount: owner, Context: ctx}
	if m.policies.Trust {
		assume := iam.AssumeRequest{Principal: c.principal, Role: resource, RoleAccount: owner, Action: question.Action, Tags: question.Tags, SourceIdentity: question.SourceIdentity, Context: ctx}
		if c.principal.Type == iam.Federated && strings.EqualFold(question.Action, "sts:AssumeRole") {
			assume.Action = "sts:AssumeRoleWithWebIdentity"
			if strings.Contains(c.principal.ARN, ":saml-provider/") {
				assume.Action = "sts:AssumeRoleWithSAML"
			}
		}
		m.requests = assume.Checks()
	} else {
		m.requests = []iam.Request{r}
	}
	return m
}

// everything are the policies that may stand where some are not known.
type everything struct{ allow, deny, allowAll, denyAll *iam.Policy }

func parseEverything() (x everything, err error) {
	for _, one := range []struct {
		at   **iam.Policy
		kind iam.Kind
		src  string
	}{
		{&x.allow, iam.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
		{&x.deny, iam.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`},
		{&x.allowAll, iam.Resource, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`},
		{&x.denyAll, iam.Resource, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`},
	} {
		if *one.at, err = iam.Parse(one.kind, "policies that are not in the data", []byte(one.src)); err != nil {
			return x, err
		}
	}
	return x, nil
}

// world is m with conditions counted for or against the caller, and what is not
// in the data likewise.
func (q *asking) world(m *matter, favour, kind bool) iam.Policies {
	p := m.policies
	set := func(list []*iam.Policy) []*iam.Policy {
		out := list
		for i, one := range list {
			if b := q.bound(one, m.class, m.role, favour); b != one {
				if &out[0] == &list[0] {
					out = slices.Clone(list)
				}
				out[i] = b
			}
		}
		return out
	}
	levels := func(list [][]*iam.Policy) [][]*iam.Policy {
		if len(list) == 0 {
			return nil
		}
		out := make([][]*iam.Policy, len(list))
		for i := range list {
			out[i] = set(list[i])
		}
		return out
	}
	p.Identity, p.Boundary, p.Session = set(p.Identity), set(p.Boundary), set(p.Session)
	p.SCP, p.RCP = levels(p.SCP), levels(p.RCP)
	if p.Resource != nil {
		p.Resource = q.bound(p.Resource, m.class, m.role, favour)
	}
	if !m.caller && !m.resource {
		return p
	}
	x := &q.a.stand
	if m.caller {
		if kind {
			p.Identity = append(slices.Clone(p.Identity), x.allow)
			if len(p.Boundary) > 0 {
				p.Boundary = []*iam.Policy{x.allow}
			}
		} else {
			p.Identity = append(slices.Clone(p.Identity), x.deny)
		}
	}
	if m.resource {
		if kind {
			p.Resource = x.allowAll
		} else {
			p.Resource = x.denyAll
		}
	}
	return p
}

// all decides the requests: the first that is not allowed, or the first.
func all(p *iam.Policies, requests []iam.Request) (iam.Decision, *iam.Request) {
	var first iam.Decision
	for i := range requests {
		d := p.Decide(&requests[i])
		if i == 0 {
			first = d
		}
		if !d.Allowed() {
			return d, &requests[i]
		}
	}
	return first, &requests[0]
}

// verdict decides a matter.
func (q *asking) verdict(m *matter) Verdict {
	if !m.caller && !m.resource && q.settled(m) {
		if d, _ := all(&m.policies, m.requests); d.Allowed() {
			return Allowed
		}
		return Denied
	}
	least := q.world(m, false, false)
	if d, _ := all(&least, m.requests); d.Allowed() {
		return Allowed
	}
	most := q.world(m, true, true)
	if d, _ := all(&most, m.requests); !d.Allowed() {
		return Denied
	}
	if !m.caller && !m.resource {
		return IfConditions
	}
	sure := q.world(m, true, false)
	if d, _ := all(&sure, m.requests); d.Allowed() {
		return IfConditions
	}
	return Undecided
}

// settled reports whether all that the policies ask for is known.
func (q *asking) settled(m *matter) bool {
	known := func(list []*iam.Policy) bool {
		for _, p := range list {
			if q.bound(p, m.class, m.role, true) != p {
				return false
			}
		}
		return true
	}
	p := &m.policies
	for _, set := range p.SCP {
		if !known(set) {
			return false
		}
	}
	for _, set := range p.RCP {
		if !known(set) {
			return false
		}
	}
	return known(p.Identity) && known(p.Boundary) && known(p.Session) && (p.Resource == nil || known([]*iam.Policy{p.Resource}))
}

// answer puts an answer together.
func (q *asking) answer(question Question, c caller, resource string) *Answer {
	m := q.matter(&question, &c, resource)
	out := &Answer{
		Principal: c.arn(), Action: question.Action, Resource: resource, Owner: m.requests[0].ResourceAccount,
		Assume: m.policies.Trust, Notes: m.notes, caller: c, policies: m.policies, question: question,
	}
	if c.session {
		out.Session = lastSegment(c.principal.ARN)
	}
	out.Verdict = q.verdict(&m)
	if u := q.guessed(&m, out.Verdict, resource, &c); len(u) > 0 {
		out.Verdict, m.unknown = Undecided, append(slices.Clip(m.unknown), u...)
	}
	d, request := all(&m.policies, m.requests)
	if out.Verdict == Undecided {
		out.Unknown = gaps(m.unknown)
	}
	e := m.policies.Explain(request)
	out.Explanation, out.Outcome, out.Caller, out.Trust = e, e.Outcome, e.Caller, e.ResourceSide
	out.checked = *request
	if d.Policy != nil {
		p := q.a.place(d.Policy, d.Statement)
		out.Deciding = &p
	}
	out.Conditions = q.conditions(&m, out.Verdict)
	if question.Observed && out.Verdict == IfConditions && d.Outcome != iam.Allow {
		out.Notes = append(out.Notes, "it was denied, so these conditions did not hold")
	}
	out.Reason = q.a.reason(out, request)
	out.Ladder = q.a.ladder(out)
	return out
}

// reason is the answer in a sentence.
func (a *Asker) reason(x *Answer, r *iam.Request) string {
	switch x.Verdict {
	case Undecided:
		var why []string
		for _, u := range x.Unknown {
			why = append(why, u.Why)
		}
		return strings.Join(slices.Compact(why), "; ")
	case IfConditions:
		var list []string
		for _, c := range x.Conditions {
			if s := c.String(); !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		if len(list) > 0 {
			return "if " + strings.Join(list, ", and ")
		}
	}
	if x.Assume && r.Action != x.Action {
		return x.Explanation.Reason + ": " + r.Action + " is asked for as well"
	}
	return x.Explanation.Reason
}

// place says where a statement was written.
func (a *Asker) place(p *iam.Policy, statement int) Place {
	out := Place{Policy: p.Name(), Statement: statement}
	var s iam.Statement
	if statement >= 0 && statement < p.Len() {
		s = p.Statement(statement)
		out.Sid = s.Sid
	}
	w, ok := a.estate.Written[p]
	if !ok {
		return out
	}
	out.Position, out.Address = w.Position, w.Address
	if statement >= 0 && statement < len(w.Statements) {
		out.Position = w.Statements[statement].Position
	}
	return out
}

// conditions lists what was not decided: the conditions of Allow statements that
// count once they are taken to hold, and of Deny statements that would.
func (q *asking) conditions(m *matter, v Verdict) []Condition {
	if v == Allowed || v == Denied {
		return nil
	}
	var out []Condition
	know := func(k string) bool { return q.known(m.class, strings.ToLower(k), m.role) }
	look := func(p *iam.Policy, r *iam.Request) {
		least, most := q.bound(p, m.class, m.role, false), q.bound(p, m.class, m.role, true)
		if least == p && most == p {
			return
		}
		for i := range p.Len() {
			s := p.Statement(i)
			conds, vars := undecided(&s, p.Version(), know)
			if len(conds)+len(vars) == 0 {
				continue
			}
			holding := most
			if s.Effect == iam.EffectDeny {
				holding = least
			}
			if !applies(holding, i, r) {
				continue
			}
			place := q.a.place(p, i)
			for _, c := range conds {
				out = append(out, Condition{place, s.Effect, c.Operator, c.Key, c.Values})
			}
			if len(vars) > 0 {
				out = append(out, Condition{place, s.Effect, "Resource", "", vars})
			}
		}
	}
	p := &m.policies
	for i := range m.requests {
		r := &m.requests[i]
		// Where the resource names the caller, the caller's own allows are not
		// needed, but its denies count.
		for _, set := range slices.Concat(p.SCP, p.RCP, [][]*iam.Policy{p.Identity, p.Boundary, p.Session}) {
			for _, one := range set {
				look(one, r)
			}
		}
		if p.Resource != nil {
			look(p.Resource, r)
		}
	}
	return distinct(out)
}

// distinct leaves out what is there twice.
func distinct(list []Condition) []Condition {
	seen := map[string]bool{}
	var out []Condition
	for _, c := range list {
		key := c.Place.String() + c.String()
		if !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// applies reports whether statement i of a policy is about a request.
func applies(p *iam.Policy, i int, r *iam.Request) bool {
	var set iam.Policies
	switch p.Kind() {
	case iam.Trust, iam.Resource:
		set.Resource = p
		set.Trust = p.Kind() == iam.Trust
	default:
		set.Identity = []*iam.Policy{p}
	}
	for _, l := range set.Explain(r).Layers {
		for _, s := range l.Statements {
			if s.Index == i && s.Matched && l.Result != iam.ResultSkipped {
				return true
			}
		}
	}
	return false
}
