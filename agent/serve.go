package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// ServeOptions say whom a listener serves. The zero value serves callers that
// prove who they are by a token, and no others.
type ServeOptions struct {
	// Workload is the workload this listener belongs to: every connection is
	// taken for its. Whoever reaches the listener then is that workload, so give
	// an Identifier and Admit as well where other users share the host.
	Workload string

	// Identifier finds out which process is at the other end of a connection.
	Identifier Identifier

	// Admit is asked once per connection whether the caller may use this
	// listener at all; its error says why not. Nil admits everyone.
	Admit func(broker.Caller) error

	// MaxConns is the number of connections open at once, 4096 if 0; more are
	// closed as they come. MaxConnsPerCaller is that number for one workload, or
	// for one container or user if the workload is not known, 256 if 0; more are
	// answered 429.
	MaxConns, MaxConnsPerCaller int

	// Drain is how long requests under way may take when the server ends, 5 s if 0.
	Drain time.Duration

	// Log hears of connections that are turned away. Nil is silent.
	Log *slog.Logger
}

// Time and size limits of a connection. A client has sent its request within
// readTimeout, and the head of it within readHeaderTimeout, or is none of ours.
// An answer is there within writeTimeout of the request, or the connection is
// cut: a Broker takes half of that at most, and SDKs wait a second or two.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10 // an Authorization token may be a JWT of some KiB
)

// Serve answers the connections of ln with h, an [IMDS] or an [ECS], until ctx
// ends; then it lets requests under way finish, and returns nil. It closes ln.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, opt ServeOptions) error {
	if opt.MaxConns == 0 {
		opt.MaxConns = 4096
	}
	if opt.MaxConnsPerCaller == 0 {
		opt.MaxConnsPerCaller = 256
	}
	if opt.Drain == 0 {
		opt.Drain = 5 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	checker, _ := opt.Identifier.(Checker)
	s := &server{Listener: ln, served: time.Now(), checker: checker, lasting: checker != nil || opt.Identifier == nil, opt: opt,
		open: make(map[*connection]struct{}), billed: make(map[string]int)}
	web := &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(opt.Log.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, contextKey{}, c)
		},
	}
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go s.sweep(sweeping)
	served := make(chan error, 1)
	go func() { served <- web.Serve(s) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), opt.Drain)
	defer cancel()
	if err := web.Shutdown(drain); err != nil {
		web.Close() // out of patience: connections still busy are cut
	}
	<-served
	return nil
}

// server is a listener that knows whose its connections are.
type server struct {
	net.Listener
	opt     ServeOptions
	served  time.Time // when it began
	checker Checker   // nil if the Identifier is none
	lasting bool      // an identity lasts as long as its connection

	mu     sync.Mutex // guards the fields below
	open   map[*connection]struct{}
	billed map[string]int // connections open, by caller
}

// Accept returns the next connection, an unknown caller's: finding out who it
// is must not keep others waiting, so it happens at the first read.
func (s *server) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		own := &connection{Conn: c, srv: s}
		s.mu.Lock()
		full := len(s.open) >= s.opt.MaxConns
		if !full {
			s.open[own] = struct{}{}
		}
		s.mu.Unlock()
		if !full {
			return own, nil
		}
		s.opt.Log.Warn("connection closed: too many are open", "remote", c.RemoteAddr().String(), "max", s.opt.MaxConns)
		c.Close()
	}
}

// find says who is at the other end of c.
func (s *server) find(c net.Conn) (broker.Caller, error) {
	who := broker.Caller{UID: -1, PID: -1}
	if s.opt.Identifier != nil {
		var err error
		if who, err = s.opt.Identifier.Identify(c); err != nil {
			return broker.Caller{}, fmt.Errorf("identify the caller: %w", err)
		}
	} else if s.opt.Workload == "" {
		return broker.Caller{}, errUnknown
	}
	if s.opt.Workload != "" {
		who.Workload, who.How = s.opt.Workload, broker.ByListener
	}
	if s.opt.Admit != nil {
		if err := s.opt.Admit(who); err != nil {
			return broker.Caller{}, fmt.Errorf("admit %s: %w", who, err)
		}
	}
	return who, nil
}

// bill counts c among the connections of the caller named key, and reports
// whether it may have one more.
func (s *server) bill(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.billed[key] >= s.opt.MaxConnsPerCaller {
		return false
	}
	s.billed[key]++
	return true
}

// billing is the name under which connections of a caller are counted.
func billing(c broker.Caller) string {
	if c.Workload != "" {
		return "workload " + c.Workload
	}
	if id, _ := c.Instance(); id != "" {
		return "container " + id // its users are not the host's
	}
	return "uid " + strconv.Itoa(c.UID)
}

// tooMany is the body of the answer to a connection over its caller's budget,
// in words the clients of both dialects show.
const tooMany = `{"code":"TooManyConnections","message":"this workload has too many connections open; reuse or close them"}`

// Read reads from the connection. Before the first time it finds out who is at
// the other end and whether they may have one more connection: a caller with
// too many cannot keep others out by opening more.
func (c *connection) Read(p []byte) (int, error) {
	if c.admitted.Load() || c.begin() {
		return c.Conn.Read(p)
	}
	// Clients take an answer that comes before they have asked for a broken
	// connection, so wait for the question, but not for long.
	c.Conn.SetDeadline(time.Now().Add(time.Second))
	if n, err := c.Conn.Read(p); n == 0 && err != nil {
		return 0, err
	}
	fmt.Fprintf(c.Conn, "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"+
		"Connection: close\r\nContent-Length: %d\r\n\r\n%s", len(tooMany), tooMany)
	return 0, io.EOF
}

// begin reports whether the connection may be read from.
func (c *connection) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	// An unknown caller may: the dialect tells it so, or a token tells who it is.
	if who, err := c.identifyLocked(); err == nil && !c.billLocked(who) {
		c.over = true
		c.srv.opt.Log.Warn("connection turned away: the caller has too many open", "caller", who, "max", c.srv.opt.MaxConnsPerCaller)
		return false
	}
	c.admitted.Store(true)
	return true
}

// bill counts the connection among those of who, once, and reports whether
// they may have it.
func (c *connection) bill(who broker.Caller) bool {
	if c == nil || c.srv == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.billLocked(who)
}

func (c *connection) billLocked(who broker.Caller) bool {
	for _, key := range c.billed {
		if name, ok := strings.CutPrefix(key, "workload "); ok && name == who.Workload {
			return true // the common case, without making a key
		}
	}
	key := billing(who)
	if c.closed || slices.Contains(c.billed, key) {
		return true
	}
	if !c.srv.bill(key) {
		return false
	}
	c.billed = append(c.billed, key)
	return true
}

// Close closes the connection and takes it off its caller's budget.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return err
	}
	c.closed = true
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	delete(c.srv.open, c)
	for _, key := range c.billed {
		if c.srv.billed[key]--; c.srv.billed[key] == 0 {
			delete(c.srv.billed, key)
		}
	}
	return err
}
