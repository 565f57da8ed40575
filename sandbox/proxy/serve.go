package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// headerTime bounds reading a request's header, a TLS handshake, and
	// writing the answer to a CONNECT.
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	headerSize = 64 << 10
	drainTime  = 2 * time.Second
	// mostTunnels is far above what the clients of one host open at a time.
	mostTunnels = 2048
)

// Options are the choices of a proxy. The zero value is right.
type Options struct {
	// Now is the clock for certificates; nil is the system's.
	Now func() time.Time
	// Log receives a line for each host that is refused, and at debug level
	// one for each tunnel. Nil discards.
	Log *slog.Logger
}

// Proxy stands in for AWS's hosts before the clients that are set up to use
// it. It holds no connection of its own to anything.
type Proxy struct {
	handler http.Handler
	leaves  leaves
	log     *slog.Logger
}

// New makes a proxy that has a handler answer for every host of AWS. Clients
// have to trust the authority's certificate. The handler gets requests in
// origin form, with the client's Host; a body is not read before the handler
// reads it.
func New(handler http.Handler, authority *Authority, opt Options) *Proxy {
	p := &Proxy{handler: handler, leaves: leaves{authority: authority, now: opt.Now}, log: opt.Log}
	if p.leaves.now == nil {
		p.leaves.now = time.Now
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p
}

// Serve answers on the listener until ctx ends, then lets running requests
// finish for a moment. It returns an error only if the listener fails.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	inner := newTunnels(ln.Addr())
	inside := p.server(http.HandlerFunc(p.serveTunnel))
	inside.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, hostKey{}, hostOf(c))
	}
	outside := p.server(&front{p, inner})
	var running sync.WaitGroup
	running.Go(func() { inside.Serve(inner) })
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		drain(last, outside)
		drain(last, inside)
	})
	err := outside.Serve(ln)
	if stop() {
		inside.Close()
	} else {
		<-drained
	}
	running.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func drain(ctx context.Context, s *http.Server) {
	if s.Shutdown(ctx) != nil {
		s.Close()
	}
}

// server is an HTTP/1.1 server with the limits of both sides.
func (p *Proxy) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerSize,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// front is the side that clients see as their proxy.
type front struct {
	*Proxy
	tunnels *tunnels
}

// ServeHTTP opens a tunnel, answers a request for a plain HTTP address, or
// refuses.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		f.connect(w, r)
		return
	}
	if r.URL.Scheme == "" {
		f.refuse(w, r, &refusal{http.StatusBadRequest, "this is a proxy, not the sandbox itself",
			"set HTTPS_PROXY to this address, as mantle sandbox env NAME --proxy does"})
		return
	}
	if r.URL.Scheme != "http" {
		f.refuse(w, r, &refusal{http.StatusBadRequest, "a proxy is asked for https by CONNECT", ""})
		return
	}
	host, bad := target(r.Host, "80")
	if bad == nil {
		r, bad = originForm(r)
	}
	if bad != nil {
		f.refuse(w, r, bad)
		return
	}
	f.log.Debug("proxied", "host", host, "scheme", "http")
	// For this hop alone (RFC 9110, 7.6.1 and 11.7).
	r.Header.Del("Proxy-Connection")
	r.Header.Del("Proxy-Authorization")
	f.handler.ServeHTTP(w, r)
}

// originForm rewrites a request whose target is an absolute URL into the one
// that the URL's host would have received (RFC 9112, 3.2.1). The path and the
// query stay byte for byte what a signature covers.
func originForm(r *http.Request) (*http.Request, *refusal) {
	_, rest, ok := strings.Cut(r.RequestURI, "://")
	if !ok {
		return r, &refusal{http.StatusBadRequest, "the request's target is not a URL", ""}
	}
	uri := "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		uri = rest[i:]
		if uri[0] == '?' {
			uri = "/" + uri
		}
	}
	u, err := url.ParseRequestURI(uri)
	if err != nil || r.URL.User != nil {
		return r, &refusal{http.StatusBadRequest, "the request's target is not a URL that AWS serves", ""}
	}
	out := r.WithContext(r.Context())
	out.URL, out.RequestURI = u, uri
	return out, nil
}

// connect answers a CONNECT (RFC 9110, 9.3.6) and hands the connection on.
func (f *front) connect(w http.ResponseWriter, r *http.Request) {
	host, bad := target(r.RequestURI, "443")
	if bad == nil && !strings.Contains(r.RequestURI, ":") {
		bad = &refusal{http.StatusBadRequest, "CONNECT names a host and a port", ""}
	}
	if bad == nil && !f.tunnels.enter() {
		bad = &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d connections are open already", mostTunnels), "end the clients that hold them"}
	}
	if bad != nil {
		f.refuse(w, r, bad)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.tunnels.leave()
		f.log.Debug("tunnel not opened", "host", host, "error", err)
		return
	}
	t := &tunnel{Conn: conn, host: host, leave: f.tunnels.leave}
	if n := buffered.Reader.Buffered(); n > 0 {
		// The client did not wait for the answer.
		t.early = make([]byte, n)
		io.ReadFull(buffered.Reader, t.early)
	}
	conn.SetWriteDeadline(time.Now().Add(headerTime))
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		t.Close()
		return
	}
	conn.SetWriteDeadline(time.Time{})
	f.log.Debug("proxied", "host", host, "scheme", "https")
	f.tunnels.hand(f.secure(t))
}

// refuse answers with the reason. To a CONNECT it stands in the status line
// as well, the only part of such an answer that most clients show.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, bad *refusal) {
	p.log.Info("proxy refused", "method", r.Method, "host", shorten(r.Host), "reason", bad.reason)
	body := "mantle sandbox proxy: " + bad.reason + "\n"
	if bad.hint != "" {
		body += "hint: " + bad.hint + "\n"
	}
	if r.Method == http.MethodConnect {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(headerTime))
		fmt.Fprintf(conn, "HTTP/1.1 %d mantle sandbox proxy: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			bad.status, bad.reason, len(body), body)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Connection", "close")
	w.WriteHeader(bad.status)
	io.WriteString(w, body)
}
