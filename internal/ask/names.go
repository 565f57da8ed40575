package ask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/graph"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A NameError says that a spelling means nothing, or several things.
type NameError struct {
	What       string   // "principal", "role", "resource"
	Name       string   // as spelled
	Candidates []string // what it may mean; of an unknown name, what comes close
	Ambiguous  bool
}

// Error is what is wrong; the candidates are for a hint.
func (e *NameError) Error() string {
	if e.Ambiguous {
		return fmt.Sprintf("%q is the name of several: say which %s", e.Name, e.What)
	}
	return fmt.Sprintf("no %s is called %q", e.What, e.Name)
}

// Hint is the cure.
func (e *NameError) Hint() string {
	switch {
	case e.Ambiguous:
		return "one of " + strings.Join(e.Candidates, ", ")
	case len(e.Candidates) > 0:
		return "did you mean " + strings.Join(e.Candidates, ", or ") + "?"
	case e.What == "resource":
		return "write its ARN, s3://bucket/key, its Terraform address, or *"
	}
	return "write its name, ACCOUNT/role/NAME, its ARN, its Terraform address, or a service such as ec2.amazonaws.com"
}

// caller is a principal that asks.
type caller struct {
	*person   // nil of services, providers, outsiders and root users
	principal iam.Principal
	class     class
	outside   bool // its account is not in the data
	session   bool // its session is named
}

// arn is the ARN of the role or user, or of what stands for the caller.
func (c *caller) arn() string {
	if c.person != nil {
		return c.person.arn
	}
	return c.principal.ARN
}

// of is the caller that a person is.
func of(p *person) caller { return caller{person: p, principal: p.principal, class: p.class} }

// caller reads a spelling of a principal: a name, ACCOUNT/NAME, role/NAME,
// user/NAME, ACCOUNT/root, an ARN (of a session, too), a Terraform address, a
// service or an identity provider.
func (a *Asker) caller(name string) (caller, error) {
	switch {
	case name == "":
		return caller{}, &NameError{What: "principal", Name: name}
	case name == "anonymous":
		return caller{principal: iam.Principal{Type: iam.Anonymous}, class: otherClass}, nil
	case strings.HasSuffix(name, ".amazonaws.com") && !strings.ContainsAny(name, "/:"):
		return caller{principal: iam.Principal{Type: iam.Service, ARN: name}, class: serviceClass}, nil
	case strings.HasPrefix(name, "arn:"):
		return a.callerARN(name)
	}
	if id, rest, ok := a.cutAccount(name); ok && rest == "root" {
		return a.root(id)
	}
	found := a.find(name)
	switch len(found) {
	case 1:
		return of(found[0]), nil
	case 0:
		return caller{}, &NameError{What: "principal", Name: name, Candidates: a.near(name, nil)}
	}
	e := &NameError{What: "principal", Name: name, Ambiguous: true}
	for _, p := range found {
		e.Candidates = append(e.Candidates, a.spelling(p))
	}
	return caller{}, e
}

func (a *Asker) root(id string) (caller, error) {
	c := caller{class: otherClass, principal: iam.Principal{Type: iam.Root, ARN: "arn:aws:iam::" + id + ":root", Account: id}}
	c.outside = a.accounts[id] == nil
	return c, nil
}

func (a *Asker) callerARN(name string) (caller, error) {
	arn, err := iam.ParseARN(name)
	if err != nil {
		return caller{}, &NameError{What: "principal", Name: name}
	}
	if p := a.people[name]; p != nil {
		return of(p), nil
	}
	kind, rest, _ := strings.Cut(arn.Resource, "/")
	switch {
	case arn.Service == "iam" && arn.Resource == "root":
		return a.root(arn.Account)
	case strings.HasSuffix(kind, "-provider"):
		return caller{principal: iam.Principal{Type: iam.Federated, ARN: name}, class: otherClass}, nil
	case arn.Service == "sts" && kind == "assumed-role":
		role, session, _ := strings.Cut(rest, "/")
		p := a.sessionRole(arn.Account, role)
		if p != nil {
			c := of(p)
			if session != "" && session != "*" {
				c.principal.ARN, c.session = name, true
			}
			return c, nil
		}
		if a.accounts[arn.Account] == nil {
			issuer := "arn:" + arn.Partition + ":iam::" + arn.Account + ":role/" + role
			return caller{outside: true, class: otherClass, session: true, principal: iam.Principal{Type: iam.AssumedRole, ARN: name, Account: arn.Account, Issuer: issuer}}, nil
		}
		return caller{}, &NameError{What: "principal", Name: name, Candidates: a.near(role, nil)}
	}
	if arn.Service == "iam" && (kind == "role" || kind == "user") {
		// The account of a configuration may not be known: go by the name.
		if p := a.named(arn.Account, kind, rest); p != nil {
			return of(p), nil
		}
		if a.accounts[arn.Account] == nil && !a.hereOnly() {
			c := caller{outside: true, class: otherClass, principal: iam.Principal{Type: iam.User, ARN: name, Account: arn.Account}}
			if kind == "role" {
				c.principal = iam.Principal{Type: iam.AssumedRole, Account: arn.Account, Issuer: name, ARN: sessionARN(name, lastSegment(name), anySession)}
			}
			return c, nil
		}
	}
	return caller{}, &NameError{What: "principal", Name: name, Candidates: a.near(lastSegment(name), nil)}
}

