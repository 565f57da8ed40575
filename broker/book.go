package broker

import (
	"slices"
	"strings"
	"sync"
)

// book is a set of rules made ready for quick answers. It agrees with
// Rules.Decide for every caller; a test holds it to that.
type book struct {
	rules Rules

	byName map[string]int // index of the rule of that name, ambiguous if many

	// Descriptions are filed by the first thing that they ask for literally,
	// those that ask for no such thing under their kind alone.
	filed   map[entry][]description
	aspects [kinds][]aspect // those under which anything is filed

	// fixed holds, per rule, the lease that all its callers share; nil if the
	// names of its loan depend on the caller, which is then in needs.
	fixed []*lease
	fault []string // why the loan of the rule cannot be resolved, "" if it can
	needs []need

	mu     sync.RWMutex    // guards the field below
	varied map[slot]*lease // leases of rules whose names depend on the caller
}

// description is one Match of a rule.
type description struct {
	match *Match
	rule  int
}

// entry is under what a description is filed: a kind, and what is literally
// asked for; the zero aspect for nothing.
type entry struct {
	kind   kind
	aspect aspect
	text   string
	number int
}

// aspect is what of a caller an entry is about.
type aspect uint8

const (
	byNothing aspect = iota
	byUID
	byName
	byService
	byImage
	byFamily
	byServiceAccount
	byNamespace
)

// entryOf is where a description is to be filed.
func entryOf(m *Match) entry {
	e := entry{kind: m.kind()}
	under := func(a aspect, pattern string) {
		if e.aspect == byNothing && pattern != "" && !strings.ContainsAny(pattern, "*?") {
			e.aspect, e.text = a, pattern
		}
	}
	switch e.kind {
	case kindProcess:
		if m.UID != nil {
			e.aspect, e.number = byUID, *m.UID
		}
	case kindContainer:
		under(byName, m.Container.Name)
		under(byService, m.Container.Service)
		under(byImage, m.Container.Image)
	case kindTask:
		under(byFamily, m.Task.Family)
	case kindPod:
		under(byName, m.Pod.Name)
		under(byServiceAccount, m.Pod.ServiceAccount)
		under(byNamespace, m.Pod.Namespace)
	}
	return e
}

// entryFor is where a description that fits c is filed if it is filed under a.
func entryFor(c *Caller, k kind, a aspect) (e entry, ok bool) {
	e = entry{kind: k, aspect: a}
	switch {
	case a == byNothing:
		return e, true
	case k == kindProcess && a == byUID:
		e.number = c.UID
		return e, true
	case k == kindContainer && a == byName:
		e.text = c.Container.Name
	case k == kindContainer && a == byService:
		e.text = c.Container.Service()
	case k == kindContainer && a == byImage:
		e.text = c.Container.Image
	case k == kindTask && a == byFamily:
		e.text = c.Task.Family
	case k == kindPod && a == byName:
		e.text = c.Pod.Name
	case k == kindPod && a == byServiceAccount:
		e.text = c.Pod.ServiceAccount
	case k == kindPod && a == byNamespace:
		e.text = c.Pod.Namespace
	}
	return e, e.text != ""
}

// slot is all of a caller that the names of a rule's loan depend on.
type slot struct {
	rule int
	uid  int
	text [textNeeds]string
}

const ambiguous = -2

// newBook compiles the rules. The leases of rules whose loan depends on nothing
// but the rule are had from lend at once.
func newBook(rules Rules, h Host, lend func(Loan) *lease) *book {
	k := &book{
		rules:  rules,
		byName: make(map[string]int, len(rules)),
		filed:  make(map[entry][]description),
		fixed:  make([]*lease, len(rules)),
		fault:  make([]string, len(rules)),
		needs:  make([]need, len(rules)),
		varied: make(map[slot]*lease),
	}
	for i := range rules {
		rule := &rules[i]
		if rule.Name == "" {
			continue
		}
		if _, taken := k.byName[rule.Name]; taken {
			k.byName[rule.Name] = ambiguous
		} else {
			k.byName[rule.Name] = i
		}
		for j := -1; j < len(rule.Or); j++ {
			m := &rule.Match
			if j >= 0 {
				m = &rule.Or[j]
			}
			if !m.IsZero() {
				e := entryOf(m)
				k.filed[e] = append(k.filed[e], description{m, i})
				if !slices.Contains(k.aspects[e.kind], e.aspect) {
					k.aspects[e.kind] = append(k.aspects[e.kind], e.aspect)
				}
			}
		}
		if k.needs[i] = rule.Loan.needs(); k.needs[i] != 0 {
			continue
		}
		l, err := rule.Loan.Resolve(rule.Name, Caller{}, h)
		if err != nil {
			k.fault[i] = err.Error()
			continue
		}
		k.fixed[i] = lend(l)
	}
	return k
}

// find is the index of the one rule that c fits, or negative.
func (k *book) find(c *Caller) int {
	if c.Workload != "" {
		if i, ok := k.byName[c.Workload]; ok {
			return i
		}
		return -1
	}
	if c.How == "" {
		return -1
	}
	found, what := -1, c.kind()
	for _, a := range k.aspects[what] {
		e, ok := entryFor(c, what, a)
		if !ok {
			continue
		}
		for _, d := range k.filed[e] {
			if d.rule == found || !d.match.fits(c) {
				continue
			}
			if found >= 0 {
				return ambiguous
			}
			found = d.rule
		}
	}
	return found
}

// slotFor is the slot of a caller that fits rule i.
func (k *book) slotFor(i int, c *Caller) slot {
	s := slot{rule: i}
	if k.needs[i]&needUID != 0 {
		s.uid = c.UID
	}
	for n := range textNeeds {
		if k.needs[i]&(1<<n) != 0 {
			s.text[n] = c.text(1 << n)
		}
	}
	return s
}

// lease is the lease of a caller that fits rule i, or why it has none.
func (k *book) lease(i int, c *Caller, h Host, lend func(Loan) *lease) (*lease, string) {
	if l := k.fixed[i]; l != nil {
		return l, ""
	}
	if k.fault[i] != "" {
		return nil, k.fault[i]
	}
	s := k.slotFor(i, c)
	k.mu.RLock()
	l := k.varied[s]
	k.mu.RUnlock()
	if l != nil {
		return l, ""
	}
	loan, err := k.rules[i].Loan.Resolve(k.rules[i].Name, *c, h)
	if err != nil {
		return nil, err.Error()
	}
	l = lend(loan)
	k.mu.Lock()
	k.varied[s] = l
	k.mu.Unlock()
	return l, ""
}

// drop forgets the slots of leases that are gone.
func (k *book) drop(gone map[*lease]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for s, l := range k.varied {
		if gone[l] {
			delete(k.varied, s)
		}
	}
}
