package broker

import (
	"strings"
	"time"
)

// RefusedError says that a caller fits no rule, or too many.
type RefusedError struct {
	Caller   Caller
	Decision Decision
}

// Error names the caller and the reason, which carries the cure.
func (e *RefusedError) Error() string {
	return "refused " + e.Caller.String() + ": " + e.Decision.Reason
}

// Kind sorts the ways in which lending fails by what may be done about them.
type Kind uint8

const (
	// Failed: none of the below, or not known. Retried as if unreachable.
	Failed Kind = iota
	// Denied: AWS said no. Retried rarely, since only a change of policy helps.
	Denied
	// Invalid: AWS did not accept the request as it stands (a duration, a tag,
	// a session policy). Retried rarely.
	Invalid
	// Expired: the credentials that mantle itself starts from are expired or
	// missing.
	Expired
	// Throttled: AWS asked for fewer calls.
	Throttled
	// Unreachable: no answer, or one that says that AWS itself has failed.
	Unreachable
)

// String is the kind as one lower-case word.
func (k Kind) String() string {
	switch k {
	case Denied:
		return "denied"
	case Invalid:
		return "invalid"
	case Expired:
		return "expired"
	case Throttled:
		return "throttled"
	case Unreachable:
		return "unreachable"
	}
	return "failed"
}

// Transient reports whether waiting alone may help.
func (k Kind) Transient() bool { return k == Throttled || k == Unreachable || k == Failed }

// LendError says why no credentials could be had for a loan.
type LendError struct {
	// Role is the role that was to be lent, "" if only the identity of the base
	// credentials was asked for; Hop is the role of the chain at which
	// it failed ("" or Role if at the end).
	Role, Hop string

	// Kind decides what a caller is told and when the broker tries again.
	Kind Kind

	// Code and Message are AWS's, "" if it was not AWS that answered.
	Code, Message string

	// Cure says what to do about it, in a sentence.
	Cure string

	// RetryAfter is how long the broker will not ask again: until then it
	// answers the same. A Lender may set it to what AWS asked for.
	RetryAfter time.Duration

	// Err is the cause, if there is one beyond Message.
	Err error
}

// Error is "borrow ROLE: what happened (the cure)"; without a role the question
// was who the base credentials belong to.
func (e *LendError) Error() string {
	var b strings.Builder
	if e.Role == "" {
		b.WriteString("ask STS who this is")
	} else {
		b.WriteString("borrow " + e.Role)
	}
	if e.Hop != "" && e.Hop != e.Role {
		b.WriteString(" by way of ")
		b.WriteString(e.Hop)
	}
	b.WriteString(": ")
	switch {
	case e.Code != "" && e.Message != "":
		b.WriteString(e.Code + ": " + e.Message)
	case e.Message != "":
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(e.Kind.String())
	}
	if e.Cure != "" {
		b.WriteString(" (" + e.Cure + ")")
	}
	return b.String()
}

// Unwrap is the cause.
func (e *LendError) Unwrap() error { return e.Err }
