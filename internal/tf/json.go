package tf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"
)

// fromAny is a decoded JSON value as a value. unknown has the shape of
// after_unknown: true where the value is known after apply.
func fromAny(v, unknown any) cty.Value {
	if u, ok := unknown.(bool); ok && u {
		return cty.DynamicVal
	}
	switch v := v.(type) {
	case string:
		return cty.StringVal(v)
	case bool:
		return cty.BoolVal(v)
	case json.Number:
		n, err := cty.ParseNumberVal(v.String())
		if err != nil {
			return cty.DynamicVal
		}
		return n
	case float64:
		return cty.NumberFloatVal(v)
	case []any:
		u, _ := unknown.([]any)
		out := make([]cty.Value, 0, max(len(v), len(u)))
		for i := range max(len(v), len(u)) {
			var e, eu any
			if i < len(v) {
				e = v[i]
			}
			if i < len(u) {
				eu = u[i]
			}
			out = append(out, fromAny(e, eu))
		}
		return cty.TupleVal(out)
	case map[string]any:
		u, _ := unknown.(map[string]any)
		return cty.ObjectVal(fromMap(v, u))
	case nil:
		switch u := unknown.(type) {
		case map[string]any:
			return cty.ObjectVal(fromMap(nil, u))
		case []any:
			return fromAny([]any{}, u)
		}
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

func fromMap(v, unknown map[string]any) map[string]cty.Value {
	out := make(map[string]cty.Value, len(v)+len(unknown))
	for name, e := range v {
		out[name] = fromAny(e, unknown[name])
	}
	for name, u := range unknown {
		if _, ok := v[name]; !ok {
			if e := fromAny(nil, u); !e.IsKnown() || !e.IsNull() {
				out[name] = e
			}
		}
	}
	return out
}

// checkJSON refuses, with the cure, what is not the output of terraform show, and
// returns its parts.
func checkJSON(data []byte, path, what string) (map[string]json.RawMessage, error) {
	wrong := func(format string, args ...any) (map[string]json.RawMessage, error) {
		return nil, &Error{Where: Position{File: path}, Summary: fmt.Sprintf(format, args...)}
	}
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return wrong("this is a plan as terraform keeps it; print it with terraform show -json %s > plan.json", filepath.Base(path))
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(data, &head); err != nil {
		return wrong("it is no %s of Terraform in JSON: %v", what, err)
	}
	switch _, planned := head["planned_values"]; {
	case what == "plan" && !planned:
		return wrong("it has no planned_values: it is no plan of terraform show -json")
	case what == "state" && planned:
		return wrong("it is a plan; name it with --plan")
	case head["format_version"] == nil:
		return wrong("it has no format_version: print the %s with terraform show -json", what)
	}
	return head, nil
}

// found is a resource that a plan or state tells of.
type found struct {
	*Resource
	values map[string]cty.Value
	set    func(attribute string) bool // whether the configuration sets it; nil if not known
	refs   func(attribute string) []string
}

// assemble makes the world of what a plan or state tells, with what its
// configuration adds, if o.Dir has it.
func assembleWorld(list []*found, o Options, path string, providers map[string]Provider) (*World, error) {
	o.Dir = configurationOf(o.Dir, path)
	w := &World{Dir: o.Dir, Files: map[string][]byte{}}
	written := map[string]*Resource{}
	plain := map[string]*Resource{}
	if o.Dir != "" {
		o.known = map[string]cty.Value{}
		for _, f := range list {
			o.known[f.Address] = cty.ObjectVal(f.values)
		}
		var err error
		if w, err = Read(o); err != nil {
			return nil, err
		}
		for _, r := range w.Resources {
			written[r.Address] = r
			plain[WithoutKeys(r.Address)] = r
		}
	}
	told := map[string]bool{}
	var resources []*Resource
	for _, f := range list {
		told[f.Address] = true
		r := f.Resource
		if c, ok := written[f.Address]; ok {
			c.Change = f.Change
			c.Uncertain = false
			resources = append(resources, c)
			continue
		}
		if c, ok := plain[WithoutKeys(f.Address)]; ok {
			r.Where, r.Attributes, r.References, r.Documents, r.Ignored = c.Where, c.Attributes, c.References, c.Documents, c.Ignored
			r.DependsOn = c.DependsOn
			r.Provider, r.Account, r.Region, r.Partition = c.Provider, c.Account, c.Region, c.Partition
		} else if p, ok := providers[f.Provider]; ok {
			r.Account, r.Region = p.Account, p.Region
		}
		if id := accountIn(r.Type, f.values); id != "" {
			r.Account = id
		}
		if r.Partition == "" {
			r.Partition = (&provider{Provider: Provider{Region: r.Region}}).partition()
		}
		w.doubts(f)
		compute(r, f.values)
		r.Values = cty.ObjectVal(f.values)
		resources = append(resources, r)
	}
	for _, r := range w.Resources {
		if !told[r.Address] && r.Mode == "data" && !r.Uncertain {
			resources = append(resources, r)
		}
	}
	kept := map[string]bool{}
	for _, r := range resources {
		kept[r.Address] = true
	}
	// What is unknown of resources that there will not be concerns nobody.
	w.Unknown = slices.DeleteFunc(w.Unknown, func(u Unknown) bool {
		return u.Address != "" && !kept[u.Address] && (written[u.Address] != nil || plain[WithoutKeys(u.Address)] != nil)
	})
	w.Resources = resources
	if len(w.Providers) == 0 {
		for _, p := range providers {
			w.Providers = append(w.Providers, p)
		}
	}
	(&evaluator{world: w}).finish()
	return w, nil
}

// configurationOf is the folder of the configuration that a plan or state was
// made from: the one that was named, or that of the file if it holds some.
func configurationOf(dir, path string) string {
	if dir == "" && path != "" && HasConfiguration(filepath.Dir(path)) {
		return filepath.Dir(path)
	}
	return dir
}

// doubts lists what is not known of a resource that no configuration explains,
// and leaves out of its attributes what AWS fills in, so that what follows from
// its name can.
func (w *World) doubts(f *found) {
	for _, name := range sortedNames(f.values) {
		if f.values[name].IsWhollyKnown() {
			continue
		}
		if f.set != nil && !f.set(name) {
			delete(f.values, name)
			continue
		}
		why := "it is known after apply"
		if f.refs != nil {
			if refs := f.refs(name); len(refs) > 0 {
				why = "it is known after apply: it comes from " + strings.Join(refs, ", ")
			}
		}
		w.Unknown = append(w.Unknown, Unknown{Where: f.Where.Position, Address: f.Address, Path: name, Why: why})
	}
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// WithoutKeys is an address without instance keys.
func WithoutKeys(address string) string {
	var b strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case depth > 0 && c == '\\':
			i++
		case depth > 0 && c == '"':
			quoted = !quoted
		case c == '[' && !quoted:
			depth++
		case c == ']' && !quoted && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// stateResource is a resource as states and prior states have it.
func stateResource(r *tfjson.StateResource) *found {
	f := &found{Resource: &Resource{Address: r.Address, Mode: string(r.Mode), Type: r.Type, Name: r.Name}, values: fromMap(r.AttributeValues, nil)}
	f.DependsOn = r.DependsOn
	f.Attributes, f.References, f.Documents = map[string]Range{}, map[string][]string{}, map[string]Document{}
	return f
}

// inModules yields the resources of a module and those below it.
func inModules(m *tfjson.StateModule, yield func(*tfjson.StateResource)) {
	if m == nil {
		return
	}
	for _, r := range m.Resources {
		yield(r)
	}
	for _, c := range m.ChildModules {
		inModules(c, yield)
	}
}
