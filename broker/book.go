package broker

import "sync"

// book is a set of rules made ready for quick answers. It agrees with
// Rules.Decide for every caller; a test holds it to that.
type book struct {
	rules Rules

	byName map[string]int // index of the rule of that name, ambiguous if many
	byUID  map[int][]int  // rules whose Match asks for that user
	noUID  []int          // rules whose Match does not ask for a user

	// fixed holds, per rule, the lease that all its callers share; nil if the
	// names of its loan depend on the caller, which is then in needs.
	fixed []*lease
	fault []string // why the loan of the rule cannot be resolved, "" if it can
	needs []need

	mu     sync.RWMutex    // guards the field below
	varied map[slot]*lease // leases of rules whose names depend on the caller
}

// slot is all of a caller that the names of a rule's loan depend on.
type slot struct {
	rule      int
	uid       int
	exe, unit string
}

const ambiguous = -2

// newBook compiles the rules. The leases of rules whose loan depends on nothing
// but the rule are had from lend at once.
func newBook(rules Rules, h Host, lend func(Loan) *lease) *book {
	k := &book{
		rules:  rules,
		byName: make(map[string]int, len(rules)),
		byUID:  make(map[int][]int),
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
		switch {
		case rule.Match.IsZero():
		case rule.Match.UID != nil:
			k.byUID[*rule.Match.UID] = append(k.byUID[*rule.Match.UID], i)
		default:
			k.noUID = append(k.noUID, i)
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
	found := -1
	for _, list := range [2][]int{k.byUID[c.UID], k.noUID} {
		for _, i := range list {
			if !k.rules[i].Match.Fits(*c) {
				continue
			}
			if found >= 0 {
				return ambiguous
			}
			found = i
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
	if k.needs[i]&needExe != 0 {
		s.exe = c.Exe
	}
	if k.needs[i]&needUnit != 0 {
		s.unit = c.Unit
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
