package wire

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// TestPattern compares the quick matcher with the regular expression, for
// every pattern of the models.
func TestPattern(t *testing.T) {
	exprs := map[string]bool{}
	for _, service := range Services() {
		for _, s := range mustLoad(t, service).shapes() {
			if s.expr != "" {
				exprs[s.expr] = true
			}
		}
	}
	if len(exprs) < 50 {
		t.Fatalf("found %d patterns", len(exprs))
	}
	quick := 0
	for expr := range exprs {
		p, re := newPattern(expr), regexp.MustCompile("^(?:"+expr+")$")
		if p.re == nil {
			quick++
		}
		texts := []string{"", "a", "a\n", "\n", "a b", "é", "\u00a0", "\ufffd", "a\xff", "😀", "\x00", "~", "/", "-", "\u0100", "\U0010ffff"}
		for seed := range 20 {
			texts = append(texts, rapid.StringMatching(expr).Example(seed), rapid.String().Example(seed))
		}
		for _, s := range texts {
			if got, want := p.match(s), re.MatchString(s); got != want {
				t.Errorf("%s on %q: got %t, want %t", expr, s, got, want)
			}
		}
	}
	if quick < 25 {
		t.Errorf("%d of %d patterns are quick, want 25 at least", quick, len(exprs))
	}
}

// shapes lists the shapes of all inputs.
func (m *Model) shapes() []*shape {
	seen := map[*shape]bool{}
	var walk func(s *shape)
	walk = func(s *shape) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, e := range append([]*member{s.member, s.key, s.value}, s.members...) {
			if e != nil {
				walk(e.shape)
			}
		}
	}
	for _, op := range m.operations {
		if op.input != nil {
			walk(op.input)
		}
	}
	var all []*shape
	for s := range seen {
		all = append(all, s)
	}
	return all
}
