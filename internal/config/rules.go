package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/mantle-iam/mantle/broker"
)

// Rules are the rules that the broker decides by: one for each workload, in
// the order of the file. It is here that user names are looked up, so it
// belongs to the machine that the agent runs on. The error is *[Error].
func (c *Config) Rules() (broker.Rules, error) {
	ps := problems{files: c.files, first: c.Path}
	src := c.src.withDefaults()
	rules := make(broker.Rules, 0, len(c.Workloads))
	known := make([]*Workload, 0, len(c.Workloads)) // known[i] became rules[i]
	loans := make(map[string]broker.Loan, len(c.Roles))
	for _, r := range c.Roles {
		loans[r.Name] = r.Loan()
	}
	for _, w := range c.Workloads {
		rule := broker.Rule{Name: w.Name, Loan: loans[w.Role]}
		if m := w.Match; m != nil {
			uid := m.UID
			if m.User != "" {
				n, err := src.LookupUser(m.User)
				if err != nil {
					ps.add(m.Where.At("user"), "create the user or correct the name", "workload %s: user %s: %s", quote(w.Name), quote(m.User), err)
					continue
				}
				uid = &n
			}
			rule.Match = m.described(uid)
		}
		rules, known = append(rules, rule), append(known, w)
	}
	owner := func(i int) string {
		if uid := rules[i].Match.UID; uid != nil {
			return strconv.Itoa(*uid)
		}
		return ""
	}
	for i, j := range pairs(len(rules), owner) {
		if rules[i].Match.Overlaps(rules[j].Match) {
			ps.overlap(known[i], known[j])
		}
	}
	if err := ps.err(); err != nil {
		return nil, err
	}
	return rules, nil
}

// Loan is what the broker lends for the role.
func (r *Role) Loan() broker.Loan {
	l := broker.Loan{
		Role:           r.ARN,
		ExternalID:     r.ExternalID,
		SessionName:    r.SessionName,
		SourceIdentity: r.SourceIdentity,
		Policy:         r.Policy,
		PolicyARNs:     slices.Clone(r.PolicyARNs),
		Region:         r.Region,
		Tags:           maps.Clone(r.Tags),
		Transitive:     slices.Clone(r.TransitiveTags),
		Duration:       r.Duration,
	}
	for _, h := range r.Via {
		l.Chain = append(l.Chain, broker.Hop{Role: h.ARN, ExternalID: h.ExternalID, SessionName: h.SessionName})
	}
	return l
}
