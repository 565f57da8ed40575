package tf

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"
)

// ReadPlan reads what terraform show -json prints of a plan: the world after
// its apply. path is the file that it comes from. With the configuration in
// o.Dir (or beside the file), policies that a plan leaves open because they
// name what is not made yet are known, and everything has its place.
//
// See https://developer.hashicorp.com/terraform/internals/json-format.
func ReadPlan(data []byte, path string, o Options) (*World, error) {
	head, err := checkJSON(data, path, "plan")
	if err != nil {
		return nil, err
	}
	p, planned, err := decodePlan(head)
	if err != nil {
		return nil, &Error{Where: Position{File: path}, Summary: "it is no plan of Terraform: " + err.Error()}
	}
	settings := map[string]*setting{}
	if p.Config != nil {
		configured(p.Config.RootModule, "", settings)
	}
	o.variables = map[string]cty.Value{}
	for name, v := range p.Variables {
		if v != nil && v.Value != nil {
			o.variables[name] = fromAny(v.Value, nil)
		}
	}
	var list []*found
	seen := map[string]bool{}
	add := func(f *found) {
		if seen[f.Address] {
			return
		}
		seen[f.Address] = true
		if s := settings[WithoutKeys(f.Address)]; s != nil {
			f.Provider, f.set, f.refs = s.provider, s.has, s.references
		}
		list = append(list, f)
	}
	for _, c := range p.ResourceChanges {
		if c == nil || c.Change == nil || c.DeposedKey != "" {
			continue
		}
		f := &found{Resource: &Resource{Address: c.Address, Mode: string(c.Mode), Type: c.Type, Name: c.Name, Change: changeOf(c.Change.Actions)}}
		f.Attributes, f.References, f.Documents = map[string]Range{}, map[string][]string{}, map[string]Document{}
		after, _ := c.Change.After.(map[string]any)
		unknown, _ := c.Change.AfterUnknown.(map[string]any)
		if f.Change == "delete" {
			after, _ = c.Change.Before.(map[string]any)
		}
		f.values = fromMap(after, unknown)
		add(f)
	}
	if p.PriorState != nil && p.PriorState.Values != nil {
		inModules(p.PriorState.Values.RootModule, func(r *tfjson.StateResource) {
			if r.Mode == tfjson.DataResourceMode {
				add(stateResource(r))
			}
		})
	}
	for _, x := range planned {
		if seen[x.address] {
			continue
		}
		r := &tfjson.StateResource{}
		if err := decodeNumbers(x.raw, r); err != nil {
			return nil, &Error{Where: Position{File: path}, Summary: "it is no plan of Terraform: " + err.Error()}
		}
		add(stateResource(r))
	}
	return assembleWorld(list, o, path, planProviders(p, list, o))
}

// planned is a resource among the planned values of a plan, most of which its
// changes hold as well: only the others are decoded.
type planned struct {
	address string
	raw     json.RawMessage
}

// plannedModule is a module of the planned values.
type plannedModule struct {
	Resources []json.RawMessage `json:"resources"`
	Children  []*plannedModule  `json:"child_modules"`
}

