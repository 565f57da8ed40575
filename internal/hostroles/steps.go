// Package hostroles says which policies the loans of a host need: what the
// host's own role and the roles along a chain must be allowed, and whom each
// target's trust policy must let in.
//
// It grants the least: AssumeRole on exactly the roles that are assumed,
// TagSession and SetSourceIdentity where tags and a source identity are sent,
// under conditions on the external id, the tag keys and the source identity.
//
// See "Granting a user permissions to switch roles" and "Pass session tags in
// AWS STS" in the IAM User Guide.
//
// The files, in order: steps.go what is assumed by whom; policy.go the
// documents; terraform.go the same as Terraform.
package hostroles

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/broker"
)

// Step is one role that assumes another, with everything that any loan sends
// along.
type Step struct {
	// From is the ARN of the role that calls AssumeRole; "" is the host itself.
	From string
	// To is the ARN of the role that is assumed.
	To string

	// ExternalIDs are those that are sent, sorted; Plain says that some loan
	// sends none, so that none can be demanded.
	ExternalIDs []string
	Plain       bool

	// TagKeys are the keys of the session tags that are sent, sorted.
	TagKeys []string

	// SourceIdentities are patterns of the source identities that are sent,
	// sorted: templates with a "*" for each placeholder. Some loans may send
	// none.
	SourceIdentities []string
}

// Steps are all steps of some loans: those of the host first, then by caller
// and role.
func Steps(loans []broker.Loan) []Step {
	type edge struct{ from, to string }
	type sent struct {
		external, tags, sources map[string]bool
		plain                   bool
	}
	all := map[edge]*sent{}
	add := func(from, to, external string) *sent {
		e := edge{from, to}
		s := all[e]
		if s == nil {
			s = &sent{map[string]bool{}, map[string]bool{}, map[string]bool{}, false}
			all[e] = s
		}
		if external == "" {
			s.plain = true
		} else {
			s.external[external] = true
		}
		return s
	}
	for _, l := range loans {
		from := ""
		for _, h := range l.Chain {
			add(from, h.Role, h.ExternalID)
			from = h.Role
		}
		last := add(from, l.Role, l.ExternalID)
		for key := range l.Tags {
			last.tags[key] = true
		}
		if l.SourceIdentity != "" {
			last.sources[pattern(l.SourceIdentity)] = true
		}
	}
	out := make([]Step, 0, len(all))
	for e, s := range all {
		out = append(out, Step{
			From: e.from, To: e.to, Plain: s.plain,
			ExternalIDs:      slices.Sorted(maps.Keys(s.external)),
			TagKeys:          slices.Sorted(maps.Keys(s.tags)),
			SourceIdentities: slices.Sorted(maps.Keys(s.sources)),
		})
	}
	slices.SortFunc(out, func(a, b Step) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}

// pattern puts a "*" in the place of each placeholder of a template.
func pattern(template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if _, template, found = strings.Cut(rest, "}"); !found {
			return b.String() + "*"
		}
		b.WriteByte('*')
	}
}

// Callers are the roles that have to be allowed something, the host first.
func Callers(steps []Step) []string {
	var out []string
	for _, s := range steps {
		if !slices.Contains(out, s.From) {
			out = append(out, s.From)
		}
	}
	return out
}

// Targets are the roles that have to let somebody in, sorted.
func Targets(steps []Step) []string {
	set := map[string]bool{}
	for _, s := range steps {
		set[s.To] = true
	}
	return slices.Sorted(maps.Keys(set))
}
