package broker

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Rule says which loan the callers of one workload get.
type Rule struct {
	// Name is the workload's, unique among the rules. A rule without one fits
	// nobody.
	Name string

	// Match finds the workload's processes among callers of which only the
	// kernel's word is known. Or are further descriptions, one of which is
	// enough.
	Match Match
	Or    []Match

	// Loan is what they get. Its names may hold placeholders.
	Loan Loan
}

// Fits reports whether one of the rule's descriptions fits the caller.
func (r *Rule) Fits(c Caller) bool {
	if r.Match.fits(&c) {
		return true
	}
	for i := range r.Or {
		if r.Or[i].fits(&c) {
			return true
		}
	}
	return false
}

// Matches are all descriptions of the rule that fit somebody.
func (r *Rule) Matches() iter.Seq[Match] {
	return func(yield func(Match) bool) {
		if !r.Match.IsZero() && !yield(r.Match) {
			return
		}
		for _, m := range r.Or {
			if !m.IsZero() && !yield(m) {
				return
			}
		}
	}
}

// Overlaps reports whether some caller would fit both rules.
func (r *Rule) Overlaps(o *Rule) bool {
	for m := range r.Matches() {
		for n := range o.Matches() {
			if m.Overlaps(n) {
				return true
			}
		}
	}
	return false
}

// Rules are all the rules of a host.
type Rules []Rule

// Decision is the rule that a caller fits, or the reason why there is none.
type Decision struct {
	// Rule is the name of the rule, "" if the caller is refused.
	Rule string

	// Loan is the rule's, with its placeholders still in it.
	Loan Loan

	// Reason says why the caller is refused and what to do; "" if it is not.
	Reason string
}

// Granted reports whether the caller gets something.
func (d Decision) Granted() bool { return d.Reason == "" && d.Rule != "" }

// Decide finds the one rule that c fits. A caller with a Workload fits the rule
// of that name and no other; a caller without one fits the rules whose Match
// describes it. None, or more than one, is a refusal.
func (r Rules) Decide(c Caller) Decision {
	first, second := -1, -1
	switch {
	case c.Workload != "":
		first = slices.IndexFunc(r, func(rule Rule) bool { return rule.Name == c.Workload })
		if first >= 0 {
			second = indexFrom(r, first+1, func(rule *Rule) bool { return rule.Name == c.Workload })
		}
	case c.How != "":
		fits := func(rule *Rule) bool { return rule.Name != "" && rule.Fits(c) }
		if first = indexFrom(r, 0, fits); first >= 0 {
			second = indexFrom(r, first+1, fits)
		}
	}
	if first >= 0 && second < 0 {
		return Decision{Rule: r[first].Name, Loan: r[first].Loan}
	}
	return Decision{Reason: r.reason(c)}
}

func indexFrom(r Rules, from int, f func(*Rule) bool) int {
	for i := from; i < len(r); i++ {
		if f(&r[i]) {
			return i
		}
	}
	return -1
}

// reason explains the refusal of a caller that does not fit exactly one rule.
func (r Rules) reason(c Caller) string {
	if c.Workload != "" {
		n := 0
		for i := range r {
			if r[i].Name == c.Workload {
				n++
			}
		}
		if n == 0 {
			return "there is no workload " + strconv.Quote(c.Workload) + "; add it to the configuration, or remove what still presents its token"
		}
		return strconv.Itoa(n) + " workloads are called " + strconv.Quote(c.Workload) + "; rename all but one"
	}
	if c.How == "" {
		return "the caller could not be identified; give the workload a token or a listener of its own"
	}
	var names []string
	for i := range r {
		if r[i].Name != "" && r[i].Fits(c) {
			names = append(names, strconv.Quote(r[i].Name))
		}
	}
	if len(names) == 0 {
		block := [...]string{kindProcess: "match", kindContainer: "container", kindTask: "task", kindPod: "pod"}[c.kind()]
		return "no workload's match fits it; add a " + block + " block that does, or give the workload a token"
	}
	return "the match blocks of workloads " + strings.Join(names, ", ") + " all fit it; narrow all but one"
}
