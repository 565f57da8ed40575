package iam

import "strings"

// An actionPattern matches action names, ignoring case. ASCII case is enough:
// AWS action names are ASCII, and any other letter matches only itself.
type actionPattern struct {
	text string // as written: most policies spell actions as AWS does, and so do requests
	pat  pattern
}

func compileAction(s string) actionPattern {
	return actionPattern{text: s, pat: compilePattern(lowerASCII(s), true, false)}
}

func (a *actionPattern) match(action string) bool {
	switch a.pat.kind {
	case exactPattern:
		return a.text == action || foldEqual(a.pat.lit, action)
	case prefixPattern:
		return foldPrefix(a.pat.lit, action)
	}
	return foldPrefix(a.pat.lit, action) && foldParts(a.pat.parts, action[len(a.pat.lit):])
}

func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				b[j] = lowerByte(b[j])
			}
			return string(b)
		}
	}
	return s
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldEqual reports whether s in lower case is lower.
func foldEqual(lower, s string) bool { return len(lower) == len(s) && foldPrefix(lower, s) }

// foldPrefix reports whether s in lower case starts with lower.
func foldPrefix(lower, s string) bool {
	if len(s) < len(lower) {
		return false
	}
	s = s[:len(lower)]
	for i := 0; i < len(lower); i++ {
		if lowerByte(s[i]) != lower[i] {
			return false
		}
	}
	return true
}

// foldParts is matchParts without regard to case, without variables.
func foldParts(parts []part, s string) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for {
		if i == len(parts) {
			if j == len(s) {
				return true
			}
		} else {
			q := &parts[i]
			switch q.kind {
			case anyPart:
				if i++; i == len(parts) {
					return true
				}
				star, mark = i, j
				continue
			case onePart:
				if j < len(s) {
					j += charLen(s[j:])
					i++
					continue
				}
			default:
				if foldPrefix(q.lit, s[j:]) {
					j += len(q.lit)
					i++
					continue
				}
			}
		}
		if star < 0 || mark >= len(s) {
			return false
		}
		mark += charLen(s[mark:])
		i, j = star, mark
	}
}

// actionHash hashes an action without regard to ASCII case (FNV-1a).
func actionHash(s string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(lowerByte(s[i]))) * 16777619
	}
	return h
}

// actionService is the service prefix of an action, as written.
func actionService(action string) string {
	prefix, _, _ := strings.Cut(action, ":")
	return prefix
}
