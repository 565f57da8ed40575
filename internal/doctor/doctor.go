// Package doctor says what keeps programs from the roles that they are meant to
// have, and what to do about it: each check has the id of its rule, what was
// seen, and a cure.
package doctor

import (
	"fmt"
	"slices"
)

// Severity says how bad a check's result is. The greater, the worse.
type Severity uint8

// The severities. OK is a check that found nothing.
const (
	OK Severity = iota
	Info
	Warning
	Error
)

// String is ok, info, warning or error.
func (s Severity) String() string {
	switch s {
	case OK:
		return "ok"
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// MarshalText writes the same words.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Check is what one rule saw.
type Check struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Cure     string   `json:"cure,omitempty"`
}

// Worst is the greatest severity of some checks.
func Worst(checks []Check) (worst Severity) {
	for _, c := range checks {
		worst = max(worst, c.Severity)
	}
	return worst
}

// Sorted are the checks with the worst first, those alike as they were.
func Sorted(checks []Check) []Check {
	return slices.SortedStableFunc(slices.Values(checks), func(a, b Check) int { return int(b.Severity) - int(a.Severity) })
}
