// Package service is the shape that every service of the sandbox shares: a
// table of operations.
//
// A row of the table ([Operation]) says what the call is named, which
// permissions it needs ([Check]) and who answers it. The server
// authenticates a call, asks the row for its checks, has the policy engine
// decide each, and only then calls the handler. Authorisation is therefore
// data that a reviewer can scan, and a handler never decides.
package service

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Caller is the authenticated principal of a call.
type Caller struct {
	iam.Principal
	// AccessKeyID is the key that signed the call, empty for anonymous calls.
	AccessKeyID string
	// Name is the user name of a user, the role name of a role session, or
	// the federated user's name.
	Name string
	// UserID is aws:userid: AIDA…, AROA…:session, ACCOUNT:name, the account
	// id for the root user, "anonymous" for unsigned calls.
	UserID string
	// Session is nil for long-term credentials.
	Session *Session
	// SignedBy tells how the call was signed: "REST-HEADER",
	// "REST-QUERY-STRING" or "" (anonymous). It is s3:authType.
	SignedBy string
	// SignatureVersion is "AWS4-HMAC-SHA256" or "AWS" (signature version 2).
	SignatureVersion string
	// SignedAt is the time that the signature carries.
	SignedAt time.Time
}

// Session is what temporary credentials carry.
type Session struct {
	// Name is the role session name, or the federated user's name.
	Name string `json:"n,omitempty"`
	// Issued and Expires bound the session's life.
	Issued  time.Time `json:"i"`
	Expires time.Time `json:"e"`
	// Policies are the inline and managed session policies, as JSON texts.
	Policies []string `json:"p,omitempty"`
	// PolicyARNs are the managed session policies by ARN, resolved at use.
	PolicyARNs []string `json:"a,omitempty"`
	// Tags are the session tags; Transitive names those that a role chain
	// hands on. Keys keep the case in which they were given.
	Tags       map[string]string `json:"t,omitempty"`
	Transitive []string          `json:"r,omitempty"`
	// SourceIdentity sticks to a whole chain.
	SourceIdentity string `json:"s,omitempty"`
	// MFA is true if the session was made with a one-time code.
	MFA bool `json:"m,omitempty"`
	// FromService is the service principal that a service-made session (an
	// instance, a task) came from; an AssumeRole made with such a session
	// is role chaining, making the session itself was not.
	FromService string `json:"v,omitempty"`
	// Context holds further condition keys that every request of the
	// session carries, e.g. ec2:SourceInstanceARN.
	Context map[string]string `json:"c,omitempty"`
}

// Request is one authenticated call.
type Request struct {
	// ID is the request id that the answer carries.
	ID string
	// Caller signed the call.
	Caller Caller
	// Region is the region of the credential scope, or the default region
	// where the scope has none.
	Region string
	// Now is the server's clock at arrival; handlers use it and never ask
	// the system clock.
	Now time.Time
	// Outside is the clock of the world around the sandbox, which differs
	// from Now while the sandbox's clock is moved. What others have signed
	// is judged by it.
	Outside time.Time
	// Source is the caller's address.
	Source netip.Addr
	// UserAgent and TLS feed aws:UserAgent and aws:SecureTransport.
	UserAgent string
	TLS       bool
	// Call is the decoded wire call; most handlers never look at it.
	Call *wire.Call
	// Verdicts are the decisions of the call's checks so far, for its record.
	Verdicts []Verdict
}

// Verdict is what the engine said of one check.
type Verdict struct {
	Action, Resource, Owner string
	Decision                iam.Decision
	// PassedTo is the service that a role was to be passed to, "" of other
	// actions than iam:PassRole.
	PassedTo string
}

// Account is the account that the call acts in: the caller's.
func (r *Request) Account() string { return r.Caller.Account }

// KV is a condition key with its values, as one check adds it.
type KV struct {
	Key    string
	Values []string
}

// Check is one permission that an operation needs. Every check of an
// operation must be allowed. Checks are decided in order; the first that is
// denied names the error.
type Check struct {
	// Action is the IAM action, e.g. "s3:ListBucket".
	Action string
	// Resource is the ARN that is touched, or "*" for an action without
	// resource-level permissions.
	Resource string
	// Owner is the account that owns the resource; empty means the
	// caller's account.
	Owner string
	// Policy is the resource's own policy, nil if it has none.
	Policy *iam.Policy
	// Trust marks Policy as a role trust policy: the resource must grant,
	// an identity policy alone is not enough, and an absent policy denies.
	Trust bool
	// Context holds the condition keys that this check adds, such as
	// aws:RequestTag/k, aws:ResourceTag/k, s3:prefix or sts:ExternalId.
	Context []KV
	// Denied, if set, makes the error that a denial of this check is
	// answered with; nil means the protocol's ordinary access-denied error
	// with the engine's message.
	Denied func(message string) *wire.Error
}

// Operation is a row of a service's table.
type Operation struct {
	// Name is the API's name of the operation, e.g. "AssumeRole".
	Name string
	// Input makes an empty input value for the codec to fill; nil where
	// the operation reads the HTTP request itself.
	Input func() any
	// Checks lists the permissions the call needs. An error ends the call
	// before anything is decided (e.g. a malformed parameter).
	Checks func(*Request, any) ([]Check, error)
	// Handle answers the call. Exactly one of Handle and Serve is set.
	Handle func(context.Context, *Request, any) (any, error)
	// Serve answers calls that stream, writing the response itself.
	Serve func(http.ResponseWriter, *http.Request, *Request, any) error
	// Anonymous lets unsigned callers through to the checks, as S3 does
	// for public buckets and STS for web identities.
	Anonymous bool
	// Always marks a call that no policy can deny (sts:GetCallerIdentity).
	Always bool
	// Lacks says what AWS does here and the sandbox does not, empty if that
	// is nothing: it is shown to users.
	Lacks string
}

// Op makes a row from typed functions. In is the SDK's input struct and Out
// its output struct.
func Op[In, Out any](name string, checks func(*Request, *In) ([]Check, error), handle func(context.Context, *Request, *In) (*Out, error)) Operation {
	return Operation{
		Name:   name,
		Input:  func() any { return new(In) },
		Checks: func(r *Request, in any) ([]Check, error) { return checks(r, in.(*In)) },
		Handle: func(ctx context.Context, r *Request, in any) (any, error) {
			out, err := handle(ctx, r, in.(*In))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// Service is one AWS API: its name in credential scopes and its table.
type Service interface {
	// Name is the signing name, e.g. "sts".
	Name() string
	// Operations is the table; a name that is not in it is not implemented.
	Operations() []Operation
}

// Resolver is implemented by a service whose operation is chosen by more
// than the decoded name (S3, by method, path and query).
type Resolver interface {
	Resolve(*wire.Call) (operation string, err *wire.Error)
}
