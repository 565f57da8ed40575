package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Verifier remembers derived signing keys, which are good for a day and cost
// more than the rest of a check. The zero value is ready; a Verifier is safe
// for concurrent use and holds at most a few hundred keys.
type Verifier struct {
	mu   sync.Mutex // guards keys
	keys map[Scope]cachedKey
}

// cachedKey keeps the hash of the secret it came from: a key id whose secret
// changed must not find the old key.
type cachedKey struct {
	secret [32]byte
	key    [32]byte
}

const maxCachedKeys = 512

// Check is [Auth.Check] with the signing key taken from the cache.
func (v *Verifier) Check(a *Auth, r *http.Request, secret, bodySHA256 string, now time.Time, skew time.Duration) *Error {
	if a.Method == Header || a.Method == Query {
		a.key, a.keyOf = v.key(secret, &a.Scope), secret
	}
	return a.Check(r, secret, bodySHA256, now, skew)
}

func (v *Verifier) key(secret string, s *Scope) [32]byte {
	sum := sha256.Sum256([]byte(secret))
	v.mu.Lock()
	c, ok := v.keys[*s]
	v.mu.Unlock()
	if ok && c.secret == sum {
		return c.key
	}
	k := signingKey(secret, s)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil || len(v.keys) >= maxCachedKeys {
		// Scopes are chosen by clients; dropping all at the bound is the
		// cheapest policy that cannot be made to grow.
		v.keys = make(map[Scope]cachedKey)
	}
	// The strings may be slices of a whole request header.
	v.keys[Scope{strings.Clone(s.AccessKeyID), strings.Clone(s.Date), strings.Clone(s.Region), strings.Clone(s.Service)}] = cachedKey{sum, k}
	return k
}

// signingKey is derived once per request: chunks need it again.
func (a *Auth) signingKey(secret string) []byte {
	if a.keyOf != secret || secret == "" {
		a.key, a.keyOf = signingKey(secret, &a.Scope), secret
	}
	return a.key[:]
}

// Check verifies the signature: secret is the secret of a.Scope.AccessKeyID,
// bodySHA256 the SHA-256 of the body in hex (it may be "" for S3, whose body
// [Auth.Body] verifies), now the server's clock and skew how far the time of
// a header signature may be off in either direction. AWS allows 15 minutes in
// S3 and 5 minutes "in most cases" elsewhere.
//
// r must still be as received: Check reads RequestURI, Host, ContentLength
// and Header. It does not know to which service r was routed; the caller
// compares a.Scope.Service and a.Scope.Region with what it serves, because
// the scope chooses the rules of canonicalisation.
func (a *Auth) Check(r *http.Request, secret, bodySHA256 string, now time.Time, skew time.Duration) *Error {
	switch a.Method {
	case HeaderV2, QueryV2:
		return a.checkV2(r, secret, now, skew)
	case Header, Query:
	default:
		return fail(Malformed, "a form is checked with CheckForm")
	}
	if err := a.checkTime(now, skew); err != nil {
		return err
	}
	if err := a.checkSignedHeaders(r); err != nil {
		return err
	}
	hash, err := a.payloadHash(bodySHA256)
	if err != nil {
		return err
	}
	c := canonical{s3: a.Scope.s3(), presigned: a.Method == Query, names: a.SignedHeaders, hash: hash}
	berr := a.compare(r, secret, &c)
	if berr != nil && c.presigned && !c.s3 && a.Token != "" {
		// "Some services require that you add X-Amz-Security-Token to the
		// query after you calculate the signature" (IAM User Guide).
		c.skip = "x-amz-security-token"
		if a.compare(r, secret, &c) == nil {
			return nil
		}
	}
	return berr
}

func (a *Auth) compare(r *http.Request, secret string, c *canonical) *Error {
	var room [2048]byte
	request := c.appendTo(room[:0], r)
	var room2 [256]byte
	toSign := appendStringToSign(room2[:0], a.stamp, &a.Scope, request)
	want := mac(a.signingKey(secret), toSign)
	if equalHex(a.Signature, want) {
		return nil
	}
	return a.badSignature(string(toSign), string(request))
}

// equalHex compares a signature as sent with the right one in constant time.
func equalHex(got string, want [32]byte) bool {
	var enc [64]byte
	hex.Encode(enc[:], want[:])
	return subtle.ConstantTimeCompare([]byte(got), enc[:]) == 1
}

// What AWS says of a wrong signature: everywhere, and in S3.
const (
	badSignatureText = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	badSignatureS3   = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	skewedS3         = "The difference between the request time and the current time is too large."
)

func (a *Auth) badSignature(toSign, request string) *Error {
	msg := badSignatureText
	if a.Scope.s3() {
		msg = badSignatureS3
	}
	return &Error{
		Kind:              BadSignature,
		Message:           msg,
		AccessKeyID:       a.Scope.AccessKeyID,
		SignatureProvided: a.Signature,
		StringToSign:      toSign,
		CanonicalRequest:  request,
	}
}

