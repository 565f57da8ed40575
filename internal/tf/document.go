package tf

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// The policy document as the provider writes it: its members in this order,
// one value without a list, several in descending order. See the data source
// aws_iam_policy_document of the AWS provider.
type policyJSON struct {
	Version   string           `json:",omitempty"`
	ID        string           `json:"Id,omitempty"`
	Statement []*statementJSON `json:"Statement"`
}

type statementJSON struct {
	Sid          string `json:",omitempty"`
	Effect       string `json:",omitempty"`
	Action       any    `json:",omitempty"`
	NotAction    any    `json:",omitempty"`
	Resource     any    `json:",omitempty"`
	NotResource  any    `json:",omitempty"`
	Principal    any    `json:",omitempty"`
	NotPrincipal any    `json:",omitempty"`
	Condition    any    `json:",omitempty"`

	where Range
}

// document makes the json of an aws_iam_policy_document.
func (in *instance) document() {
	doc, why := in.policy()
	for _, name := range []string{"json", "minified_json"} {
		if v, ok := in.values[name]; ok && v.IsKnown() && !v.IsNull() {
			continue
		}
		if len(why) > 0 {
			in.values[name] = cty.UnknownVal(cty.String)
			in.why[name] = why
			continue
		}
		var text strings.Builder
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if name == "json" {
			enc.SetIndent("", "  ")
		}
		if err := enc.Encode(doc); err != nil {
			in.values[name] = cty.UnknownVal(cty.String)
			in.why[name] = []reason{{err.Error(), true}}
			continue
		}
		in.values[name] = cty.StringVal(strings.TrimSuffix(text.String(), "\n"))
	}
	if len(why) > 0 {
		in.m.ev.notes(in.resource.Where.Position, in.address, "json", why)
	}
	places := make([]Range, 0, len(doc.Statement))
	for _, s := range doc.Statement {
		places = append(places, s.where)
	}
	in.resource.Documents["json"] = Document{Range: in.resource.Where, Address: in.address, Statements: places}
	in.resource.Documents["minified_json"] = in.resource.Documents["json"]
}

// policy merges the source documents, the statements of the block and the
// overriding documents, in this order.
func (in *instance) policy() (*policyJSON, []reason) {
	b, s := in.block.Body, in.scope
	out := &policyJSON{}
	var why []reason
	documents := func(attr string) []*policyJSON {
		a, ok := b.Attributes[attr]
		if !ok {
			return nil
		}
		v, reasons := s.explain(a.Expr)
		why = append(why, reasons...)
		if !v.IsWhollyKnown() || v.IsNull() || !v.CanIterateElements() {
			return nil
		}
		var list []*policyJSON
		for _, e := range v.AsValueSlice() {
			src, ok := text(e)
			if !ok || src == "" {
				continue
			}
			d := &policyJSON{}
			if err := readDocument(src, d); err != nil {
				why = append(why, reason{fmt.Sprintf("%s holds what is no policy: %v", attr, err), true})
				continue
			}
			for _, st := range d.Statement {
				st.where = rangeOf(a.SrcRange)
			}
			list = append(list, d)
		}
		return list
	}
	sids := map[string]bool{}
	for _, d := range documents("source_policy_documents") {
		for _, st := range d.Statement {
			if st.Sid != "" && sids[st.Sid] {
				why = append(why, reason{fmt.Sprintf("duplicate Sid (%s) in source_policy_documents", st.Sid), true})
			}
			sids[st.Sid] = true
		}
		out.merge(d)
	}
	own := &policyJSON{Version: "2012-10-17"}
	if v, ok := in.values["version"]; ok {
		if own.Version, ok = text(v); !ok {
			own.Version = "2012-10-17"
		}
	}
	own.ID, _ = text(value(in.values, "policy_id"))
	own.Statement = in.statements(&why)
	out.merge(own)
	for _, d := range documents("override_policy_documents") {
		out.merge(d)
	}
	return out, unique(why)
}

// merge takes a document over: statements replace those of the same Sid.
func (p *policyJSON) merge(with *policyJSON) {
	if with.ID != "" {
		p.ID = with.ID
	}
	if with.Version > p.Version {
		p.Version = with.Version
	}
	for _, s := range with.Statement {
		if i := slices.IndexFunc(p.Statement, func(o *statementJSON) bool { return s.Sid != "" && o.Sid == s.Sid }); i >= 0 {
			p.Statement[i] = s
			continue
		}
		p.Statement = append(p.Statement, s)
	}
}

// readDocument reads JSON. The provider wants a list of statements, even of
// one.
func readDocument(src string, into *policyJSON) error {
	if err := json.Unmarshal([]byte(src), into); err != nil {
		return err
	}
	for _, s := range into.Statement {
		if s == nil {
			return errors.New("a statement is null")
		}
		s.Principal, s.NotPrincipal = tidy(s.Principal, true), tidy(s.NotPrincipal, true)
		if c, ok := s.Condition.(map[string]any); ok {
			for operator, keys := range c {
				c[operator] = tidy(keys, false)
			}
		}
	}
	return nil
}

