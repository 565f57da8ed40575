package estate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/tf"
)

// FromWorld is the estate that Terraform manages or is about to manage. name is
// what people call the source. What the world does not say of an entity is in
// Unknown and concerns it.
func FromWorld(w *tf.World, name string) *Estate {
	b := &builder{e: New(name), w: w, roles: map[string]*holder{}, users: map[string]*holder{}, groups: map[string]*holder{}, profiles: map[string]string{}, byType: map[string][]*tf.Resource{}, resources: map[string]int{}}
	b.e.Terraform = []*tf.World{w}
	for _, u := range w.Unknown {
		b.e.miss(u)
	}
	for _, r := range w.Resources {
		if r.Mode == "managed" && !r.Leaving() {
			b.byType[r.Type] = append(b.byType[r.Type], r)
		}
	}
	for _, p := range w.Providers {
		b.e.account(p.Account)
		name := p.Profile
		if _, alias, ok := strings.Cut(p.Address, "."); ok && !strings.Contains(p.Address, "module.") {
			name = alias
		}
		if b.e.Names[p.Account] == "" && name != "" && !strings.Contains(name, "«") && !tf.Placeholder(p.Account) {
			b.e.Names[p.Account] = name
		}
	}
	b.entities()
	b.members()
	b.policies()
	b.finish()
	b.spread()
	b.things()
	b.organization()
	b.uses()
	b.e.settle()
	return b.e
}

// builder puts the estate of a world together.
type builder struct {
	e                    *Estate
	w                    *tf.World
	byType               map[string][]*tf.Resource
	roles, users, groups map[string]*holder // by account and name
	profiles             map[string]string  // ARN of the role, by ARN of the instance profile
	resources            map[string]int     // index of a resource, by ARN
}

// holder is an entity that policies are attached to.
type holder struct {
	account.Entity
	account  string
	address  string
	trust    *iam.Policy
	boundary string
	tags     []account.Tag
	groups   []string
	profiles []account.InstanceProfile
}

func key(account, name string) string { return account + "/" + strings.ToLower(name) }

