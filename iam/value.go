package iam

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A number is a decimal number kept as text, so that comparing is exact and
// allocates nothing: value = ±0.digits × 10^exp, digits being whole followed by
// frac without leading zeros.
type number struct {
	neg         bool
	whole, frac string // digits before and after the point, leading zeros removed
	exp         int    // position of the point relative to the first digit
}

// parseNumber reads a decimal number such as 10, -3, 010, 2.50 or 1e3.
func parseNumber(s string) (n number, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		n.neg, s = s[0] == '-', s[1:]
	}
	shift := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exp := s[i+1:]
		down := strings.HasPrefix(exp, "-")
		if down || strings.HasPrefix(exp, "+") {
			exp = exp[1:]
		}
		e, ok := parseUint(exp, 1000)
		if !ok {
			return number{}, false
		}
		if down {
			e = -e
		}
		s, shift = s[:i], int(e)
	}
	n.whole, n.frac, _ = strings.Cut(s, ".")
	if n.whole == "" && n.frac == "" || !digits(n.whole) || !digits(n.frac) {
		return number{}, false
	}
	n.whole = strings.TrimLeft(n.whole, "0")
	n.frac = strings.TrimRight(n.frac, "0")
	n.exp = len(n.whole) + shift
	if n.whole == "" {
		f := strings.TrimLeft(n.frac, "0")
		n.exp = shift - (len(n.frac) - len(f))
		n.frac = f
	}
	if n.whole == "" && n.frac == "" {
		n = number{} // zero has no sign
	}
	return n, true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (n *number) zero() bool { return n.whole == "" && n.frac == "" }

func (n *number) digit(i int) byte {
	if i < len(n.whole) {
		return n.whole[i]
	}
	if i -= len(n.whole); i < len(n.frac) {
		return n.frac[i]
	}
	return '0'
}

// compare is -1, 0 or 1 as n is less than, equal to or greater than m.
func (n *number) compare(m *number) int {
	sign := func(n *number) int {
		switch {
		case n.zero():
			return 0
		case n.neg:
			return -1
		}
		return 1
	}
	a, b := sign(n), sign(m)
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == 0:
		return 0
	}
	if n.exp != m.exp {
		if n.exp < m.exp {
			return -a
		}
		return a
	}
	for i := range max(len(n.whole)+len(n.frac), len(m.whole)+len(m.frac)) {
		if x, y := n.digit(i), m.digit(i); x < y {
			return -a
		} else if x > y {
			return a
		}
	}
	return 0
}

// parseDate reads the date forms of the Condition operators page: the W3C profile
// of ISO 8601 (year, month, day, then hours, minutes, seconds, fraction, zone,
// each of which may be missing), or digits only for seconds since 1970. A time
// without zone is UTC. What it refuses IAM refuses to store.
func parseDate(s string) (time.Time, bool) {
	if strings.IndexByte(s, '-') < 0 && !strings.ContainsAny(s, "Tt") {
		n, err := parseUint(s, 1<<63-1)
		// Beyond this the calendar overflows; such a date is only ever later.
		return time.Unix(int64(min(n, 1<<60)), 0).UTC(), err
	}
	date, clock := s, ""
	if i := strings.IndexAny(s, "Tt"); i >= 0 {
		date, clock = s[:i], s[i+1:]
	}
	negative := strings.HasPrefix(date, "-")
	date = strings.TrimPrefix(date, "-")
	year, rest, _ := strings.Cut(date, "-")
	y, ok := parseUint(year, 292278993)
	if !ok {
		return time.Time{}, false
	}
	if negative {
		if y > 292275054 {
			return time.Time{}, false
		}
		y = -y
	}
	month, day := int64(1), int64(1)
	if rest != "" {
		m, d, more := strings.Cut(rest, "-")
		if month, ok = parseUint(m, 12); !ok || len(m) != 2 || month == 0 {
			return time.Time{}, false
		}
		if more {
			if day, ok = parseUint(d, 31); !ok || len(d) != 2 || day == 0 {
				return time.Time{}, false
			}
		}
	} else if strings.HasSuffix(date, "-") {
		return time.Time{}, false
	}
	c, ok := parseClock(clock)
	if !ok {
		return time.Time{}, false
	}
	return time.Date(int(y), time.Month(month), int(day), 0, 0, 0, 0, time.UTC).Add(c), true
}

// parseClock reads hh[:mm[:ss[.fraction]]][zone] as the time since midnight UTC.
func parseClock(s string) (time.Duration, bool) {
	if s == "" {
		return 0, true
	}
	zone := time.Duration(0)
	if i := strings.IndexAny(s, "Zz+-"); i >= 0 {
		z := s[i:]
		s = s[:i]
		if z[0] == '+' || z[0] == '-' {
			h, m := z[1:], ""
			if len(h) > 2 {
				h, m = h[:2], strings.TrimPrefix(h[2:], ":")
				if len(m) != 2 {
					return 0, false
				}
			} else {
				m = "00"
			}
			hh, ok := parseUint(h, 23)
			mm, ok2 := parseUint(m, 59)
			if !ok || !ok2 || len(h) != 2 {
				return 0, false
			}
			zone = time.Duration(hh)*time.Hour + time.Duration(mm)*time.Minute
			if z[0] == '-' {
				zone = -zone
			}
		} else if len(z) != 1 {
			return 0, false
		}
	}
	h, rest, more := strings.Cut(s, ":")
	hh, ok := parseUint(h, 23)
	if !ok || len(h) > 2 {
		return 0, false
	}
	d := time.Duration(hh)*time.Hour - zone
	if !more {
		return d, true
	}
	m, rest, more := strings.Cut(rest, ":")
	mm, ok := parseUint(m, 59)
	if !ok || len(m) != 2 {
		return 0, false
	}
	d += time.Duration(mm) * time.Minute
	if !more {
		return d, true
	}
	sec, frac, more := strings.Cut(rest, ".")
	ss, ok := parseUint(sec, 59)
	if !ok || len(sec) != 2 {
		return 0, false
	}
	d += time.Duration(ss) * time.Second
	if !more {
		return d, true
	}
	f, ok := parseUint(frac, 999999999)
	if !ok || len(frac) > 9 {
		return 0, false
	}
	for range 9 - len(frac) {
		f *= 10
	}
	return d + time.Duration(f), true
}

// parseUint reads digits, at most limit.
func parseUint(s string, limit int64) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '0' || c > '9' || n > (limit-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parsePrefix reads a CIDR block or an address, which is the block of itself.
// Host bits are ignored.
func parsePrefix(s string) (netip.Prefix, bool) {
	if strings.IndexByte(s, '/') >= 0 {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err == nil
	}
	a, ok := parseAddr(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// parseAddr reads an address without zone. It looks before it parses, because a
// failed parse allocates its error.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, '.') < 0 && strings.IndexByte(s, ':') < 0 || strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil
}

// parseBool reads true or false without regard to case.
func parseBool(s string) (value, ok bool) {
	switch {
	case foldEqual("true", s):
		return true, true
	case foldEqual("false", s):
		return false, true
	}
	return false, false
}

// lowerEqual compares without regard to case, by simple lower-casing of each
// character.
func lowerEqual(a, b string) bool {
	for a != "" && b != "" {
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf {
			if lowerByte(a[0]) != lowerByte(b[0]) {
				return false
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if unicode.ToLower(x) != unicode.ToLower(y) {
			return false
		}
		a, b = a[n:], b[m:]
	}
	return a == b
}