func (m *plannedModule) list(into []planned) ([]planned, error) {
	if m == nil {
		return into, nil
	}
	for _, raw := range m.Resources {
		var head struct {
			Address string `json:"address"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, err
		}
		if head.Address != "" {
			into = append(into, planned{head.Address, raw})
		}
	}
	for _, c := range m.Children {
		var err error
		if into, err = c.list(into); err != nil {
			return nil, err
		}
	}
	return into, nil
}

// decodePlan reads the parts of a plan side by side: they are large.
func decodePlan(head map[string]json.RawMessage) (*tfjson.Plan, []planned, error) {
	p := &tfjson.Plan{}
	var list []planned
	var errs [5]error
	part := func(name string, into any) error {
		if raw, ok := head[name]; ok {
			return decodeNumbers(raw, into)
		}
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = part("resource_changes", &p.ResourceChanges) })
	wg.Go(func() { errs[1] = part("configuration", &p.Config) })
	wg.Go(func() {
		if raw, ok := head["prior_state"]; ok && string(raw) != "null" {
			p.PriorState = &tfjson.State{}
			p.PriorState.UseJSONNumber(true)
			errs[2] = p.PriorState.UnmarshalJSON(raw)
		}
	})
	wg.Go(func() {
		var values struct {
			Root *plannedModule `json:"root_module"`
		}
		if errs[3] = part("planned_values", &values); errs[3] == nil {
			list, errs[3] = values.Root.list(nil)
		}
	})
	errs[4] = errors.Join(part("format_version", &p.FormatVersion), part("variables", &p.Variables))
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, nil, err
		}
	}
	return p, list, p.Validate()
}

// decodeNumbers decodes JSON whose numbers keep all their digits.
func decodeNumbers(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// changeOf is what a plan does to a resource, in one word.
func changeOf(a tfjson.Actions) string {
	switch {
	case a.NoOp():
		return "no-op"
	case a.Create():
		return "create"
	case a.Read():
		return "read"
	case a.Update():
		return "update"
	case a.Replace():
		return "replace"
	case a.Delete():
		return "delete"
	case a.Forget():
		return "delete"
	}
	return "update"
}

// setting is a resource block as a plan has it: which attributes it sets.
type setting struct {
	provider    string
	expressions map[string]*tfjson.Expression
}

func (s *setting) has(attribute string) bool { return s.expressions[attribute] != nil }

func (s *setting) references(attribute string) []string {
	var out []string
	var add func(e *tfjson.Expression)
	add = func(e *tfjson.Expression) {
		if e == nil || e.ExpressionData == nil {
			return
		}
		for _, r := range e.References {
			// "a.b.c" is followed by "a.b", which says less.
			if !slices.ContainsFunc(out, func(have string) bool { return strings.HasPrefix(have, r) }) {
				out = append(out, r)
			}
		}
		for _, b := range e.NestedBlocks {
			for _, name := range sortedNames(b) {
				add(b[name])
			}
		}
	}
	add(s.expressions[attribute])
	return out
}

// configured gathers the resource blocks of a plan's configuration, by address
// without keys.
func configured(m *tfjson.ConfigModule, prefix string, into map[string]*setting) {
	if m == nil {
		return
	}
	for _, r := range m.Resources {
		key := r.ProviderConfigKey
		// "module.x:aws" is the provider of a module.
		if i := strings.LastIndexByte(key, ':'); i >= 0 {
			key = key[:i] + "." + key[i+1:]
		}
		into[prefix+r.Address] = &setting{key, r.Expressions}
	}
	for name, c := range m.ModuleCalls {
		if c != nil {
			configured(c.Module, prefix+"module."+name+".", into)
		}
	}
}

// planProviders are the providers of a plan: their accounts where the
// configuration names them as constants or variables, or where what was there
// before tells.
func planProviders(p *tfjson.Plan, list []*found, o Options) map[string]Provider {
	out := map[string]Provider{}
	for _, f := range list {
		if id := accountIn(f.Type, f.values); id != "" && f.Provider != "" {
			x := out[f.Provider]
			x.Address, x.Account = f.Provider, id
			out[f.Provider] = x
		}
	}
	if p.Config == nil {
		return out
	}
	taken := map[string]bool{}
	for _, key := range sortedNames(p.Config.ProviderConfigs) {
		c := p.Config.ProviderConfigs[key]
		if c == nil || c.Name != "aws" {
			continue
		}
		address := strings.ReplaceAll(key, ":", ".")
		x := out[address]
		x.Address = address
		constant := func(name string) []string { return constants(c.Expressions[name], p.Variables) }
		if r := constant("region"); len(r) == 1 {
			x.Region = r[0]
		}
		if x.Region == "" {
			x.Region = o.Region
		}
		if r := constant("profile"); len(r) == 1 {
			x.Profile = r[0]
		}
		if ids := constant("allowed_account_ids"); len(ids) == 1 && isAccount(ids[0]) {
			x.Account = ids[0]
		}
		for _, name := range []string{x.Profile, c.Alias, address} {
			if id := o.Accounts[name]; id != "" && name != "" && x.Account == "" {
				x.Account = id
			}
		}
		if x.Account == "" && !taken[""] {
			if x.Account = o.Account; x.Account == "" {
				x.Account = Here
			}
			taken[""] = true
		}
		out[address] = x
	}
	return out
}

// constants are the texts of an expression that is a constant, or a variable
// of the root module and attributes of it.
func constants(e *tfjson.Expression, variables map[string]*tfjson.PlanVariable) []string {
	if e == nil || e.ExpressionData == nil {
		return nil
	}
	texts := func(v any) []string {
		switch v := v.(type) {
		case string:
			return []string{v}
		case []any:
			var out []string
			for _, x := range v {
				if s, ok := x.(string); ok {
					out = append(out, s)
				}
			}
			return out
		}
		return nil
	}
	if e.ConstantValue != nil && e.ConstantValue != any(tfjson.UnknownConstantValue) {
		return texts(e.ConstantValue)
	}
	// The first reference is the longest: "var.dev.account_id", "var.dev". With
	// more of them there is more to the expression than plans say.
	if len(e.References) == 0 {
		return nil
	}
	path := strings.Split(e.References[0], ".")
	for _, r := range e.References[1:] {
		if !strings.HasPrefix(e.References[0], r+".") {
			return nil
		}
	}
	if path[0] != "var" || len(path) < 2 || variables[path[1]] == nil {
		return nil
	}
	v := variables[path[1]].Value
	for _, name := range path[2:] {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return texts(v)
}
