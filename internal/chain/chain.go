// Package chain walks the credential chains of the AWS SDKs: which source each
// of them asks first, what makes it pass over one, and who a program with that
// SDK ends up as.
//
// The SDKs share their sources and differ in almost everything else: whether
// keys in the environment or AWS_PROFILE win, which profiles are sound, whether
// a source that fails ends the search. [SDKs] has the differences as data and
// [Walk] follows them, source by source, in the surroundings of a program: its
// environment, its home and its network, which a [World] stands for. The
// package itself reads nothing and calls nobody.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
package chain

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Surroundings are what a program was started with.
type Surroundings struct {
	Environ map[string]string
	Home    string // what ~ stands for; "" if it stands for nothing
	User    string // for messages: a name or a number
}

// lookup reads a variable, and whether it is there at all.
func (s *Surroundings) lookup(name string) (string, bool) {
	v, ok := s.Environ[name]
	return v, ok
}

func (s *Surroundings) get(name string) string { return s.Environ[name] }

// World is what a program can reach from where it is.
type World interface {
	// ReadFile reads a file as the program's user. Errors wrap fs.ErrNotExist
	// or fs.ErrPermission where that is why.
	ReadFile(path string) ([]byte, error)

	// Do sends one request from the program's network, through no proxy. An
	// error means that there was no answer.
	Do(ctx context.Context, method, url string, header http.Header) (Answer, error)

	// LookupHost resolves a name.
	LookupHost(ctx context.Context, host string) ([]netip.Addr, error)

	// Run runs a credential_process and returns its standard output. Errors
	// that wrap [ErrNotRun] say that it was not tried.
	Run(ctx context.Context, command string, shell bool) ([]byte, error)

	// AssumeRole calls sts:AssumeRole.
	AssumeRole(ctx context.Context, with Credentials, at Endpoint, in Assume) (Credentials, error)

	// AssumeRoleWithWebIdentity calls sts:AssumeRoleWithWebIdentity.
	AssumeRoleWithWebIdentity(ctx context.Context, at Endpoint, in Assume, token string) (Credentials, error)

	// Identity calls sts:GetCallerIdentity.
	Identity(ctx context.Context, with Credentials, at Endpoint) (Identity, error)
}

// Answer is that of an HTTP server, its body cut off at 64 KB.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Endpoint is where the program's SDK would find STS.
type Endpoint struct {
	URL    string // "" for AWS's own in the region
	Region string
}

// Assume is what is sent to STS, as the SDK would fill it in.
type Assume struct {
	RoleARN, SessionName, ExternalID, MFASerial string

	Duration time.Duration // 0: not sent
}

// Identity is what sts:GetCallerIdentity says.
type Identity struct {
	ARN     string    `json:"arn"`
	Account string    `json:"account"`
	Date    time.Time `json:"-"` // of the answer, by the server's clock; zero if it had none
}

// Credentials are a key pair and where it was found.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string

	Expires time.Time // zero: not known
}

// String shows which key it is and nothing of its secrets.
func (c Credentials) String() string { return Shown(c.AccessKeyID) }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// LogValue is String.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Credentials) complete() bool { return c.AccessKeyID != "" && c.SecretAccessKey != "" }

// Shown is an access key id shortened so that two can be told apart: "ASIA…4Q".
func Shown(id string) string {
	if len(id) < 8 {
		return "…"
	}
	return id[:4] + "…" + id[len(id)-2:]
}

// State is how a source fared.
type State string

// The states of a source.
const (
	Used     State = "used"        // the credentials are from here
	Skipped  State = "skipped"     // it has nothing, and the SDK goes on
	Failed   State = "failed"      // it was tried in vain, and the SDK goes on
	Fatal    State = "fatal"       // it failed, and the SDK stops with that error
	Unknown  State = "unknown"     // it would be used, but mantle cannot look into it
	NotAsked State = "not reached" // an earlier one decided
)

// Step is one source in the order of the SDK.
type Step struct {
	Source Source `json:"source"`
	State  State  `json:"state"`
	Why    string `json:"why"`
	Key    string `json:"key,omitempty"` // access key id, shortened
}

// Trace is a walk through a chain.
type Trace struct {
	SDK     *SDK
	Profile string // that the SDK chose
	Named   bool   // it was named in the environment, not the default
	Region  string // that the SDK chose; "" if none
	From    string // where the region is from
	Steps   []Step

	// Credentials that the walk ended with, nil if it ended without.
	Credentials *Credentials

	// Source of the credentials.
	Source Source

	// Err is what the program would be told if there are none, in the SDK's
	// words where they are known.
	Err string

	// Blocked is what the program would be told in spite of its credentials:
	// that it has no region.
	Blocked string

	// Undecided says what mantle could not look into, "" if nothing.
	Undecided string

	// Hops are the roles that were assumed, in order.
	Hops []Assume

	// Profiles are the shared files as the SDK reads them.
	Profiles *Profiles

	// Endpoint is where the program finds STS.
	Endpoint Endpoint

	// Metadata is what was seen of instance metadata; nil if it was not asked.
	Metadata *Metadata

	// ContainerURL is the container endpoint that the environment names, "" if
	// none, and HostRefused that the SDK does not ask hosts like its.
	ContainerURL string
	HostRefused  bool
}

// Metadata is what was seen of the instance metadata service.
type Metadata struct {
	URL      string
	TokenErr error // why the PUT for a token had no answer
	V1       int   // status of a GET without a token, 0 if it was not tried or not answered
}

// ErrNotRun says that a command was not run, because it is another program's.
var ErrNotRun = errors.New("not run by mantle")
