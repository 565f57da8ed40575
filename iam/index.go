package iam

import (
	"slices"
	"strings"
)

// An index finds the statements of one effect that may apply to a request. It
// only ever leaves out statements that cannot match: by their action, and within
// one action by a value that a condition demands or by how the resource starts.
// See DESIGN.md.
type index struct {
	n    int
	list []int32 // all statements of the effect, when there are too few to sort
	not  []int32 // statements with NotAction

	exact []exactAction // open-addressed by actionHash, power of two long
	wild  []wildAction
}

// exactAction is a slot of the table of action names without wildcards.
type exactAction struct {
	hash  uint32
	name  string // lower case
	text  string // as the policy spells it, which is how most requests do
	group *group // nil if the slot is free
}

type wildAction struct {
	pat   *actionPattern
	group *group
}

// A group holds the statements that share one action pattern.
type group struct {
	plain   []int32     // no further way to tell them apart
	byValue []valueFile // a condition demands one of a few values of a key
	byStart []startFile // every resource pattern starts with literal text
	spans   []span      // of filed, for the ids in the files
	filed   []int32
	members []int32 // while building
}

// valueFile files statements under the values that a condition on key demands.
type valueFile struct {
	key contextKey
	ids map[string]int32
}

// startFile files statements under the literal start of their resources, all of
// one length: a lookup is one slice and one hash for each length in use.
type startFile struct {
	length int
	ids    map[string]int32
}

type span struct{ from, to int32 }

const (
	// fewStatements is where an index begins to cost less than looking at every
	// statement.
	fewStatements = 6
	// maxFiled bounds under how many values or starts one statement is filed.
	maxFiled = 32
)

func (x *index) build(stmts []statement, deny bool) {
	for i := range stmts {
		if stmts[i].deny == deny {
			x.list = append(x.list, int32(i))
		}
	}
	x.n = len(x.list)
	if x.n <= fewStatements {
		return
	}
	groups := make(map[string]*group)
	var order []string
	pats := make(map[string]*actionPattern)
	for _, i := range x.list {
		s := &stmts[i]
		if s.notAction {
			x.not = append(x.not, i)
			continue
		}
		for j := range s.actions {
			a := &s.actions[j]
			key := a.text
			if a.pat.kind == exactPattern {
				key = a.pat.lit
			} else {
				key = lowerASCII(key)
			}
			g := groups[key]
			if g == nil {
				g = new(group)
				groups[key], pats[key] = g, a
				order = append(order, key)
			}
			if n := len(g.members); n == 0 || g.members[n-1] != i {
				g.members = append(g.members, i)
			}
		}
	}
	exact := 0
	for _, key := range order {
		groups[key].file(stmts)
		if pats[key].pat.kind == exactPattern {
			exact++
		} else {
			x.wild = append(x.wild, wildAction{pats[key], groups[key]})
		}
	}
	x.list = nil
	if exact == 0 {
		return
	}
	size := 8
	for size < 2*exact {
		size *= 2
	}
	x.exact = make([]exactAction, size)
	for _, key := range order {
		if pats[key].pat.kind != exactPattern {
			continue
		}
		h := actionHash(key)
		at := int(h) & (size - 1)
		for x.exact[at].group != nil {
			at = (at + 1) & (size - 1)
		}
		x.exact[at] = exactAction{h, key, pats[key].text, groups[key]}
	}
}

// file distributes the members of g: each under the most telling of what can be
// looked up, which is what the fewest others share.
func (g *group) file(stmts []statement) {
	members := g.members
	g.members = nil
	if len(members) <= fewStatements {
		g.plain = members
		return
	}
	// Give every value and every start an id, and count how many share it. Starts
	// are only counted for statements that no value tells apart well.
	var crowd []int32
	count := func(ids map[string]int32, s string) {
		id, ok := ids[s]
		if !ok {
			id = int32(len(crowd))
			ids[s] = id
			crowd = append(crowd, 0)
		}
		crowd[id]++
	}
	for _, m := range members {
		for i := range stmts[m].conditions {
			if c := &stmts[m].conditions[i]; c.keyed() {
				ids := g.valueIDs(c.key, len(members))
				for j := range c.operands {
					count(ids, c.operands[j].pat.lit)
				}
			}
		}
	}
	best := make([]*condition, len(members)) // nil: none does better than looking at all
	worst := make([]int32, len(members))
	for n, m := range members {
		worst[n] = int32(len(members))
		for i := range stmts[m].conditions {
			c := &stmts[m].conditions[i]
			if !c.keyed() {
				continue
			}
			ids, w := g.valueIDs(c.key, 0), int32(0)
			for j := range c.operands {
				w = max(w, crowd[ids[c.operands[j].pat.lit]])
			}
			if w < worst[n] {
				worst[n], best[n] = w, c
			}
		}
		if s := &stmts[m]; worst[n] > fewStatements && s.startsLiteral() {
			for i := range s.resources {
				start := s.resources[i].start()
				count(g.startIDs(len(start)), start)
			}
		}
	}
	// Choose for each statement; its ids go to chosen, one after another.
	chosen := make([]int32, 0, 2*len(members))
	ends := make([]int, len(members))
	g.spans = make([]span, len(crowd))
	for n, m := range members {
		s := &stmts[m]
		from := len(chosen)
		choose := func(id int32) {
			if !slices.Contains(chosen[from:], id) {
				chosen = append(chosen, id)
			}
		}
		if worst[n] > fewStatements && s.startsLiteral() {
			w := int32(0)
			for i := range s.resources {
				start := s.resources[i].start()
				id := g.startIDs(len(start))[start]
				w = max(w, crowd[id])
				choose(id)
			}
			if w < worst[n] {
				worst[n], best[n] = w, nil
			} else {
				chosen = chosen[:from]
			}
		}
		if c := best[n]; c != nil {
			ids := g.valueIDs(c.key, 0)
			for j := range c.operands {
				choose(ids[c.operands[j].pat.lit])
			}
		}
		if worst[n] == int32(len(members)) {
			g.plain = append(g.plain, m)
		}
		for _, id := range chosen[from:] {
			g.spans[id].to++ // the length, until the places are known
		}
		ends[n] = len(chosen)
	}
	total := int32(0)
	for id := range g.spans {
		n := g.spans[id].to
		g.spans[id] = span{total, total}
		total += n
	}
	g.filed = make([]int32, total)
	at := 0
	for n, m := range members {
		for ; at < ends[n]; at++ {
			sp := &g.spans[chosen[at]]
			g.filed[sp.to] = m
			sp.to++
		}
	}
	// Files that nothing was filed in would only cost lookups.
	empty := func(ids map[string]int32) bool {
		for _, id := range ids {
			if sp := g.spans[id]; sp.from != sp.to {
				return false
			}
		}
		return true
	}
	g.byValue = slices.DeleteFunc(g.byValue, func(f valueFile) bool { return empty(f.ids) })
	g.byStart = slices.DeleteFunc(g.byStart, func(f startFile) bool { return empty(f.ids) })
}

