package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// authenticate turns the signature of a call into its principal. A call
// without a signature is the anonymous principal's; only operations that
// allow it go on (authorize.go).
func (s *Server) authenticate(name string, call *wire.Call, auth *sigv4.Auth) (*service.Request, *wire.Error) {
	r := call.HTTP
	req := &service.Request{
		ID: call.ID, Now: s.clock.now().UTC(), Outside: s.clock.outside().UTC(), Region: DefaultRegion, Source: source(r),
		UserAgent: r.UserAgent(), TLS: r.TLS != nil, Call: call,
	}
	// From here on the call sees everything that any sandbox on the same
	// state had acknowledged when it came. And a key that cannot be looked
	// up is not a wrong key.
	if err := s.store.Refresh(); err != nil {
		s.log.Error("the state cannot be read", "request", req.ID, "error", err)
		w := broken[familyOf(name)]
		return req, &wire.Error{Code: w.code, Status: w.status, Message: w.text}
	}
	if auth == nil {
		req.Caller = service.Caller{Principal: engine.Principal{Type: engine.Anonymous, ARN: "anonymous"}, UserID: "anonymous"}
		return req, verifyBody(name, r, nil, "")
	}
	if auth.Scope.Region != "" {
		req.Region = auth.Scope.Region
	}
	if auth.Scope.Service != name {
		return req, refuse(name, badScope, "Credential should be scoped to correct service: '"+name+"'. ")
	}
	caller, secret, fault := s.credentials(name, auth)
	if fault != nil {
		return req, fault
	}
	if bucket := call.Vars["Bucket"]; bucket != "" && strings.HasPrefix(r.Host, bucket+".") {
		auth.Bucket = bucket // version 2 signs the bucket even where the host names it
	}
	if err := s.verifier.Check(auth, r, secret, bodyHash(name, call), req.Outside, skew); err != nil {
		return req, refuseSignature(name, err)
	}
	caller.SignedBy, caller.SignatureVersion, caller.SignedAt = auth.Method.String(), auth.Method.Version(), auth.Time
	req.Caller = caller
	if ses := caller.Session; ses != nil && !req.Now.Before(ses.Expires) {
		return req, refuse(name, expiredToken, "")
	}
	// A session outlives neither its role nor its user: one that is made
	// again under the same name is somebody else.
	if !s.iam.Alive(&caller) {
		return req, refuse(name, unknownKey, "")
	}
	used := caller.AccessKeyID
	if caller.Session != nil {
		used = caller.ID
	}
	s.iam.Touch(used, name, req.Region, req.Now)
	return req, verifyBody(name, r, auth, secret)
}

// verifyBody has the body of an S3 call verified while it is read; the other
// services' bodies are part of what the signature covered.
func verifyBody(name string, r *http.Request, auth *sigv4.Auth, secret string) *wire.Error {
	if name != "s3" {
		return nil
	}
	body, _, err := auth.Body(r, secret)
	if err != nil {
		return refuseSignature(name, err)
	}
	r.Body = payload{body}
	return nil
}

// credentials finds the secret behind a key id: a long-term key in IAM, or
// a session in its token. A key of either kind that comes with the other's
// trimmings is refused like an unknown one.
func (s *Server) credentials(name string, auth *sigv4.Auth) (service.Caller, string, *wire.Error) {
	if auth.Token != "" || strings.HasPrefix(auth.Scope.AccessKeyID, "ASIA") {
		if auth.Token == "" || !strings.HasPrefix(auth.Scope.AccessKeyID, "ASIA") {
			return service.Caller{}, "", refuse(name, badToken, "")
		}
		caller, secret, err := s.sts.Open(auth.Scope.AccessKeyID, auth.Token)
		if err != nil {
			return service.Caller{}, "", refuse(name, badToken, "")
		}
		return caller, secret, nil
	}
	key, ok := s.iam.AccessKey(auth.Scope.AccessKeyID)
	if !ok || !key.Active {
		return service.Caller{}, "", refuse(name, unknownKey, "")
	}
	c := service.Caller{Principal: key.Principal, AccessKeyID: key.ID, Name: key.UserName, UserID: key.Principal.ID}
	if c.Type == engine.Root {
		c.UserID = c.Account
	}
	return c, key.Secret, nil
}

// bodyHash is the hash that the signature must cover. S3 signs a hash that
// the client states; the body is held against it while it is read.
func bodyHash(name string, call *wire.Call) string {
	if name == "s3" {
		return ""
	}
	sum := sha256.Sum256(call.Body)
	return hex.EncodeToString(sum[:])
}

// skew is how far a client's clock may be off: fifteen minutes in S3, and
// fifteen as measured on STS, IAM, EC2 and DynamoDB as well.
const skew = 15 * time.Minute