// find finds an entity by name, in the account of a resource that names it. Of a
// resource in a state that does not tell its account, the name has to do, or
// what the resource depends on.
func find(from map[string]*holder, r *tf.Resource, name string) *holder {
	if h := from[key(accountOf(r), name)]; h != nil || r.Account != "" {
		return h
	}
	var found []*holder
	for _, h := range from {
		if strings.EqualFold(h.Name, name) {
			found = append(found, h)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(h *holder) bool {
			return !slices.ContainsFunc(r.DependsOn, func(d string) bool { return h.address == d || strings.HasPrefix(h.address, d+"[") })
		})
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// accountOf is the account of a resource: that of its ARN, or of its provider.
func accountOf(r *tf.Resource) string {
	if arn, err := iam.ParseARN(str(r, "arn")); err == nil && len(arn.Account) == 12 {
		return arn.Account
	}
	if r.Account != "" {
		return r.Account
	}
	return Here
}

// at is an attribute by its path; null if it is not set.
func at(r *tf.Resource, name string) cty.Value { return in(r.Values, name) }

func in(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	t := v.Type()
	switch {
	case t.IsObjectType() && t.HasAttribute(name):
		return v.GetAttr(name)
	case t.IsMapType():
		if e, ok := v.AsValueMap()[name]; ok {
			return e
		}
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// read is a text and whether it is known; what is not set is known and empty.
func read(v cty.Value) (string, bool) {
	if v == cty.NilVal {
		return "", true
	}
	if !v.IsKnown() {
		return "", false
	}
	if v.IsNull() {
		return "", true
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || !s.IsKnown() || s.IsNull() {
		return "", err != nil
	}
	return s.AsString(), true
}

func str(r *tf.Resource, name string) string {
	s, _ := read(at(r, name))
	return s
}

// list are the texts of a list or set, and whether all of it is known.
func list(v cty.Value) (out []string, known bool) {
	if v == cty.NilVal || v.IsKnown() && v.IsNull() {
		return nil, true
	}
	if !v.IsKnown() {
		return nil, false
	}
	known = true
	for _, e := range elements(v) {
		s, ok := read(e)
		known = known && ok
		if ok && s != "" {
			out = append(out, s)
		}
	}
	return out, known
}

// elements are the elements of a list, set or tuple; one object is taken for a
// block that may come once.
func elements(v cty.Value) []cty.Value {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch t := v.Type(); {
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		return v.AsValueSlice()
	case t.IsObjectType():
		return []cty.Value{v}
	}
	return nil
}

// unknown lists that an attribute is not known, with the reasons that the world
// has.
func (b *builder) unknown(r *tf.Resource, path, what string, concerns ...string) {
	found := false
	for _, i := range b.e.about(r.Address) {
		u := &b.e.Unknown[i]
		if u.Path == path || strings.HasPrefix(u.Path, path+".") {
			found = true
			u.Concerns = union(u.Concerns, concerns)
		}
	}
	if !found {
		where := r.Where.Position
		if at, ok := r.Attributes[path]; ok {
			where = at.Position
		}
		b.e.miss(tf.Unknown{Where: where, Address: r.Address, Path: path, Why: what + " is known after apply", Concerns: concerns})
	}
}

// maybe notes that an entity or policy may not be there at all.
func (b *builder) maybe(r *tf.Resource, concerns ...string) {
	if r.Uncertain {
		b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Why: "how many " + r.Address + " there are is not known", Concerns: concerns})
	}
}

// document compiles the policy in an attribute, nil if there is none or it is
// not known, which concerns whom it binds.
func (b *builder) document(r *tf.Resource, kind iam.Kind, name, path string, v cty.Value, concerns ...string) *iam.Policy {
	text, known := read(v)
	if !known {
		b.unknown(r, path, path, concerns...)
		return nil
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	p, err := iam.Parse(kind, name, []byte(text))
	if err != nil {
		where := r.Where.Position
		if at, ok := r.Attributes[path]; ok {
			where = at.Position
		}
		b.e.miss(tf.Unknown{Where: where, Address: r.Address, Path: path, Why: "it is no policy that can be read: " + err.Error(), Concerns: concerns, Wrong: true})
		return nil
	}
	b.written(p, r, path)
	b.doubt(r, path, text, concerns...)
	return p
}

// written notes where a policy was written.
func (b *builder) written(p *iam.Policy, r *tf.Resource, path string) {
	d, ok := r.Documents[path]
	if !ok {
		if r.Where.File == "" {
			return
		}
		d = tf.Document{Range: r.Where, Address: r.Address}
		if at, ok := r.Attributes[path]; ok {
			d.Range = at
		}
	}
	w := Written{Range: d.Range, Address: d.Address, Attribute: path}
	if len(d.Statements) == p.Len() {
		w.Statements = d.Statements
	}
	b.e.Written[p] = w
}

// doubt notes the stand-ins of a policy whose real values exist already, and so
// may be equal to anything that is asked for.
func (b *builder) doubt(r *tf.Resource, path, text string, concerns ...string) {
	for _, address := range tf.StandIns(text) {
		if outside(address) {
			where := r.Where.Position
			if at, ok := r.Attributes[path]; ok {
				where = at.Position
			}
			b.e.miss(tf.Unknown{Where: where, Address: r.Address, Path: path, Why: "the policy names " + address + ", which is read from outside of the configuration", Concerns: concerns})
		}
	}
}

// outside reports whether an address is that of something that is not made by
// the configuration.
func outside(address string) bool {
	for part := range strings.SplitSeq(address, "+") {
		for strings.HasPrefix(part, "module.") {
			_, rest, _ := strings.Cut(part[len("module."):], ".")
			part = rest
		}
		if strings.HasPrefix(part, "data.") || strings.HasPrefix(part, "var.") || strings.HasPrefix(part, "local.") || strings.HasPrefix(part, "each.") || !strings.Contains(part, ".") {
			return true
		}
	}
	return false
}

// entities makes the users, groups, roles and managed policies.
func (b *builder) entities() {
	make := func(kind string, into map[string]*holder, r *tf.Resource) *holder {
		id := accountOf(r)
		b.e.account(id)
		name, known := read(at(r, "name"))
		arn := str(r, "arn")
		if !known || name == "" || arn == "" {
			b.unknown(r, "name", "its name")
			return nil
		}
		h := &holder{account: id, address: r.Address}
		h.ARN, h.Name, h.Path = arn, name, str(r, "path")
		if h.Path == "" {
			h.Path = "/"
		}
		// The id that AWS gave it, where a state says so.
		if u := str(r, "unique_id"); !strings.Contains(u, "«") {
			h.ID = u
		}
		h.tags = b.tags(r, h.ARN)
		if old := into[key(id, name)]; old != nil {
			b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Path: "name", Why: fmt.Sprintf("another %s of account %s is called %s too", kind, id, name), Concerns: []string{old.ARN}, Wrong: true})
			return nil
		}
		into[key(id, name)] = h
		if r.Where.File != "" {
			b.e.Entities[arn] = r.Where
		}
		b.maybe(r, arn)
		boundary, known := read(at(r, "permissions_boundary"))
		if !known {
			b.unknown(r, "permissions_boundary", "its permissions boundary", arn)
		}
		h.boundary = boundary
		return h
	}
	for _, r := range b.byType["aws_iam_role"] {
		h := make("role", b.roles, r)
		if h == nil {
			continue
		}
		h.trust = b.document(r, iam.Trust, "trust policy of role "+h.Name, "assume_role_policy", at(r, "assume_role_policy"), h.ARN)
		inline := at(r, "inline_policy")
		if !inline.IsKnown() {
			b.unknown(r, "inline_policy", "its inline policies", h.ARN)
		}
		for i, block := range elements(inline) {
			path := "inline_policy"
			if i > 0 {
				path = fmt.Sprintf("inline_policy[%d]", i)
			}
			name, _ := read(in(block, "name"))
			if doc := b.document(r, iam.Identity, "inline policy "+name+" of role "+h.Name, path+".policy", in(block, "policy"), h.ARN); doc != nil {
				h.inline(name, doc)
			}
		}
		b.attach(r, h, "managed_policy_arns", at(r, "managed_policy_arns"))
	}
	for _, r := range b.byType["aws_iam_user"] {
		make("user", b.users, r)
	}
	for _, r := range b.byType["aws_iam_group"] {
		make("group", b.groups, r)
	}
	for _, r := range b.byType["aws_iam_policy"] {
		id, arn := accountOf(r), str(r, "arn")
		if arn == "" {
			b.unknown(r, "name", "its name")
			continue
		}
		doc := b.document(r, iam.Identity, arn, "policy", at(r, "policy"), arn)
		if doc == nil {
			continue // those who have it lack it: see attached
		}
		a := b.e.account(id)
		p := account.ManagedPolicy{ARN: arn, Name: str(r, "name"), Path: str(r, "path"), Description: str(r, "description"), Default: "v1", Versions: []account.Version{{ID: "v1", Document: doc}}}
		if u := str(r, "policy_id"); !strings.Contains(u, "«") {
			p.ID = u
		}
		a.Policies = append(a.Policies, p)
		b.e.Entities[arn] = r.Where
	}
	for _, r := range b.byType["aws_iam_instance_profile"] {
		id, arn := accountOf(r), str(r, "arn")
		role, known := read(at(r, "role"))
		if arn == "" || !known {
			b.unknown(r, "role", "its role")
			continue
		}
		if r.Where.File != "" {
			b.e.Entities[arn] = r.Where
		}
		h := find(b.roles, r, role)
		if h == nil {
			if role != "" {
				b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Path: "role", Why: "role " + role + " is not in the configuration"})
			}
			continue
		}
		p := account.InstanceProfile{ARN: arn, Name: str(r, "name"), Path: str(r, "path")}
		if u := str(r, "unique_id"); !strings.Contains(u, "«") {
			p.ID = u
		}
		h.profiles = append(h.profiles, p)
		b.profiles[arn] = h.ARN
		b.e.Uses = append(b.e.Uses, Use{Role: h.ARN, Kind: "instance profile", Name: r.Address, Account: id, Where: r.Where})
	}
}

// tags are the tags of a resource with those of its provider.
func (b *builder) tags(r *tf.Resource, concerns ...string) []account.Tag {
	for _, name := range []string{"tags_all", "tags"} {
		v := at(r, name)
		if v.IsKnown() && v.IsNull() {
			continue
		}
		if !v.IsWhollyKnown() {
			b.unknown(r, name, "its tags", concerns...)
			return nil
		}
		if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
			return nil
		}
		var out []account.Tag
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			if s, ok := read(e); ok && !e.IsNull() {
				out = append(out, account.Tag{Key: k.AsString(), Value: s})
			}
		}
		return out
	}
	return nil
}

func (h *holder) inline(name string, doc *iam.Policy) {
	h.Inline = append(h.Inline, account.Inline{Name: name, Document: doc})
}

func (h *holder) add(arn string) {
	if arn != "" && !slices.Contains(h.Attached, arn) {
		h.Attached = append(h.Attached, arn)
	}
}

// attach attaches the policies in a list.
func (b *builder) attach(r *tf.Resource, h *holder, path string, v cty.Value) {
	arns, known := list(v)
	if !known {
		b.unknown(r, path, "the attached policies", h.ARN)
	}
	for _, arn := range arns {
		h.add(arn)
	}
}
