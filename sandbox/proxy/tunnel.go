package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel is a client's connection after its CONNECT was answered.
type tunnel struct {
	net.Conn
	host  string
	early []byte // what the client sent behind its CONNECT, still to be read
	leave func()
	once  sync.Once
}

func (t *tunnel) Read(b []byte) (int, error) {
	if len(t.early) > 0 {
		n := copy(b, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	return t.Conn.Read(b)
}

func (t *tunnel) Close() error {
	t.once.Do(t.leave)
	return t.Conn.Close()
}

// secure puts TLS around a tunnel. The handshake is the inner server's, under
// its time limit.
func (p *Proxy) secure(t *tunnel) net.Conn {
	return tls.Server(t, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// A ticket would be of use to this one connection only.
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if name := hello.ServerName; name != "" && !strings.EqualFold(name, t.host) {
				return nil, fmt.Errorf("the tunnel is to %s, TLS in it to %s", t.host, shorten(name))
			}
			return p.leaves.get(t.host)
		},
	})
}

type hostKey struct{}

// hostOf is the host that a connection was opened to.
func hostOf(c net.Conn) string {
	if s, ok := c.(*tls.Conn); ok {
		if t, ok := s.NetConn().(*tunnel); ok {
			return t.host
		}
	}
	return ""
}

// serveTunnel hands a request from a tunnel to the handler, if it is for the
// host that the tunnel was opened to: its certificate vouches for no other
// (RFC 9110, 7.4).
func (p *Proxy) serveTunnel(w http.ResponseWriter, r *http.Request) {
	opened, _ := r.Context().Value(hostKey{}).(string)
	asked, bad := target(r.Host, "443")
	if bad == nil && asked != opened {
		bad = &refusal{http.StatusMisdirectedRequest, "the connection is to " + opened + ", the request to " + asked, ""}
	}
	if bad == nil && r.Method == http.MethodConnect {
		bad = &refusal{http.StatusBadRequest, "a tunnel leads to an AWS endpoint, not to another proxy", ""}
	}
	if bad == nil && r.URL.Scheme != "" {
		r, bad = originForm(r)
	}
	if bad != nil {
		p.refuse(w, r, bad)
		return
	}
	p.handler.ServeHTTP(w, r)
}

// tunnels is where the inner server accepts its connections from.
type tunnels struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
	addr  net.Addr
	open  atomic.Int64
}

func newTunnels(addr net.Addr) *tunnels {
	t := &tunnels{conns: make(chan net.Conn), done: make(chan struct{}), addr: addr}
	t.close = sync.OnceFunc(func() { close(t.done) })
	return t
}

// enter counts a tunnel; it is false if there are too many. Each that was
// counted calls leave once.
func (t *tunnels) enter() bool {
	if t.open.Add(1) > mostTunnels {
		t.leave()
		return false
	}
	return true
}

func (t *tunnels) leave() { t.open.Add(-1) }

// hand gives a connection to the inner server, or closes it if that has ended.
func (t *tunnels) hand(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		hangUp(c)
	}
}

// hangUp closes the connection below TLS, which has nothing to say yet.
func hangUp(c net.Conn) {
	if s, ok := c.(*tls.Conn); ok {
		c = s.NetConn()
	}
	c.Close()
}

func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

func (t *tunnels) Close() error   { t.close(); return nil }
func (t *tunnels) Addr() net.Addr { return t.addr }

// mostLeaves bounds the certificates that are kept: with buckets in host
// names there is one for each bucket.
const mostLeaves = 1024

// leaves are the certificates of hosts. One is kept for half of its life; if
// there are too many, all are forgotten, since making one takes less than a
// millisecond.
type leaves struct {
	authority *Authority
	now       func() time.Time
	mu        sync.Mutex // guards the field below
	byHost    map[string]*tls.Certificate
}

func (l *leaves) get(host string) (*tls.Certificate, error) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.byHost[host]; c != nil && now.Add(leafLife/2).Before(c.Leaf.NotAfter) && !now.Before(c.Leaf.NotBefore) {
		return c, nil
	}
	c, err := l.authority.issue(host, now)
	if err != nil {
		return nil, err
	}
	if l.byHost == nil || len(l.byHost) >= mostLeaves {
		l.byHost = map[string]*tls.Certificate{}
	}
	l.byHost[host] = c
	return c, nil
}
