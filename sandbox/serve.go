package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// bodyLimit bounds a call's body, S3 objects excepted: far above any
// parameter that the services take.
const bodyLimit = 4 << 20

// ServeHTTP is the whole life of a call: decode → authenticate → resolve →
// authorize → handle → encode. Whatever goes wrong is answered in the words
// of the service that was asked.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := newRequestID()
	auth, bad := sigv4.Parse(r)
	var scope string
	if auth != nil {
		scope = auth.Scope.Service
	}
	name := wire.Route(r, scope)
	t, ok := s.services[name]
	if !ok {
		s.unknownService(w, r, id, name)
		return
	}
	call, fault := wire.Decode(t.model, r, bodyLimit)
	call.ID = id
	if fault == nil && bad != nil {
		fault = refuseSignature(name, bad)
	}
	if fault != nil {
		s.fail(w, call, nil, fault)
		return
	}
	req, fault := s.authenticate(name, call, auth)
	if fault != nil {
		s.fail(w, call, req, fault)
		return
	}
	op, in, fault := t.resolve(call)
	if fault != nil {
		s.fail(w, call, req, fault)
		return
	}
	if fault := s.authorize(t, op, req, in); fault != nil {
		s.fail(w, call, req, fault)
		return
	}
	if op.Serve != nil {
		if err := op.Serve(w, r, req, in); err != nil {
			s.fail(w, call, req, asFault(err))
		}
		return
	}
	out, err := op.Handle(r.Context(), req, in)
	if err != nil {
		s.fail(w, call, req, asFault(err))
		return
	}
	call.Reply(w, out)
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

// fail answers a refusal and notes it.
func (s *Server) fail(w http.ResponseWriter, call *wire.Call, req *service.Request, e *wire.Error) {
	who := "unknown"
	if req != nil {
		who = req.Caller.ARN
	}
	s.log.LogAttrs(context.Background(), levelOf(e), "refused",
		attr("service", call.Model.Name()), attr("operation", call.OpName),
		attr("principal", who), attr("code", e.Code), attr("request", call.ID), attr("message", e.Message))
	call.Fail(w, e)
}

// asFault is a handler's error as the client gets it. An error without a
// code is a fault of the sandbox itself; its text stays in the log.
func asFault(err error) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	e := wire.Fail("InternalFailure", http.StatusInternalServerError, "An internal error occurred in the sandbox: %s", firstLine(err.Error()))
	return e
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
