package broker

import (
	"encoding/binary"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Hop is one role on the way to the role that is lent.
type Hop struct {
	// Role is the ARN of the role.
	Role string
	// ExternalID is sent to it, if not "".
	ExternalID string
	// SessionName may hold placeholders; "" means DefaultHopName, which is the
	// same for all workloads of a host: they share the hop's session.
	SessionName string
}

// Loan is what a rule lends: a role session, fully described. Two loans that
// differ in any field are never answered with the same credentials.
//
// The parameters are those of AssumeRole,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
type Loan struct {
	// Role is the ARN of the role that is lent.
	Role string

	// Chain holds the roles to assume first, in order; Role comes last. Every
	// hop after the first is role chaining: AWS caps such a session at an hour.
	Chain []Hop

	// ExternalID is sent to Role, if not "".
	ExternalID string

	// SessionName and SourceIdentity may hold placeholders: see Placeholders.
	// An empty SessionName means DefaultSessionName; an empty SourceIdentity
	// sends none.
	SessionName, SourceIdentity string

	// Policy is an inline session policy as JSON, PolicyARNs are managed session
	// policies: what the session may do is also limited by them.
	Policy     string
	PolicyARNs []string

	// Region is the region whose STS is asked; "" leaves it to the Lender.
	Region string

	// Tags are session tags; their values may hold placeholders. Transitive
	// names those that stay on the sessions that this one assumes. Like the
	// source identity and the policies they are sent to Role, not to the hops.
	Tags       map[string]string
	Transitive []string

	// Duration of the session, 15 minutes to 12 hours; 0 means one hour.
	Duration time.Duration
}

// DefaultDuration is the length of a session whose Loan does not say.
const DefaultDuration = time.Hour

// Key is a text equal for two loans exactly if they are the same in every field
// that STS sees. Order is kept where it matters (the chain) and ignored where it
// does not (tags, policies). It is not for people.
func (l Loan) Key() string {
	b := make([]byte, 0, 256)
	// Every text is preceded by its length and every list by its count, so no
	// value can pass for two, nor two for one.
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	set := func(list []string) {
		list = slices.Compact(slices.Sorted(slices.Values(list)))
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			text(s)
		}
	}
	text(l.Role)
	b = binary.AppendUvarint(b, uint64(len(l.Chain)))
	for _, h := range l.Chain {
		text(h.Role)
		text(h.ExternalID)
		text(h.SessionName)
	}
	text(l.ExternalID)
	text(l.SessionName)
	text(l.SourceIdentity)
	text(l.Policy)
	set(l.PolicyARNs)
	text(l.Region)
	b = binary.AppendUvarint(b, uint64(len(l.Tags)))
	for _, k := range sortedKeys(l.Tags) {
		text(k)
		text(l.Tags[k])
	}
	set(l.Transitive)
	b = binary.AppendUvarint(b, uint64(l.Life()))
	return string(b)
}

// Life is Duration, or DefaultDuration if that is 0.
func (l Loan) Life() time.Duration {
	if l.Duration == 0 {
		return DefaultDuration
	}
	return l.Duration
}

// LogValue writes the role, the session name and how many hops lead there. The
// external id is left out: it is no secret to AWS, but it is somebody's.
func (l Loan) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("role", l.Role),
		slog.String("session_name", l.SessionName),
		slog.Int("hops", len(l.Chain)),
	)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