// hereOnly reports whether it is not known which accounts the estate is of.
func (a *Asker) hereOnly() bool {
	for id := range a.accounts {
		if !tf.Placeholder(id) {
			return false
		}
	}
	return len(a.accounts) > 0
}

// sessionRole finds the role of a session, whose ARN has no path.
func (a *Asker) sessionRole(acct, name string) *person {
	for _, p := range a.byName[strings.ToLower(name)] {
		if p.role != nil && (p.account == acct || tf.Placeholder(p.account) && a.accounts[acct] == nil) {
			return p
		}
	}
	return nil
}

// named finds the role or user with a path and name where only the account
// differs, because a configuration does not say which it is applied in.
func (a *Asker) named(acct, kind, rest string) *person {
	for _, p := range a.byName[strings.ToLower(lastSegment(rest))] {
		if tf.Placeholder(p.account) && a.accounts[acct] == nil && p.kind.String() == kind && strings.HasSuffix(p.arn, "/"+rest) {
			return p
		}
	}
	return nil
}

// inConfiguration is the ARN of a resource in an account that is not known, if a
// configuration makes one that differs from an ARN in its account alone; else "".
func (a *Asker) inConfiguration(arn string) string {
	x, err := iam.ParseARN(arn)
	if err != nil || x.Account == "" || a.accounts[x.Account] != nil {
		return ""
	}
	for id := range a.accounts {
		if here := strings.Replace(arn, ":"+x.Account+":", ":"+id+":", 1); tf.Placeholder(id) && a.holder(here) != nil {
			return here
		}
	}
	return ""
}

// cutAccount cuts an account's name or id off a spelling.
func (a *Asker) cutAccount(name string) (id, rest string, ok bool) {
	first, rest, ok := strings.Cut(name, "/")
	if !ok {
		return "", name, false
	}
	if a.accounts[first] != nil {
		return first, rest, true
	}
	for id, n := range a.estate.Names {
		if n == first {
			return id, rest, true
		}
	}
	return "", name, false
}

// find finds the people that a spelling without colons may mean.
func (a *Asker) find(name string) []*person {
	if arn := a.address(name); arn != "" && a.people[arn] != nil {
		return []*person{a.people[arn]}
	}
	if out := a.findIn("", name); len(out) > 0 {
		return out
	}
	if id, rest, ok := a.cutAccount(name); ok {
		return a.findIn(id, rest)
	}
	return nil
}

func (a *Asker) findIn(acct, name string) []*person {
	rest, kind := name, graph.Kind(0)
	if r, ok := strings.CutPrefix(name, "role/"); ok {
		rest, kind = r, graph.Role
	} else if r, ok := strings.CutPrefix(name, "user/"); ok {
		rest, kind = r, graph.User
	}
	var out []*person
	for _, p := range a.byName[strings.ToLower(lastSegment(rest))] {
		if acct != "" && p.account != acct || kind != 0 && p.kind != kind {
			continue
		}
		if rest == lastSegment(rest) || strings.HasSuffix(p.arn, "/"+strings.TrimPrefix(rest, "/")) {
			out = append(out, p)
		}
	}
	// A name in its own case is meant before the same in another.
	if exact := slices.DeleteFunc(slices.Clone(out), func(p *person) bool { return p.name != lastSegment(rest) }); len(exact) > 0 {
		return exact
	}
	return out
}

// address is the ARN of the Terraform resource with an address.
func (a *Asker) address(name string) string {
	if !strings.Contains(name, ".") {
		return ""
	}
	for _, w := range a.estate.Terraform {
		for _, r := range w.Resources {
			if r.Address != name || r.Leaving() {
				continue
			}
			if v := attribute(r, "arn"); v != "" && a.people[v] != nil {
				return v // a block with count has the same place for all
			}
			for arn, where := range a.estate.Entities {
				if where == r.Where && where.File != "" {
					return arn
				}
			}
			for i := range a.estate.Resources {
				if x := &a.estate.Resources[i]; x.Where == r.Where && x.Where.File != "" {
					return x.ARN
				}
			}
			if v := attribute(r, "arn"); v != "" {
				return v
			}
		}
	}
	return ""
}