func (g *group) valueIDs(key contextKey, size int) map[string]int32 {
	for i := range g.byValue {
		if g.byValue[i].key == key {
			return g.byValue[i].ids
		}
	}
	g.byValue = append(g.byValue, valueFile{key, make(map[string]int32, size)})
	return g.byValue[len(g.byValue)-1].ids
}

func (g *group) startIDs(length int) map[string]int32 {
	for i := range g.byStart {
		if g.byStart[i].length == length {
			return g.byStart[i].ids
		}
	}
	g.byStart = append(g.byStart, startFile{length, make(map[string]int32)})
	return g.byStart[len(g.byStart)-1].ids
}

// under is the statements filed under s.
func (g *group) under(ids map[string]int32, s string) []int32 {
	id, ok := ids[s]
	if !ok {
		return nil
	}
	return g.filed[g.spans[id].from:g.spans[id].to]
}

// startsLiteral reports whether all resources of s start with telling literal
// text, so that s can be filed under it.
func (s *statement) startsLiteral() bool {
	if s.notResource || len(s.resources) == 0 || len(s.resources) > maxFiled {
		return false
	}
	for i := range s.resources {
		if s.resources[i].kind == anyResource {
			return false
		}
	}
	return true
}

// start is literal text that every ARN matching p starts with.
func (p *resourcePattern) start() string {
	if i := strings.IndexAny(p.text, "*?$"); i >= 0 {
		return p.text[:i]
	}
	return p.text
}

// find returns the statement of p that decides for one effect: the first that
// applies if deny, else the one that names the caller most closely. It returns
// -1 and GrantNone if none applies.
func (p *Policy) find(x *index, ev *eval) (int32, Grant) {
	if x.n <= fewStatements {
		best, grant := int32(-1), GrantNone
		for _, i := range x.list {
			s := &p.stmts[i]
			// The first test alone is enough for most statements.
			if (s.notAction || s.actions[0].text != ev.r.Action) && !s.matchAction(ev.r.Action) {
				continue
			}
			if g := s.matchRest(ev); g > grant {
				best, grant = i, g
				if g == GrantDirect || s.deny {
					break
				}
			}
		}
		return best, grant
	}
	return p.findIndexed(x, ev)
}

// findIndexed is find for a set of statements large enough to have an index.
func (p *Policy) findIndexed(x *index, ev *eval) (int32, Grant) {
	f := finder{stmt: -1}
	for _, i := range x.not {
		if f.offer(i, p.stmts[i].match(ev), p.stmts[i].deny) {
			return f.stmt, f.grant
		}
	}
	if x.exact != nil {
		h := ev.actionHash()
		mask := len(x.exact) - 1
		for at := int(h) & mask; x.exact[at].group != nil; at = (at + 1) & mask {
			if e := &x.exact[at]; e.hash == h && (e.text == ev.r.Action || foldEqual(e.name, ev.r.Action)) {
				if p.findIn(e.group, ev, &f) {
					return f.stmt, f.grant
				}
				break
			}
		}
	}
	for i := range x.wild {
		if w := &x.wild[i]; w.pat.match(ev.r.Action) && p.findIn(w.group, ev, &f) {
			break
		}
	}
	return f.stmt, f.grant
}

// A finder keeps the best statement so far.
type finder struct {
	stmt  int32
	grant Grant
}

// offer reports whether the search is over.
func (f *finder) offer(i int32, g Grant, deny bool) bool {
	if g > f.grant {
		f.stmt, f.grant = i, g
	}
	return f.grant == GrantDirect || deny && f.grant != GrantNone
}

func (p *Policy) findIn(g *group, ev *eval, f *finder) bool {
	if p.try(g.plain, ev, f) {
		return true
	}
	for i := range g.byValue {
		v := ev.ctx.lookup(g.byValue[i].key)
		if v != nil && !v.multi && p.try(g.under(g.byValue[i].ids, v.one), ev, f) {
			return true
		}
	}
	for i := range g.byStart {
		s := &g.byStart[i]
		if len(ev.r.Resource) >= s.length && p.try(g.under(s.ids, ev.r.Resource[:s.length]), ev, f) {
			return true
		}
	}
	return false
}

func (p *Policy) try(stmts []int32, ev *eval, f *finder) bool {
	for _, i := range stmts {
		if f.offer(i, p.stmts[i].matchRest(ev), p.stmts[i].deny) {
			return true
		}
	}
	return false
}