func (a *Auth) checkTime(now time.Time, skew time.Duration) *Error {
	now = now.UTC()
	var room [16]byte
	if day := a.Time.AppendFormat(room[:0], dateFormat); string(day) != a.Scope.Date {
		return fail(BadScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", a.Scope.Date, day, a.stamp)
	}
	early := a.Time.After(now.Add(skew))
	life := skew // how old the signature may be
	if a.Method == Query {
		life = a.Expiry.Sub(a.Time)
	}
	late := now.After(a.Time.Add(life))
	if !early && !late {
		return nil
	}
	e := &Error{Kind: Skewed, Message: skewedS3, RequestTime: a.Time, ServerTime: now, MaxSkew: skew, Expires: a.Expires, Expiry: a.Expiry}
	switch {
	case a.Method == Query && early:
		e.Kind, e.Message = NotYetValid, "Request is not valid yet"
	case a.Method == Query:
		e.Kind, e.Message = Expired, "Request has expired"
	}
	stamp := func(t time.Time) string { return t.Format(timeFormat) }
	switch {
	case a.Scope.s3():
	case early:
		e.Message = "Signature not yet current: " + a.stamp + " is still later than " + stamp(now.Add(skew)) + " (" + stamp(now) + " + " + minutes(skew) + ".)"
	default:
		e.Message = "Signature expired: " + a.stamp + " is now earlier than " + stamp(now.Add(-life)) + " (" + stamp(now) + " - " + minutes(life) + ".)"
	}
	return e
}

// minutes spells an allowance as AWS does: "5 min".
func minutes(d time.Duration) string {
	if d%time.Minute != 0 {
		return d.String()
	}
	return strconv.Itoa(int(d/time.Minute)) + " min"
}

// checkSignedHeaders wants host and every x-amz-* header signed. Without the
// latter a man in the middle could add x-amz-acl, or turn one operation into
// another with x-amz-target.
func (a *Auth) checkSignedHeaders(r *http.Request) *Error {
	if !a.signs("host") && !a.signs(":authority") {
		return &Error{Kind: UnsignedHeaders, Header: "Host", HeadersNotSigned: []string{"host"},
			Message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	var missing []string
	for name := range r.Header {
		if len(name) < 6 || !strings.EqualFold(name[:6], "x-amz-") || a.signsFold(name) {
			continue
		}
		if lower := strings.ToLower(name); !a.mayAdd(lower) {
			missing = append(missing, lower)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return &Error{Kind: UnsignedHeaders, Header: missing[0], HeadersNotSigned: missing,
		Message: "There were headers present in the request which were not signed"}
}

// mayAdd tells whether a header is harmless unsigned: the session token,
// which services document may be added after signing; the date beside a
// presigned URL, which carries its own; the payload hash outside S3, where
// the body itself is hashed.
func (a *Auth) mayAdd(name string) bool {
	switch name {
	case "x-amz-security-token":
		return true
	case "x-amz-date":
		return a.Method == Query
	case "x-amz-content-sha256":
		return !a.Scope.s3()
	}
	return false
}

func (a *Auth) signs(name string) bool {
	_, ok := slices.BinarySearch(a.SignedHeaders, name)
	return ok
}

// signsFold is signs for a name in any case; it allocates nothing.
func (a *Auth) signsFold(name string) bool {
	for _, n := range a.SignedHeaders {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// payloadHash is the last line of the canonical request.
func (a *Auth) payloadHash(body string) (string, *Error) {
	if !a.Scope.s3() {
		if body == "" {
			return "", &Error{Kind: MissingPayloadHash, Message: "the hash of the body is needed to verify a request to " + clip(a.Scope.Service)}
		}
		if isHash(a.PayloadHash) && a.PayloadHash != body {
			return "", mismatchedHash(a.PayloadHash, body)
		}
		return body, nil
	}
	if a.PayloadHash == "" {
		if a.Method == Query {
			return UnsignedPayload, nil
		}
		return "", &Error{Kind: MissingPayloadHash, Header: "x-amz-content-sha256",
			Message: "Missing required header for this request: x-amz-content-sha256"}
	}
	if _, err := payloadMode(a.PayloadHash); err != nil {
		return "", err
	}
	if body != "" && isHash(a.PayloadHash) && a.PayloadHash != body {
		return "", mismatchedHash(a.PayloadHash, body)
	}
	return a.PayloadHash, nil
}

func mismatchedHash(declared, computed string) *Error {
	return &Error{Kind: BadPayloadHash, Header: "x-amz-content-sha256",
		Message:  "The provided 'x-amz-content-sha256' header does not match what was computed.",
		Declared: declared, Computed: computed}
}

// isHash tells whether s is a SHA-256 in lower-case hex.
func isHash(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
