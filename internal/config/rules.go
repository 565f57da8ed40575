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
	var known []described
	loans := make(map[string]broker.Loan, len(c.Roles))
	for _, r := range c.Roles {
		loans[r.Name] = r.Loan()
	}
	for _, w := range c.Workloads {
		rule := broker.Rule{Name: w.Name, Loan: loans[w.Role]}
		for i, m := range w.Match {
			uid, okUser := lookUp(&ps, w, m, "user", m.User, m.UID, src.LookupUser)
			gid, okGroup := lookUp(&ps, w, m, "group", m.Group, m.GID, src.LookupGroup)
			if !okUser || !okGroup {
				continue
			}
			means := m.described(uid, gid)
			if i == 0 {
				rule.Match = means
			} else {
				rule.Or = append(rule.Or, means)
			}
			known = append(known, described{w, m, means})
		}
		rules = append(rules, rule)
	}
	ps.overlapping(known, func(i int) string {
		if uid := known[i].means.UID; uid != nil {
			return strconv.Itoa(*uid)
		}
		return known[i].match.owner()
	})
	if err := ps.err(); err != nil {
		return nil, err
	}
	return rules, nil
}

// lookUp is the number of a user or group that is given by name or number; nil
// if it is not given, and false if there is none of that name.
func lookUp(ps *problems, w *Workload, m *Match, what, name string, number *int, find func(string) (int, error)) (*int, bool) {
	if name == "" {
		return number, true
	}
	n, err := find(name)
	if err != nil {
		ps.add(m.Where.At(what), "create the "+what+" or correct the name", "workload %s: %s %s: %s", quote(w.Name), what, quote(name), err)
		return nil, false
	}
	return &n, true
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
