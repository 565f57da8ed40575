package iam

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes the policy in canonical form: elements in the order of the
// grammar, one-element lists as lists, conditions as written. Parsing the result
// gives a policy that decides the same.
func (p *Policy) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	field := func(first bool, name string, v any) {
		if !first {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name)
		b.Write(key)
		b.WriteByte(':')
		b.Write(plain(v))
	}
	b.WriteByte('{')
	field(true, "Version", p.Version())
	if p.doc.id.present {
		field(false, "Id", p.doc.id.str)
	}
	b.WriteString(`,"Statement":[`)
	for i := range p.doc.statements {
		if i > 0 {
			b.WriteByte(',')
		}
		s := &p.doc.statements[i]
		b.WriteByte('{')
		field(true, "Effect", s.effect.str)
		if s.sid.present {
			field(false, "Sid", s.sid.str)
		}
		if s.principal.present {
			field(false, notName(s.principal.not, "Principal"), s.principal.value())
		}
		field(false, notName(s.action.not, "Action"), s.action.strings())
		if s.resource.present {
			field(false, notName(s.resource.not, "Resource"), s.resource.strings())
		}
		if len(s.condition) > 0 {
			b.WriteString(`,"Condition":`)
			writeConditions(&b, s.condition)
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return b.Bytes(), nil
}

// plain is v in JSON without escaping <, > and &, which policies use as they are.
func plain(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings, lists and maps of them marshal
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func notName(not bool, name string) string {
	if not {
		return "Not" + name
	}
	return name
}

func (raw *rawPrincipal) value() any {
	if raw.star {
		return "*"
	}
	m := make(map[string][]string)
	for _, e := range raw.entries {
		m[e.kind] = append(m[e.kind], e.str)
	}
	return m
}

// writeConditions groups the keys of one operator, which stand next to each other.
func writeConditions(b *bytes.Buffer, conds []rawCondition) {
	b.WriteByte('{')
	for i := range conds {
		c := &conds[i]
		if i == 0 || conds[i-1].operator != c.operator {
			if i > 0 {
				b.WriteString("},")
			}
			b.Write(plain(c.operator))
			b.WriteString(":{")
		} else {
			b.WriteByte(',')
		}
		b.Write(plain(c.key))
		b.WriteByte(':')
		b.Write(plain(texts(c.vals)))
	}
	b.WriteString("}}")
}
