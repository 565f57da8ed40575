package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecr"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// bodyLimit bounds a call's body, S3 objects excepted: what DynamoDB takes
// in a batch, and far above what the other services take.
const bodyLimit = 16 << 20

// ServeHTTP is the whole life of a call: decode → authenticate → resolve →
// authorize → handle → encode. Whatever goes wrong is answered in the words
// of the service that was asked, and every call leaves a record.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ecr.IsRegistry(r) {
		s.serveRegistry(w, r)
		return
	}
	w = patient(w, r)
	p := &passage{id: newRequestID(), http: r, arrived: s.clock.now(), began: time.Now()}
	auth, bad := sigv4.Parse(r)
	p.service = wire.Route(r, scope(auth))
	t, ok := s.services[p.service]
	if !ok {
		s.unknownService(w, p)
		return
	}
	model, err := t.model()
	if err != nil {
		s.log.Error("read model", "service", t.Name(), "error", err)
		http.Error(w, "the sandbox cannot read its model of "+t.Name(), http.StatusInternalServerError)
		return
	}
	p.call, p.fault = wire.Decode(model, r, bodyLimit)
	p.call.ID = p.id
	defer s.conclude(w, p)
	if p.fault == nil && bad != nil {
		p.fault = refuseSignature(t.Name(), bad)
	}
	if p.fault != nil {
		return
	}
	if p.req, p.fault = s.authenticate(t.Name(), p.call, auth); p.fault != nil {
		return
	}
	if p.fault = s.faults.strike(t.Name()); p.fault != nil {
		return
	}
	var in any
	if p.op, in, p.fault = t.resolve(p.call); p.fault != nil {
		return
	}
	if p.fault = s.authorize(t, p.op, p.req, in); p.fault != nil {
		return
	}
	if p.op.Serve != nil {
		if err := p.op.Serve(w, r, p.req, in); err != nil {
			p.fault = asFault(err)
		}
		return
	}
	out, err := p.op.Handle(r.Context(), p.req, in)
	if err != nil {
		p.fault = asFault(err)
		return
	}
	p.out = out
	p.call.Reply(w, out)
}

// passage is a call on its way through, and what has become of it.
type passage struct {
	id      string
	arrived time.Time // by the sandbox's clock
	began   time.Time // by the system's, for the call's duration
	service string
	http    *http.Request
	call    *wire.Call
	req     *service.Request // nil until the call is authenticated
	op      service.Operation
	out     any
	fault   *wire.Error
	// fail answers with the fault; nil is the call's own way.
	fail func(http.ResponseWriter, *http.Request, *wire.Error)
}

// conclude answers a call that went wrong, a panic included, and leaves its
// record.
func (s *Server) conclude(w http.ResponseWriter, p *passage) {
	if x := recover(); x != nil {
		if x == http.ErrAbortHandler {
			panic(x)
		}
		s.log.Error("panic", "service", p.service, "operation", p.call.OpName, "request", p.id, "panic", x, "stack", string(debug.Stack()))
		p.fault = wire.Fail("InternalFailure", http.StatusInternalServerError, "The sandbox failed; its log has request %s.", p.id)
	}
	s.late.note()
	if p.fault != nil {
		s.logRefusal(p)
		if p.fail != nil {
			p.fail(w, p.http, p.fault)
		} else {
			p.call.Fail(w, p.fault)
		}
	}
	// Whoever only asks whether a password is good has called nothing.
	if s.trail != nil && (p.call.OpName != "" || p.op.Name != "" || p.fault != nil) {
		s.trail(record(p))
	}
}

func scope(auth *sigv4.Auth) string {
	if auth == nil {
		return ""
	}
	return auth.Scope.Service
}

// resolve finds the row and its typed input.
func (t *table) resolve(call *wire.Call) (service.Operation, any, *wire.Error) {
	name := call.OpName
	if r, ok := t.Service.(service.Resolver); ok {
		var fault *wire.Error
		if name, fault = r.Resolve(call); fault != nil {
			return service.Operation{}, nil, fault
		}
	}
	op, ok := t.ops[name]
	if !ok {
		return op, nil, refuseOperation(t.Name(), name, call.Op != nil)
	}
	if op.Input == nil {
		return op, nil, nil
	}
	in := op.Input()
	if fault := call.Input(in); fault != nil {
		return op, nil, fault
	}
	return op, in, nil
}

// logRefusal notes a refusal: at info, because refusing is what a sandbox is
// for, and as an error where the sandbox itself has failed.
func (s *Server) logRefusal(p *passage) {
	level := slog.LevelInfo
	if p.fault.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	who := "unknown"
	if p.req != nil {
		who = p.req.Caller.ARN
	}
	s.log.LogAttrs(context.Background(), level, "refused",
		slog.String("service", p.service), slog.String("operation", p.call.OpName), slog.String("principal", who),
		slog.String("code", p.fault.Code), slog.String("request", p.id), slog.String("message", p.fault.Message))
}

// asFault is a handler's error as the client gets it. An error without a
// code is a fault of the sandbox itself; the client gets its first line.
func asFault(err error) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	return wire.Fail("InternalFailure", http.StatusInternalServerError, "An internal error occurred in the sandbox: %s", firstLine(err.Error()))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

func source(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