// tidy is what the provider makes of principals, or of the keys of a condition,
// that it reads: values are texts, and those of principals in descending order.
func tidy(v any, descending bool) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, value := range m {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		var out []string
		for _, e := range list {
			if _, isText := e.(string); !isText {
				e = fmt.Sprint(e)
			}
			out = append(out, e.(string))
		}
		if descending {
			sort.Sort(sort.Reverse(sort.StringSlice(out)))
		}
		m[name] = oneOrList(out)
	}
	return m
}

// statements reads the statement blocks, dynamic ones included.
func (in *instance) statements(why *[]reason) []*statementJSON {
	var out []*statementJSON
	in.each(in.scope, in.block.Body, "statement", why, func(s *scope, b *hclsyntax.Block, body *hclsyntax.Body) {
		out = append(out, in.statement(s, body, rangeOf(whole(b)), why))
	})
	return out
}

// each calls f for the nested blocks of a type, with the scope and body of
// each.
func (in *instance) each(s *scope, body *hclsyntax.Body, kind string, why *[]reason, f func(*scope, *hclsyntax.Block, *hclsyntax.Body)) {
	for _, b := range body.Blocks {
		switch {
		case b.Type == kind:
			f(s, b, b.Body)
		case nestedType(b) == kind:
			scopes, content, reasons := s.iterate(b)
			*why = append(*why, reasons...)
			for _, inner := range scopes {
				f(inner, b, content)
			}
		}
	}
}

func (in *instance) statement(s *scope, b *hclsyntax.Body, where Range, why *[]reason) *statementJSON {
	st := &statementJSON{Effect: "Allow", where: where}
	str := func(body *hclsyntax.Body, s *scope, name string) (string, bool) {
		a, ok := body.Attributes[name]
		if !ok {
			return "", false
		}
		v, reasons := s.explain(a.Expr)
		t, ok := text(v)
		if !ok {
			*why = append(*why, reasons...)
		}
		return t, ok
	}
	list := func(body *hclsyntax.Body, s *scope, name string) []string {
		a, ok := body.Attributes[name]
		if !ok {
			return nil
		}
		v, reasons := s.explain(a.Expr)
		if !v.IsWhollyKnown() {
			filled, ok := s.filled(a.Expr, name != "actions" && name != "not_actions")
			if !ok || !filled.IsWhollyKnown() {
				*why = append(*why, reasons...)
				return nil
			}
			v = filled
		}
		out := texts(v)
		for i, t := range out {
			out[i] = strings.ReplaceAll(t, "&{", "${")
		}
		return out
	}
	set := func(name string) any {
		values := list(b, s, name)
		sort.Sort(sort.Reverse(sort.StringSlice(values)))
		return oneOrList(slices.Compact(values))
	}
	if effect, ok := str(b, s, "effect"); ok && effect != "" {
		st.Effect = effect
	}
	st.Sid, _ = str(b, s, "sid")
	st.Action, st.NotAction = set("actions"), set("not_actions")
	st.Resource, st.NotResource = set("resources"), set("not_resources")
	principals := func(kind string) any {
		out := map[string][]string{}
		star := false
		in.each(s, b, kind, why, func(s *scope, _ *hclsyntax.Block, body *hclsyntax.Body) {
			t, _ := str(body, s, "type")
			ids := list(body, s, "identifiers")
			sort.Sort(sort.Reverse(sort.StringSlice(ids)))
			ids = slices.Compact(ids)
			if t == "*" && slices.Equal(ids, []string{"*"}) {
				star = true
			}
			out[t] = append(out[t], ids...)
		})
		if star {
			return "*"
		}
		if len(out) == 0 {
			return nil
		}
		written := map[string]any{}
		for t, ids := range out {
			written[t] = oneOrList(ids)
		}
		return written
	}
	st.Principal, st.NotPrincipal = principals("principals"), principals("not_principals")
	conditions := map[string]map[string][]string{}
	in.each(s, b, "condition", why, func(s *scope, _ *hclsyntax.Block, body *hclsyntax.Body) {
		test, _ := str(body, s, "test")
		variable, _ := str(body, s, "variable")
		values := list(body, s, "values")
		if conditions[test] == nil {
			conditions[test] = map[string][]string{}
		}
		conditions[test][variable] = append(conditions[test][variable], values...)
	})
	if len(conditions) > 0 {
		written := map[string]map[string]any{}
		for test, keys := range conditions {
			written[test] = map[string]any{}
			for key, values := range keys {
				if v := oneOrList(values); v != nil {
					written[test][key] = v
				} else {
					written[test][key] = []string{}
				}
			}
		}
		st.Condition = written
	}
	return st
}

// oneOrList is nil, one value or the list.
func oneOrList(values []string) any {
	switch len(values) {
	case 0:
		return nil
	case 1:
		return values[0]
	}
	return values
}
