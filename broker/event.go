package broker

import (
	"log/slog"
	"time"
)

// Outcome is what an Event tells of.
type Outcome uint8

const (
	// Lent: a caller was given credentials.
	Lent Outcome = iota
	// Refused: a caller fits no rule, or too many.
	Refused
	// NotLent: a caller fits a rule, but there are no credentials for it.
	NotLent
	// Issued: credentials were made for a loan, whoever had asked.
	Issued
	// NotIssued: the Lender failed. If Expires is not zero, credentials are
	// still at hand until shortly before it.
	NotIssued
)

// String is the outcome as one lower-case word.
func (o Outcome) String() string {
	switch o {
	case Lent:
		return "lent"
	case Refused:
		return "refused"
	case NotLent:
		return "not-lent"
	case Issued:
		return "issued"
	case NotIssued:
		return "not-issued"
	}
	return "unknown"
}

// Event is one line of the audit: who was lent what, or why not. It holds no
// secret. AccessKeyID and SessionName are what CloudTrail shows as well, so the
// two logs can be joined.
type Event struct {
	// Time is when it happened.
	Time time.Time

	Outcome Outcome

	// Caller who asked; zero for Issued and NotIssued, which nobody asks for.
	Caller Caller

	// Rule the caller fits, "" if refused or nobody asked.
	Rule string

	// Role, SessionName of the loan.
	Role, SessionName string

	// AccessKeyID and Expires of the credentials, zero if there are none.
	AccessKeyID string
	Expires     time.Time

	// Cached reports that the answer is not that of a call of the Lender which
	// the caller waited for, but was at hand.
	Cached bool

	// Took is how long the caller waited or, for a renewal, the Lender took.
	Took time.Duration

	// Err says why there are no credentials, or why the old ones are still in
	// use.
	Err error
}

// LogValue writes the event as attributes.
func (e Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("outcome", e.Outcome.String()))
	if e.Outcome != Issued && e.Outcome != NotIssued {
		attrs = append(attrs, slog.Any("caller", e.Caller), slog.Bool("cached", e.Cached))
	}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("rule", e.Rule)
	text("role", e.Role)
	text("session_name", e.SessionName)
	text("access_key_id", e.AccessKeyID)
	if !e.Expires.IsZero() {
		attrs = append(attrs, slog.Time("expires", e.Expires))
	}
	attrs = append(attrs, slog.Duration("took", e.Took))
	if e.Err != nil {
		text("error", e.Err.Error())
	}
	return slog.GroupValue(attrs...)
}