// spelling is the shortest one that means only this person.
func (a *Asker) spelling(p *person) string {
	s := p.kind.String() + "/" + p.name
	if len(a.findIn("", s)) == 1 {
		return s
	}
	if n := a.estate.Names[p.account]; n != "" {
		return n + "/" + s
	}
	return p.account + "/" + s
}

// near lists names that come close.
func (a *Asker) near(name string, want func(*person) bool) []string {
	type candidate struct {
		at int
		s  string
	}
	var list []candidate
	name = strings.ToLower(lastSegment(name))
	limit := max(1, len(name)/3)
	for _, p := range a.order {
		if want != nil && !want(p) {
			continue
		}
		other := strings.ToLower(p.name)
		d := distance(name, other, limit)
		if d > limit && len(name) >= 3 && strings.Contains(other, name) {
			d = limit
		}
		if d <= limit {
			list = append(list, candidate{d, a.spelling(p)})
		}
	}
	slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(x.at, y.at) })
	var out []string
	for _, c := range list {
		if len(out) == 3 {
			break
		}
		out = append(out, c.s)
	}
	return out
}

// distance is the number of edits between two texts, or limit+1 if more.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// roleNamed reads a spelling of a role.
func (a *Asker) roleNamed(name string) (*person, error) {
	if p := a.people[name]; p != nil && p.role != nil {
		return p, nil
	}
	var found []*person
	if strings.HasPrefix(name, "arn:") {
		c, err := a.callerARN(name)
		if err == nil && c.person != nil {
			found = []*person{c.person}
		}
	} else {
		found = a.find(name)
	}
	found = slices.DeleteFunc(slices.Clone(found), func(p *person) bool { return p.role == nil })
	isRole := func(p *person) bool { return p.role != nil }
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &NameError{What: "role", Name: name, Candidates: a.near(name, isRole)}
	}
	e := &NameError{What: "role", Name: name, Ambiguous: true}
	for _, p := range found {
		e.Candidates = append(e.Candidates, a.spelling(p))
	}
	return nil, e
}

// resource reads a spelling of a resource: an ARN, s3://bucket/key, a Terraform
// address, the name of a resource of the estate, "*", or, for actions on roles and
// users, a principal.
func (a *Asker) resource(action, name string) (string, error) {
	service, op, _ := strings.Cut(strings.ToLower(action), ":")
	switch {
	case name == "*":
		return name, nil
	case strings.HasPrefix(name, "arn:"):
		if _, err := iam.ParseARN(name); err != nil {
			return "", fmt.Errorf("%q is no ARN: it takes six fields, arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE", name)
		}
		if p, err := a.callerARN(name); err == nil && p.person != nil && p.arn() != name && strings.Contains(name, ":iam:") {
			return p.arn(), nil // the account of a configuration is not known
		}
		if here := a.inConfiguration(name); here != "" {
			return here, nil
		}
		return name, nil
	case strings.HasPrefix(name, "s3://"):
		return "arn:aws:s3:::" + strings.TrimSuffix(name[len("s3://"):], "/"), nil
	}
	if arn := a.address(name); arn != "" {
		return arn, nil
	}
	if service == "iam" || service == "sts" {
		if strings.Contains(op, "role") || op == "tagsession" || op == "setsourceidentity" {
			p, err := a.roleNamed(name)
			if err != nil {
				return "", err
			}
			return p.arn, nil
		}
		c, err := a.caller(name)
		if err != nil {
			return "", err
		}
		return c.arn(), nil
	}
	var found, all []string
	for i := range a.estate.Resources {
		r := &a.estate.Resources[i]
		if service != "" && !strings.Contains(r.ARN, ":"+service+":") {
			continue
		}
		id := short(r.ARN)
		first, _, _ := strings.Cut(name, "/")
		switch {
		case id == name || lastSegment(id) == name:
			found = append(found, r.ARN)
		case service == "s3" && id == first:
			found = append(found, "arn:aws:s3:::"+name)
		case distance(strings.ToLower(lastSegment(id)), strings.ToLower(name), 3) <= 3:
			all = append(all, id)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &NameError{What: "resource", Name: name, Candidates: all}
	}
	return "", &NameError{What: "resource", Name: name, Ambiguous: true, Candidates: found}
}

// holder finds what the estate says of a resource, or of what it is part of: the
// bucket of an object, the table of an index.
func (a *Asker) holder(arn string) *estate.Resource {
	for at := arn; ; {
		if r := a.resources[at]; r != nil {
			return r
		}
		i := strings.LastIndexByte(at, '/')
		if i < 0 {
			return nil
		}
		at = at[:i]
	}
}

// validAction reports whether a text has the form of an action.
func validAction(s string) error {
	service, op, ok := strings.Cut(s, ":")
	if !ok || service == "" || op == "" || strings.ContainsAny(s, " */?\"") {
		return fmt.Errorf("%q is no action: it takes the form SERVICE:OPERATION, such as s3:GetObject", s)
	}
	return nil
}
