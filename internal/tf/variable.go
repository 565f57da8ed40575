package tf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Assignment is one --var or --var-file, in the order of the command line.
type Assignment struct {
	Name, Value string
	File        string // a .tfvars or .tfvars.json file instead
}

// given is what was said about a variable: a value, or text whose meaning
// depends on the variable's type.
type given struct {
	value  cty.Value
	text   string
	isText bool
	from   string
}

// assignments gathers the values of the root module's variables, the later
// ones over the earlier: "Variable Definition Precedence" of the Terraform
// language.
func (ev *evaluator) assignments() (map[string]given, error) {
	out := map[string]given{}
	for _, kv := range ev.o.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "TF_VAR_") {
			out[strings.TrimPrefix(name, "TF_VAR_")] = given{text: value, isText: true, from: name}
		}
	}
	files := []string{filepath.Join(ev.o.Dir, "terraform.tfvars"), filepath.Join(ev.o.Dir, "terraform.tfvars.json")}
	for _, pattern := range []string{"*.auto.tfvars", "*.auto.tfvars.json"} {
		found, err := filepath.Glob(filepath.Join(ev.o.Dir, pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	slices.Sort(files[2:])
	for _, f := range files {
		if err := ev.valuesFile(f, out); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	for name, v := range ev.o.variables {
		out[name] = given{value: v, from: "the plan"}
	}
	for _, a := range ev.o.Vars {
		if a.File != "" {
			if err := ev.valuesFile(a.File, out); err != nil {
				return nil, err
			}
			continue
		}
		if _, ok := ev.root.src.variables[a.Name]; !ok {
			return nil, &Error{Summary: fmt.Sprintf("--var %s: the configuration in %s has no variable of that name", a.Name, ev.o.Dir)}
		}
		out[a.Name] = given{text: a.Value, isText: true, from: "--var " + a.Name}
	}
	return out, nil
}

// valuesFile reads a .tfvars file.
func (ev *evaluator) valuesFile(path string, into map[string]given) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".json") {
		v, err := fromJSON(text)
		if err != nil || !v.Type().IsObjectType() {
			return &Error{Where: Position{File: path}, Summary: "a file of variables is a JSON object"}
		}
		for name, value := range v.AsValueMap() {
			into[name] = given{value: value, from: path}
		}
		return nil
	}
	if deep(text) {
		return &Error{Where: Position{File: path}, Summary: fmt.Sprintf("expressions are nested more than %d deep", maxDepth)}
	}
	f, diags := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if err := failed(diags); err != nil {
		return err
	}
	attributes, diags := f.Body.JustAttributes()
	if err := failed(diags); err != nil {
		return err
	}
	for name, a := range attributes {
		v, diags := a.Expr.Value(nil)
		if err := failed(diags); err != nil {
			return err
		}
		into[name] = given{value: v, from: path}
	}
	return nil
}

// fromJSON reads a JSON value: objects and tuples as they stand.
func fromJSON(text []byte) (cty.Value, error) {
	t, err := ctyjson.ImpliedType(text)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(text, t)
}

// variable is the value of a variable of the module.
func (m *module) variable(name string) *known {
	return m.remember("var."+name, func(k *known) {
		b, ok := m.src.variables[name]
		if !ok {
			k.fail(fmt.Sprintf("there is no variable %q in module %s", name, m.src.dir))
			return
		}
		k.where = position(whole(b))
		want, defaults := cty.DynamicPseudoType, (*typeexpr.Defaults)(nil)
		if a, ok := b.Body.Attributes["type"]; ok {
			t, d, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
			if diags.HasErrors() {
				// "string" in quotes is how Terraform 0.11 wrote types.
				if t = quotedType(b); t == cty.NilType {
					k.fail(sentence(diags[0]))
					return
				}
			}
			want, defaults = t, d
		}
		value := cty.NilVal
		switch {
		case m.parent != nil:
			if a, ok := m.inputs[name]; ok {
				v, why := m.inScope.explain(a.Expr)
				value = v
				k.why = append(k.why, why...)
			}
		default:
			g, ok := m.ev.given[name]
			switch {
			case ok && g.isText:
				v, err := fromText(g.text, want)
				if err != nil {
					k.fail(fmt.Sprintf("%s is not a %s: %v", g.from, want.FriendlyName(), err))
					return
				}
				value = v
			case ok:
				value = g.value
			}
		}
		a, hasDefault := b.Body.Attributes["default"]
		if hasDefault && (value == cty.NilVal || value.IsKnown() && value.IsNull() && literal(b.Body, "nullable") == "false") {
			v, diags := a.Expr.Value(m.ev.base)
			if diags.HasErrors() {
				k.fail(sentence(diags[0]))
				return
			}
			value = v
			k.expr, k.scope = a.Expr, m.scope()
		}
		if value == cty.NilVal {
			k.value = cty.UnknownVal(want)
			k.because("variable %q of %s has no value; give it with --var %s=…", name, m.title(), name)
			return
		}
		if defaults != nil && value.IsKnown() && !value.IsNull() {
			value = defaults.Apply(value)
		}
		converted, err := convert.Convert(value, want)
		if err != nil {
			k.fail(fmt.Sprintf("the value of variable %q is not a %s: %v", name, want.FriendlyName(), err))
			return
		}
		k.value = converted
	})
}

func quotedType(b *hclsyntax.Block) cty.Type {
	switch literal(b.Body, "type") {
	case "string":
		return cty.String
	case "list":
		return cty.List(cty.DynamicPseudoType)
	case "map":
		return cty.Map(cty.DynamicPseudoType)
	}
	return cty.NilType
}

// fromText reads a value from a command line or an environment variable:
// strings as they are, anything else as an expression.
func fromText(text string, want cty.Type) (cty.Value, error) {
	if want.IsPrimitiveType() || want == cty.DynamicPseudoType {
		return cty.StringVal(text), nil
	}
	if deep([]byte(text)) {
		return cty.NilVal, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, errors.New(sentence(diags[0]))
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, errors.New(sentence(diags[0]))
	}
	return v, nil
}
