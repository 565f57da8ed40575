package hostroles

import (
	"slices"
	"strings"
)

// Document is a policy as JSON has it. Its statements keep their order.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a Document.
type Statement struct {
	Sid       string                         `json:",omitempty"`
	Effect    string                         // always "Allow"
	Principal map[string][]string            `json:",omitempty"`
	Action    []string                       //
	Resource  []string                       `json:",omitempty"`
	Condition map[string]map[string][]string `json:",omitempty"`
}

const version = "2012-10-17"

// CallerPolicy is what the role from ("" is the host's) has to be allowed: its
// identity policy. It has no statements if the role assumes nothing.
func CallerPolicy(steps []Step, from string) Document {
	var plain, tagged, vouched []string
	for _, s := range steps {
		if s.From != from {
			continue
		}
		plain = append(plain, s.To)
		if len(s.TagKeys) > 0 {
			tagged = append(tagged, s.To)
		}
		if len(s.SourceIdentities) > 0 {
			vouched = append(vouched, s.To)
		}
	}
	d := Document{Version: version}
	add := func(sid, action string, resources []string) {
		if len(resources) > 0 {
			d.Statement = append(d.Statement, Statement{Sid: sid, Effect: "Allow", Action: []string{action}, Resource: resources})
		}
	}
	add("WearRoles", "sts:AssumeRole", plain)
	add("TagSessions", "sts:TagSession", tagged)
	add("SetSourceIdentity", "sts:SetSourceIdentity", vouched)
	return d
}

// Trust are the statements that the trust policy of the role to needs, one for
// each action of each role that assumes it. host is the ARN of the host's role.
//
// An external id is demanded if every loan sends one, tags are limited to the
// keys that are sent, source identities to the patterns of those that are.
func Trust(steps []Step, to, host string) Document {
	d := Document{Version: version}
	n := 0
	for _, s := range steps {
		if s.To != to {
			continue
		}
		n++
		from := s.From
		if from == "" {
			from = host
		}
		add := func(sid, action string, conditions ...condition) {
			st := Statement{Sid: sid, Effect: "Allow", Principal: map[string][]string{"AWS": {from}}, Action: []string{action}}
			if n > 1 {
				st.Sid += strings.Repeat("I", n) // Sids are unique within a document
			}
			for _, c := range conditions {
				if len(c.values) == 0 {
					continue
				}
				if st.Condition == nil {
					st.Condition = map[string]map[string][]string{}
				}
				if st.Condition[c.test] == nil {
					st.Condition[c.test] = map[string][]string{}
				}
				st.Condition[c.test][c.key] = c.values
			}
			d.Statement = append(d.Statement, st)
		}
		external := condition{"StringEquals", "sts:ExternalId", s.ExternalIDs}
		if s.Plain {
			external.values = nil
		}
		add("Mantle", "sts:AssumeRole", external)
		if len(s.TagKeys) > 0 {
			add("MantleTags", "sts:TagSession", external, condition{"ForAllValues:StringEquals", "aws:TagKeys", s.TagKeys})
		}
		if len(s.SourceIdentities) > 0 {
			test := "StringEquals"
			if slices.ContainsFunc(s.SourceIdentities, func(p string) bool { return strings.Contains(p, "*") }) {
				test = "StringLike"
			}
			add("MantleSourceIdentity", "sts:SetSourceIdentity", external, condition{test, "sts:SourceIdentity", s.SourceIdentities})
		}
	}
	return d
}

type condition struct {
	test, key string
	values    []string
}
