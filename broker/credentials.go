package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Credentials are what a role session is: three strings and an end.
//
// They print without their secrets, by fmt and by slog alike. Two values with
// the same AccessKeyID are the same credentials: STS never issues a key id
// twice, so it may index whatever is derived from them.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string

	// Expires is when AWS stops accepting them, by AWS's clock.
	Expires time.Time

	// RoleARN is the role that was assumed, AccountID the account it is in.
	RoleARN, AccountID string

	// Issued is when they were made, by AWS's clock where the Lender knows it
	// (the Date header of the answer). Its distance from the local clock is how
	// a wrong local clock is noticed. Zero means now.
	Issued time.Time
}

// String names the credentials without their secrets.
func (c Credentials) String() string {
	if c.AccessKeyID == "" {
		return "no credentials"
	}
	var b strings.Builder
	b.WriteString(c.AccessKeyID)
	if c.RoleARN != "" {
		b.WriteString(" for ")
		b.WriteString(c.RoleARN)
	}
	b.WriteString(" until ")
	b.WriteString(c.Expires.UTC().Format(time.RFC3339))
	return b.String()
}

// GoString is String: %#v does not print secrets either.
func (c Credentials) GoString() string { return "broker.Credentials(" + c.String() + ")" }

// Format is String whatever the verb: %d and %x do not print secrets either.
func (c Credentials) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, c.GoString())
		return
	}
	io.WriteString(f, c.String())
}

// MarshalJSON writes what String says: whoever hands credentials out spells the
// secrets himself, and whoever logs something that holds them does not.
func (c Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// LogValue writes the credentials without their secrets.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("access_key_id", c.AccessKeyID),
		slog.String("role", c.RoleARN),
		slog.Time("expires", c.Expires),
	)
}

// Lender makes credentials for a loan: the one thing the broker needs of the
// world. It is called once per loan at a time, and at most as often as the
// broker's budget allows. The loan's names are resolved: no placeholder is left
// in them.
//
// A failure is a *LendError if its kind is known; any other error counts as
// Failed.
type Lender interface {
	Lend(ctx context.Context, l Loan) (Credentials, error)
}

// LenderFunc is a function used as a Lender.
type LenderFunc func(ctx context.Context, l Loan) (Credentials, error)

// Lend calls f.
func (f LenderFunc) Lend(ctx context.Context, l Loan) (Credentials, error) { return f(ctx, l) }
