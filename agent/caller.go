package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/mantle-iam/mantle/broker"
)

// Broker lends a caller its role. *broker.Broker is one.
//
// Its errors decide the answer: *broker.RefusedError is a caller without a
// role, *broker.LendError a role that could not be borrowed; whatever else is
// a failure without details.
type Broker interface {
	Credentials(context.Context, broker.Caller) (broker.Credentials, error)
}

// Decider is what a [Broker] may also be: Decide names a caller's role without
// borrowing it, so that [IMDS] lists it at once. SDKs wait a second for each
// answer, and STS may take longer.
type Decider interface {
	Decide(broker.Caller) broker.Decision
}

// Prefetcher is what a [Broker] may also be: Prefetch begins to borrow a
// caller's role and does not wait. IMDS calls it when the role is listed, which
// is what an SDK does just before it asks for the credentials.
type Prefetcher interface {
	Prefetch(broker.Caller) error
}

// Identifier finds out who is at the other end of a connection. It is asked
// when the connection is accepted, and again for every request but the first,
// unless it is a [Checker] as well.
type Identifier interface {
	Identify(net.Conn) (broker.Caller, error)
}

// Checker is what an [Identifier] may also be, if it can tell at little cost
// whether a caller, identified earlier on the connection, is still the same
// process running the same program. Then an identity is kept for as long as its
// connection, and Check is asked before every answer that depends on it. An
// error means it is not; the connection's next request is identified anew.
type Checker interface {
	Check(net.Conn, broker.Caller) error
}

// errUnknown says that neither listener, kernel nor token told who calls.
var errUnknown = errors.New("nothing tells who is calling: this endpoint belongs to no workload and identifies no processes")

// errLate is the error of a request whose client has hung up, or whose server
// is ending. It is answered all the same: a handler that just returns has
// net/http say 200, with no credentials in it.
var errLate = errors.New("the role was not borrowed in time; try again")

// contextKey is the type of the only value this package keeps in a context:
// the *connection a request came in on, or what WithCaller put there.
type contextKey struct{}

// WithCaller returns a context whose requests were sent by c, for a server
// other than [Serve] that knows its callers in a way of its own.
func WithCaller(ctx context.Context, c broker.Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, &connection{caller: c, known: true})
}

// connection is an accepted connection and what is known of its other end.
type connection struct {
	net.Conn // nil if WithCaller made it

	srv *server // nil if WithCaller made it

	admitted atomic.Bool // it may be read from

	deadlines   sync.Mutex // guards the two below
	read, write deadline

	mu     sync.Mutex // guards the fields below
	over   bool       // the caller has too many connections
	caller broker.Caller
	known  bool     // caller is set
	fresh  bool     // caller was found since the last request, and not yet used
	billed []string // whose budget of connections this one counts in
	closed bool
}

// connectionOf returns the connection r came in on, nil if not known.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(contextKey{}).(*connection)
	return c
}

// identify returns who is at the other end. A failure is not kept, so that a
// process which was not yet known is found on its next request.
func (c *connection) identify() (broker.Caller, error) {
	if c == nil {
		return broker.Caller{}, errUnknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && !c.fresh && c.srv != nil && !c.srv.lasting {
		c.known = false
	}
	who, err := c.identifyLocked()
	c.fresh = false
	return who, err
}

func (c *connection) identifyLocked() (broker.Caller, error) {
	if c.known {
		return c.caller, nil
	}
	if c.srv == nil {
		return broker.Caller{}, errUnknown
	}
	who, err := c.srv.find(c.Conn)
	if err != nil {
		return broker.Caller{}, err
	}
	c.caller, c.known, c.fresh = who, true, true
	return who, nil
}

// confirm returns an error if a [Checker] says that the other end is no longer
// who it was found to be. It is asked after the Broker and before the answer:
// what was decided for one process must not be read by another that took its
// place while its role was being borrowed.
func (c *connection) confirm() error {
	if c == nil || c.srv == nil || c.srv.checker == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return nil // known by a token
	}
	err := c.srv.checker.Check(c.Conn, c.caller)
	if err != nil {
		err = fmt.Errorf("check that the caller is still %s: %w", c.caller, err)
		c.caller, c.known = broker.Caller{}, false
	}
	return err
}

// admits returns an error if this connection may not be used by a caller whose
// token says it is workload: the listener is another's, or Admit does not let
// the process in.
func (c *connection) admits(workload string) error {
	if c == nil || c.srv == nil {
		return nil
	}
	if own := c.srv.opt.Workload; own != "" && own != workload {
		return fmt.Errorf("this endpoint belongs to workload %q and the token to workload %q; use the endpoint that came with the token", own, workload)
	}
	if c.srv.opt.Admit == nil || c.srv.opt.Identifier == nil {
		return nil
	}
	_, err := c.identify()
	return err
}
