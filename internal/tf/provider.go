package tf

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// provider is a configuration of the AWS provider that was evaluated.
type provider struct {
	Provider
	tags    cty.Value // default_tags; NilVal if there are none
	unset   bool      // there is no such block: the default
	told    bool      // the block says which account it is
	key     string    // what its credentials come from; the same key is the same account
	running bool
}

// partition is that of the provider's region.
func (p *provider) partition() string {
	switch {
	case strings.HasPrefix(p.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(p.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// tagged adds the tags that the provider gives to everything, as tags_all.
func (p *provider) tagged(values map[string]cty.Value) {
	if p.tags == cty.NilVal || !unset(values, "tags_all") {
		return
	}
	own := value(values, "tags")
	if !p.tags.IsKnown() || !own.IsKnown() {
		values["tags_all"] = cty.DynamicVal
		return
	}
	out := map[string]cty.Value{}
	for _, v := range []cty.Value{p.tags, own} {
		if !v.IsNull() && (v.Type().IsObjectType() || v.Type().IsMapType()) {
			for k, e := range v.AsValueMap() {
				out[k] = e
			}
		}
	}
	values["tags_all"] = cty.ObjectVal(out)
}

func splitType(kind string) (string, string) {
	p, rest, _ := strings.Cut(kind, "_")
	return p, rest
}

func cutDot(name string) (string, string, bool) { return strings.Cut(name, ".") }

// provider is a provider configuration by its local address, wherever it comes
// from: a block of the module, what the call passes, or that of the caller.
func (m *module) provider(name string) *provider {
	for m.parent != nil {
		if _, ok := m.src.providers[name]; ok {
			break
		}
		if outer, ok := m.providers[name]; ok {
			name = outer
		}
		m = m.parent
	}
	address := m.address + name
	p, ok := m.ev.providers[address]
	if ok {
		return p
	}
	p = &provider{Provider: Provider{Address: address, Account: Here}, running: true}
	m.ev.providers[address] = p
	defer func() { p.running = false }()
	b, ok := m.src.providers[name]
	if !ok {
		p.unset, p.key = true, "\x00\x00"
		p.Region = m.ev.o.Region
		p.Account = m.accountOf(p, name)
		return p
	}
	p.Where = rangeOf(whole(b))
	value := func(attr string) string {
		a, ok := b.Body.Attributes[attr]
		if !ok {
			return ""
		}
		v, why := m.scope().explain(a.Expr)
		s, ok := text(v)
		if !ok && len(why) > 0 {
			m.ev.notes(position(a.SrcRange), "provider."+address, attr, why)
			s = StandIn("provider." + address + "." + attr)
		}
		return s
	}
	if p.Region = value("region"); p.Region == "" || strings.Contains(p.Region, "«") {
		p.Region = m.ev.o.Region
	}
	p.Profile = value("profile")
	p.key = p.Profile + "\x00" + value("access_key") + "\x00" + value("shared_credentials_files")
	for _, n := range b.Body.Blocks {
		if a, ok := n.Body.Attributes["tags"]; ok && n.Type == "default_tags" {
			v, why := m.scope().explain(a.Expr)
			m.ev.notes(position(a.SrcRange), "provider."+address, "default_tags.tags", why)
			p.tags = v
		}
		if n.Type != "assume_role" && n.Type != "assume_role_with_web_identity" {
			continue
		}
		if a, ok := n.Body.Attributes["role_arn"]; ok {
			v, why := m.scope().explain(a.Expr)
			role, _ := text(v)
			if len(why) > 0 {
				m.ev.notes(position(a.SrcRange), "provider."+address, "assume_role.role_arn", why)
				role = StandIn("provider." + address)
			}
			p.Role = role
			p.key += "\x00" + role
			if f := strings.Split(role, ":"); len(f) >= 6 && isAccount(f[4]) {
				p.Account = f[4]
			}
		}
	}
	if a, ok := b.Body.Attributes["allowed_account_ids"]; ok {
		v, why := m.scope().explain(a.Expr)
		if ids := texts(v); len(ids) == 1 && isAccount(ids[0]) && !Placeholder(ids[0]) {
			p.Account, p.told = ids[0], true
		} else if len(why) > 0 {
			m.ev.notes(position(a.SrcRange), "provider."+address, "allowed_account_ids", why)
		}
	}
	if Placeholder(p.Account) {
		p.Account = m.accountOf(p, name)
	}
	m.ev.world.Providers = append(m.ev.world.Providers, p.Provider)
	return p
}

// accountOf finds the account of a provider whose configuration does not say
// it: what the reader was told, or the account of another provider with the
// same credentials, or else a placeholder of its own.
func (m *module) accountOf(p *provider, name string) string {
	ev := m.ev
	if id := m.accountKnown(name); id != "" {
		return id
	}
	_, alias, _ := cutDot(name)
	for _, n := range []string{p.Profile, alias, p.Address} {
		if id := ev.o.Accounts[n]; id != "" && n != "" {
			return id
		}
	}
	others, same := map[string]bool{}, map[string]bool{}
	for _, o := range ev.providers {
		if o == p || o.running {
			continue
		}
		if o.key == p.key && !o.told {
			same[o.Account] = true
		}
		others[o.Account] = true
	}
	if len(same) == 0 && p.unset {
		// The default of what has a name and an account is that account.
		for _, o := range ev.providers {
			if o != p && o.key == p.key {
				same[o.Account] = true
			}
		}
	}
	if len(same) == 1 {
		for id := range same {
			return id
		}
	}
	first := ev.o.Account
	if first == "" {
		first = Here
	}
	if !others[first] {
		return first
	}
	id := ""
	for i := 1; ; i++ {
		if id = fmt.Sprintf("%012d", i); !others[id] {
			break
		}
	}
	if p.unset {
		return id
	}
	ev.note(Unknown{Where: p.Where.Position, Address: "provider." + p.Address, Path: "allowed_account_ids",
		Why: fmt.Sprintf("the account of provider %s is not known, nor whether it is another than that of the rest; set allowed_account_ids, or name it with --account", p.Address)})
	return id
}

// accountKnown is the account that a plan or state shows the resources of a
// provider in.
func (m *module) accountKnown(name string) string {
	if len(m.ev.o.known) == 0 {
		return ""
	}
	for _, b := range m.src.resources {
		local, _ := splitType(b.kind)
		if a, ok := b.Body.Attributes["provider"]; ok {
			local = providerName(a.Expr)
		}
		if local != name {
			continue
		}
		if v, ok := m.ev.o.known[m.address+b.address()]; ok {
			if id := accountIn(b.kind, v.AsValueMap()); id != "" {
				return id
			}
		}
	}
	return ""
}

// accountIn is the account that the attributes of a resource tell of.
func accountIn(kind string, values map[string]cty.Value) string {
	if kind == "aws_caller_identity" {
		return valueText(values, "account_id")
	}
	if f := strings.Split(valueText(values, "arn"), ":"); len(f) >= 6 && isAccount(f[4]) && strings.HasPrefix(kind, "aws_") {
		return f[4]
	}
	return ""
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// text is a known string (or what Terraform would make one of).
func text(v cty.Value) (string, bool) {
	v = converted(v, cty.String)
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

// texts are the known strings of a list or set.
func texts(v cty.Value) []string {
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if s, ok := text(e); ok {
			out = append(out, s)
		}
	}
	return out
}
