package iam

import "slices"

// MatchPattern reports whether a pattern of a policy covers all of a text: "*"
// stands for any characters, also none, and "?" for one. Case counts. Policy
// variables are text like any other.
func MatchPattern(pattern, s string) bool {
	p := compilePattern(pattern, true, false)
	return p.match(s, nil)
}

// MatchAction reports whether an element of Action or NotAction covers an
// action. Case does not count.
func MatchAction(pattern, action string) bool {
	p := compileAction(pattern)
	return p.match(action)
}

// Covers reports whether the statement is about an action, whatever its
// resources, principals and conditions.
func (s *Statement) Covers(action string) bool {
	return s.NotActions != slices.ContainsFunc(s.Actions, func(p string) bool { return MatchAction(p, action) })
}
