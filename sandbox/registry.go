package sandbox

import (
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecr"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// serveRegistry is the life of a request of docker's to ECR. It differs from
// that of other calls in who says who calls, a password instead of a
// signature, and in the words of errors; each request is an operation of ECR
// that is authorised and recorded like every other.
func (s *Server) serveRegistry(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	user, password, ok := r.BasicAuth()
	if !ok {
		// Clients begin like that, in order to hear what is wanted.
		ecr.FailRegistry(w, r, wire.Fail("UNAUTHORIZED", http.StatusUnauthorized, "Not Authorized"))
		return
	}
	t := s.services["ecr"]
	model, err := t.model()
	if err != nil {
		s.log.Error("read model", "service", t.Name(), "error", err)
		http.Error(w, "the sandbox cannot read its model of "+t.Name(), http.StatusInternalServerError)
		return
	}
	p := &passage{
		id: newRequestID(), http: r, arrived: s.clock.now(), began: time.Now(), service: t.Name(), fail: ecr.FailRegistry,
	}
	p.call = &wire.Call{Model: model, HTTP: r, ID: p.id}
	defer s.conclude(w, p)
	ask, fault := s.ecr.Ask(r)
	if p.fault = fault; fault != nil {
		p.call.OpName = r.Method + " " + r.URL.Path
		return
	}
	p.op, p.call.OpName = ask.Operation, ask.Operation.Name
	if p.req, p.fault = s.login(p.call, user, password); p.fault != nil {
		return
	}
	if p.op.Name == "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	p.req.Region = ask.Region
	if p.fault = s.faults.strike(t.Name()); p.fault != nil {
		return
	}
	if p.fault = s.authorize(t, p.op, p.req, ask.Input); p.fault != nil {
		return
	}
	if err := p.op.Serve(w, r, p.req, ask.Input); err != nil {
		p.fault = asFault(err)
	}
}

// login turns a registry's password into the principal that it was made for,
// if the credentials of that one still are good. The password may outlive the
// session that it was made with, but neither a key nor a role that is gone.
func (s *Server) login(call *wire.Call, user, password string) (*service.Request, *wire.Error) {
	wrong := wire.Fail("UNAUTHORIZED", http.StatusUnauthorized, "the user is %s and the password what aws ecr get-login-password prints for this sandbox", ecr.User)
	r := call.HTTP
	req := &service.Request{
		ID: call.ID, Now: s.clock.now().UTC(), Outside: s.clock.outside().UTC(), Region: DefaultRegion, Source: source(r),
		UserAgent: r.UserAgent(), TLS: r.TLS != nil, Call: call,
	}
	if err := s.store.Refresh(); err != nil {
		s.log.Error("the state cannot be read", "request", req.ID, "error", err)
		return nil, wire.Fail("UNKNOWN", http.StatusInternalServerError, "the state of the sandbox cannot be read")
	}
	l, err := s.ecr.OpenPassword(password)
	if err != nil || user != ecr.User {
		return nil, wrong
	}
	var auth sigv4.Auth
	auth.Scope.AccessKeyID, auth.Token = l.AccessKeyID, l.SessionToken
	caller, _, fault := s.credentials("ecr", &auth)
	if fault != nil || !s.iam.Alive(&caller) {
		return nil, wrong
	}
	req.Caller = caller
	if !req.Now.Before(l.Expires) {
		return req, wire.Fail("DENIED", http.StatusForbidden, "Your authorization token has expired. Reauthenticate and try again.")
	}
	used := caller.AccessKeyID
	if caller.Session != nil {
		used = caller.ID
	}
	s.iam.Touch(used, "ecr", req.Region, req.Now)
	return req, nil
}
