package agent

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Workloads knows which workload a secret belongs to. It keeps hashes, not
// secrets: who reads this process's memory map of grants learns no token. The
// zero value is not ready; use [NewWorkloads]. Methods may be called at once
// from many goroutines.
type Workloads struct {
	salt [32]byte // makes hashes, hence the order of lookups, unpredictable

	mu     sync.RWMutex // guards the field below
	grants map[[32]byte]registered
}

// registered is one secret: a grant has two, one for each form.
type registered struct {
	workload string
	hash     [32]byte
	form     form
}

// form says where a secret may be presented. One form's secret is worthless
// in the other, so a URI that leaked into a log is not a token.
type form byte

const (
	formToken form = 'T' // Authorization header
	formID    form = 'I' // /v2/credentials/<id>
)

// NewWorkloads returns a registry without workloads.
func NewWorkloads() *Workloads {
	w := &Workloads{grants: make(map[[32]byte]registered)}
	rand.Read(w.salt[:]) // never fails: crypto/rand
	return w
}

// Grant is what one running copy of a workload is given to prove who it is.
// It is a secret: printing it shows the workload alone.
type Grant struct {
	Workload string // name of the workload, as rules know it

	token, id string
	from      *Workloads
}

// Add registers a running copy of workload and returns its grant, two fresh
// secrets of 256 bits. A workload may have any number of grants; each ends
// with its [Grant.Revoke].
func (w *Workloads) Add(workload string) *Grant {
	var secret [64]byte
	rand.Read(secret[:])
	g := &Grant{
		Workload: workload,
		token:    base64.RawURLEncoding.EncodeToString(secret[:32]),
		id:       hex.EncodeToString(secret[32:]),
		from:     w,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for f, secret := range map[form]string{formToken: g.token, formID: g.id} {
		h := w.hash(f, secret)
		w.grants[h] = registered{workload, h, f}
	}
	return g
}

// Remove revokes every grant of workload and returns how many there were.
func (w *Workloads) Remove(workload string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.grants)
	maps.DeleteFunc(w.grants, func(_ [32]byte, r registered) bool { return r.workload == workload })
	return (before - len(w.grants)) / 2
}

// Names returns the workloads that have a grant, sorted, each once.
func (w *Workloads) Names() []string {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var names []string
	for _, r := range w.grants {
		names = append(names, r.workload)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lookup returns the workload that secret was given to in the form f.
func (w *Workloads) lookup(f form, secret string) (workload string, ok bool) {
	if w == nil || secret == "" || len(secret) > maxSecret {
		return "", false
	}
	h := w.hash(f, secret)
	w.mu.RLock()
	r, ok := w.grants[h]
	w.mu.RUnlock()
	// The map compares salted hashes, about which a guesser learns nothing from
	// time; comparing once more in constant time keeps that true of any map.
	if !ok || r.form != f || subtle.ConstantTimeCompare(r.hash[:], h[:]) != 1 {
		return "", false
	}
	return r.workload, true
}

// maxSecret is the length in bytes of the longest secret worth hashing.
const maxSecret = 256

func (w *Workloads) hash(f form, secret string) [32]byte {
	var buf [32 + 1 + maxSecret]byte
	b := append(buf[:0], w.salt[:]...)
	b = append(b, byte(f))
	return sha256.Sum256(append(b, secret...))
}

// Token is the value of the Authorization header, for
// AWS_CONTAINER_AUTHORIZATION_TOKEN or, without a newline at its end, for the
// file AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names: botocore and the SDK for
// Go reject a token with a line break in it.
func (g *Grant) Token() string { return g.token }

// RelativeURI is the value for AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, which
// SDKs put after http://169.254.170.2. The path is itself the secret, as it is
// in ECS.
func (g *Grant) RelativeURI() string { return pathV2 + g.id }

// Env returns the environment, as NAME=value, by which every SDK finds its
// credentials at base, such as "http://127.0.0.1:4510": the full form, whose
// hosts all SDKs accept if base names a loopback address.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func (g *Grant) Env(base string) []string {
	return []string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + strings.TrimSuffix(base, "/") + pathV1,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=" + g.token,
	}
}

// Revoke makes the grant worthless; revoking twice is the same as once.
func (g *Grant) Revoke() {
	g.from.mu.Lock()
	defer g.from.mu.Unlock()
	delete(g.from.grants, g.from.hash(formToken, g.token))
	delete(g.from.grants, g.from.hash(formID, g.id))
}

// String returns the workload and not the secrets.
func (g Grant) String() string { return fmt.Sprintf("grant of workload %q", g.Workload) }

// GoString returns the workload and not the secrets.
func (g Grant) GoString() string { return g.String() }

// LogValue returns the workload and not the secrets.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText returns the workload and not the secrets.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }
