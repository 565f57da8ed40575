package wire

import (
	"regexp"
	"regexp/syntax"
)

// pattern is a compiled constraint on a whole string. The commonest of AWS's
// patterns are one character class repeated, for which looking up each
// character beats a regular expression by far.
type pattern struct {
	re    *regexp.Regexp // nil if class is used
	class []rune         // pairs of first and last
	ascii [128]bool
	empty bool // the empty string matches
}

// newPattern compiles an RE2 expression.
func newPattern(expr string) *pattern {
	re, err := syntax.Parse("(?:"+expr+")", syntax.Perl)
	if err == nil && (re.Op == syntax.OpPlus || re.Op == syntax.OpStar) && re.Sub[0].Op == syntax.OpCharClass {
		p := &pattern{class: re.Sub[0].Rune, empty: re.Op == syntax.OpStar}
		for i := 0; i < len(p.class); i += 2 {
			for r := p.class[i]; r <= p.class[i+1] && r < 128; r++ {
				p.ascii[r] = true
			}
		}
		return p
	}
	return &pattern{re: regexp.MustCompile("^(?:" + expr + ")$")}
}

// match tells whether the whole of s matches.
func (p *pattern) match(s string) bool {
	if p.re != nil {
		return p.re.MatchString(s)
	}
	for _, r := range s {
		if r < 128 {
			if !p.ascii[r] {
				return false
			}
		} else if !p.inClass(r) {
			return false
		}
	}
	return p.empty || s != ""
}

// inClass looks r up in the sorted pairs.
func (p *pattern) inClass(r rune) bool {
	lo, hi := 0, len(p.class)/2
	for lo < hi {
		mid := (lo + hi) / 2
		switch {
		case r < p.class[2*mid]:
			hi = mid
		case r > p.class[2*mid+1]:
			lo = mid + 1
		default:
			return true
		}
	}
	return false
}
