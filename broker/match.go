package broker

// Match describes the processes of a workload by what the kernel knows of them.
// Every field that is set must fit. The zero Match fits nobody: such a rule is
// for callers that are known by a token or a listener.
//
// Exe narrows and does not prove: who may make a mount namespace may put any
// program at any path. Set UID or Unit too.
type Match struct {
	// UID is the numeric user; nil means any. (new(1001) makes one.)
	UID *int

	// Exe is the absolute path of the program. `*` stands for any run of
	// characters except '/', `?` for one such character, and every other
	// character for itself. The pattern covers the whole path.
	Exe string

	// Unit is the systemd unit, with the same wildcards: "web@*.service".
	Unit string
}

// IsZero reports whether m fits nobody because nothing is set.
func (m Match) IsZero() bool { return m.UID == nil && m.Exe == "" && m.Unit == "" }

// Fits reports whether the caller is one of the described.
func (m Match) Fits(c Caller) bool {
	if m.IsZero() {
		return false
	}
	if m.UID != nil && (c.UID < 0 || *m.UID != c.UID) {
		return false
	}
	if m.Exe != "" && (c.Exe == "" || !glob(m.Exe, c.Exe)) {
		return false
	}
	return m.Unit == "" || c.Unit != "" && glob(m.Unit, c.Unit)
}

// Overlaps reports whether some caller would fit both: two such rules refuse
// that caller, so a configuration that holds them is at fault.
func (m Match) Overlaps(o Match) bool {
	if m.IsZero() || o.IsZero() {
		return false
	}
	if m.UID != nil && o.UID != nil && *m.UID != *o.UID {
		return false
	}
	return (m.Exe == "" || o.Exe == "" || globsMeet(m.Exe, o.Exe)) &&
		(m.Unit == "" || o.Unit == "" || globsMeet(m.Unit, o.Unit))
}

// glob reports whether the pattern covers all of s, in time proportional to the
// product of their lengths at worst. There is no escape character, since unit
// names hold backslashes, and so no malformed pattern.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // where the last '*' was, and what it has swallowed up to
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == s[i] || pattern[p] == '?' && s[i] != '/'):
			p++
			i++
		case star >= 0 && s[mark] != '/':
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globsMeet reports whether some text is covered by both patterns.
func globsMeet(a, b string) bool {
	// meets[j] says, for the i of the current row, whether a[i:] and b[j:] have
	// a text in common; rows go from the end of a to its start.
	meets := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				meets[j] = true
			case i < len(a) && a[i] == '*':
				// The star ends here, or it swallows what b says next.
				meets[j] = next[j] || j < len(b) && b[j] != '/' && meets[j+1]
			case j < len(b) && b[j] == '*':
				meets[j] = meets[j+1] || i < len(a) && a[i] != '/' && next[j]
			case i == len(a) || j == len(b):
				meets[j] = false
			default:
				same := a[i] == b[j] || a[i] == '?' && b[j] != '/' || b[j] == '?' && a[i] != '/'
				meets[j] = same && next[j+1]
			}
		}
		meets, next = next, meets
	}
	return next[0]
}
