package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/sandbox/proxy"
)

// stand is a running proxy and what a client needs to use it.
type stand struct {
	t         *testing.T
	authority *proxy.Authority
	address   string
	end       func()
}

func start(t *testing.T, h http.Handler, opt proxy.Options) *stand {
	t.Helper()
	a, err := proxy.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stand{t: t, authority: a, address: ln.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		if err := proxy.New(h, a, opt).Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	s.end = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(s.end)
	return s
}

func (s *stand) roots() *x509.CertPool {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(s.authority.CertificatePEM()) {
		s.t.Fatal("the authority's certificate is not PEM")
	}
	return p
}

// client goes through the proxy as programs do that are set up by HTTPS_PROXY
// and a bundle of certificates.
func (s *stand) client() *http.Client {
	tr := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: s.address}),
		TLSClientConfig: &tls.Config{RootCAs: s.roots()},
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// seen is a request as the handler got it.
type seen struct {
	method, host, uri, path string
	tls                     bool
	header                  http.Header
	body                    string
}

// recorder is a handler that keeps what it got.
type recorder struct {
	mu  sync.Mutex // guards the field below
	all []seen
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.all = append(rec.all, seen{r.Method, r.Host, r.RequestURI, r.URL.Path, r.TLS != nil, r.Header, string(body)})
	fmt.Fprint(w, "answer")
}

func (rec *recorder) last(t *testing.T) seen {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.all) == 0 {
		t.Fatal("nothing arrived")
	}
	return rec.all[len(rec.all)-1]
}

// TestRequestsArriveAsSent: host, target and scheme are what a signature and
// the virtual-host addresses of buckets need.
func TestRequestsArriveAsSent(t *testing.T) {
	rec := &recorder{}
	s := start(t, rec, proxy.Options{})
	c := s.client()
	for _, test := range []struct{ url, host, uri, path string }{
		{"https://sts.amazonaws.com/", "sts.amazonaws.com", "/", "/"},
		{"https://iam.amazonaws.com", "iam.amazonaws.com", "/", "/"},
		{"https://bucket.s3.eu-west-1.amazonaws.com/a//b/%C3%A4%20c%2F.txt?list-type=2&x-id=Get", "bucket.s3.eu-west-1.amazonaws.com", "/a//b/%C3%A4%20c%2F.txt?list-type=2&x-id=Get", "/a//b/ä c/.txt"},
		{"https://my.bucket.with.dots.s3.us-east-1.amazonaws.com/k", "my.bucket.with.dots.s3.us-east-1.amazonaws.com", "/k", "/k"},
		{"https://111122223333.ddb.eu-west-1.amazonaws.com/", "111122223333.ddb.eu-west-1.amazonaws.com", "/", "/"},
		{"https://sts.cn-north-1.amazonaws.com.cn/", "sts.cn-north-1.amazonaws.com.cn", "/", "/"},
		{"https://sts.eusc-de-east-1.amazonaws.eu/", "sts.eusc-de-east-1.amazonaws.eu", "/", "/"},
		{"https://ec2.us-east-1.api.aws:443/", "ec2.us-east-1.api.aws:443", "/", "/"},
		{"https://" + strings.Repeat("b", 63) + ".s3.us-gov-west-1.amazonaws.com/", strings.Repeat("b", 63) + ".s3.us-gov-west-1.amazonaws.com", "/", "/"},
		{"http://bucket.s3.amazonaws.com//../k%2e?q=a+b", "bucket.s3.amazonaws.com", "//../k%2e?q=a+b", "//../k."},
		{"http://sts.amazonaws.com?Action=X", "sts.amazonaws.com", "/?Action=X", "/"},
	} {
		r, err := c.Get(test.url)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != 200 || string(body) != "answer" {
			t.Errorf("%s: %d %s", test.url, r.StatusCode, body)
			continue
		}
		got := rec.last(t)
		if got.host != test.host || got.uri != test.uri || got.path != test.path || got.tls != strings.HasPrefix(test.url, "https:") {
			t.Errorf("%s arrived as %+v, want %+v", test.url, got, test)
		}
	}
}

// TestRefused: nothing but AWS's endpoints is answered for, and the client is
// told why. A proxy that dialled would fail these with other words.
func TestRefused(t *testing.T) {
	rec := &recorder{}
	s := start(t, rec, proxy.Options{})
	c := s.client()
	for _, test := range []struct{ url, want string }{
		{"https://example.com/", "example.com is not an AWS endpoint"},
		{"https://amazonaws.com/", "amazonaws.com is not an AWS endpoint"},
		{"https://evil-amazonaws.com/", "evil-amazonaws.com is not an AWS endpoint"},
		{"https://sts.amazonaws.com.evil.test/", "is not an AWS endpoint"},
		{"https://signin.aws.amazon.com/", "is not an AWS endpoint"},
		{"https://localhost/", "localhost is not an AWS endpoint"},
		{"https://sts.amazonaws.com:8443/", "port 443"},
		{"https://127.0.0.1:443/", "127.0.0.1 is an address"},
		{"https://[::1]:443/", "::1 is an address"},
		{"https://169.254.169.254/", "never fetched through a proxy"},
		{"https://[::ffff:169.254.170.2]/", "never fetched through a proxy"},
		{"https://[fd00:ec2::254]/", "never fetched through a proxy"},
		{"http://169.254.169.254/latest/meta-data/", "add 169.254.169.254 to NO_PROXY"},
		{"http://example.com/", "example.com is not an AWS endpoint"},
		{"http://sts.amazonaws.com:8080/", "port 80"},
		{"http://127.0.0.1:22/", "127.0.0.1 is an address"},
	} {
		r, err := c.Get(test.url)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			got = fmt.Sprint(r.StatusCode, " ", string(b))
			if r.StatusCode < 400 || r.StatusCode > 499 {
				t.Errorf("%s: status %d", test.url, r.StatusCode)
			}
		}
		if !strings.Contains(got, test.want) || !strings.Contains(got, "mantle sandbox proxy") {
			t.Errorf("%s: got %q, want %q in it", test.url, got, test.want)
		}
	}
	if len(rec.all) > 0 {
		t.Errorf("the handler got %+v", rec.all)
	}
}

// raw sends bytes to the proxy and returns all that comes back until the
// proxy closes.
func (s *stand) raw(send string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, send)
	b, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatalf("%q: %v after %q", send, err, b)
	}
	return string(b)
}

func TestOddRequests(t *testing.T) {
	rec := &recorder{}
	s := start(t, rec, proxy.Options{})
	for _, test := range []struct{ send, want string }{
		{"CONNECT sts.amazonaws.com HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "HTTP/1.1 400 mantle sandbox proxy: CONNECT names a host and a port"},
		{"CONNECT /path HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT a@sts.amazonaws.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT sts..amazonaws.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT \xc3\xa4.amazonaws.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT " + strings.Repeat("a", 3000) + ":443 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		// What Host says does not open a tunnel.
		{"CONNECT example.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n\r\n", "HTTP/1.1 403 mantle sandbox proxy: example.com is"},
		{"GET / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "this is a proxy, not the sandbox itself"},
		{"GET https://sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "asked for https by CONNECT"},
		{"GET http://example.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "example.com is not an AWS endpoint"},
		{"GET http://user:pw@sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "not a URL that AWS serves"},
		{"OPTIONS * HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "this is a proxy"},
		{"GET file:///etc/passwd HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "HTTP/1.1 400 "},
		// Two lengths: a request whose end is in doubt goes nowhere.
		{"POST http://sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "HTTP/1.1 400 "},
		{"POST http://sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "HTTP/1.1 501 "},
		{"GET http://sts.amazonaws.com/ HTTP/1.1\r\nHost : sts.amazonaws.com\r\n\r\n", "HTTP/1.1 400 "},
	} {
		if got := s.raw(test.send); !strings.Contains(got, test.want) {
			t.Errorf("%.60q: got %q, want %q in it", test.send, got, test.want)
		}
	}
	if len(rec.all) > 0 {
		t.Errorf("the handler got %+v", rec.all)
	}
}

// TestHopHeaders: what is meant for the proxy does not reach the sandbox.
func TestHopHeaders(t *testing.T) {
	rec := &recorder{}
	s := start(t, rec, proxy.Options{})
	s.raw("GET http://sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\nProxy-Authorization: Basic eDp5\r\nProxy-Connection: close\r\nConnection: close\r\nX-Amz-Date: d\r\n\r\n")
	h := rec.last(t).header
	if h.Get("Proxy-Authorization") != "" || h.Get("Proxy-Connection") != "" || h.Get("X-Amz-Date") != "d" {
		t.Errorf("got %v", h)
	}
}

// tunnelTo opens a tunnel by hand.
func (s *stand) tunnelTo(host, serverName string) (*tls.Conn, error) {
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", host, host)
	br := bufio.NewReader(c)
	r, err := http.ReadResponse(br, &http.Request{Method: "CONNECT"})
	if err != nil || r.StatusCode != 200 {
		s.t.Fatalf("CONNECT %s: %v %v", host, r, err)
	}
	t := tls.Client(c, &tls.Config{RootCAs: s.roots(), ServerName: serverName, NextProtos: []string{"h2", "http/1.1"}})
	return t, t.Handshake()
}

// TestOneTunnelOneHost: a connection to one host carries no request to
// another, whichever way it is asked for.
func TestOneTunnelOneHost(t *testing.T) {
	rec := &recorder{}
	s := start(t, rec, proxy.Options{})
	if _, err := s.tunnelTo("sts.amazonaws.com", "iam.amazonaws.com"); err == nil {
		t.Error("TLS to another host than the tunnel's succeeded")
	}
	for _, test := range []struct{ send, want string }{
		{"GET / HTTP/1.1\r\nHost: iam.amazonaws.com\r\n\r\n", "421 Misdirected Request"},
		{"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "403 Forbidden"},
		{"GET / HTTP/1.1\r\nHost: sts.amazonaws.com:80\r\n\r\n", "403 Forbidden"},
		{"GET http://169.254.169.254/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n", "403 Forbidden"},
		{"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n\r\n", "400 mantle sandbox proxy: a tunnel leads to an AWS endpoint"},
	} {
		c, err := s.tunnelTo("sts.amazonaws.com", "sts.amazonaws.com")
		if err != nil {
			t.Fatal(err)
		}
		if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("protocol %q", p)
		}
		io.WriteString(c, test.send)
		b, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(b), "HTTP/1.1 "+test.want) {
			t.Errorf("%q: got %q, want %q", test.send, b, test.want)
		}
	}
	if len(rec.all) > 0 {
		t.Errorf("the handler got %+v", rec.all)
	}
	// The tunnel's own host in any spelling, and as a URL.
	for _, send := range []string{
		"GET /k HTTP/1.1\r\nHost: STS.amazonaws.com:443\r\nConnection: close\r\n\r\n",
		"GET https://sts.amazonaws.com/k HTTP/1.1\r\nHost: sts.amazonaws.com\r\nConnection: close\r\n\r\n",
	} {
		c, err := s.tunnelTo("sts.amazonaws.com.", "sts.amazonaws.com")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, send)
		b, _ := io.ReadAll(c)
		if got := rec.last(t); !strings.HasPrefix(string(b), "HTTP/1.1 200") || got.uri != "/k" || !got.tls {
			t.Errorf("%q: %q, arrived as %+v", send, b, got)
		}
	}
}

// TestEarlyHello: a client that begins TLS before its CONNECT is answered.
func TestEarlyHello(t *testing.T) {
	s := start(t, &recorder{}, proxy.Options{})
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	e := &eager{Conn: c, before: "CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\n\r\n"}
	tc := tls.Client(e, &tls.Config{RootCAs: s.roots(), ServerName: "sts.amazonaws.com"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(tc, "GET / HTTP/1.1\r\nHost: sts.amazonaws.com\r\nConnection: close\r\n\r\n")
	if b, _ := io.ReadAll(tc); !strings.HasPrefix(string(b), "HTTP/1.1 200") {
		t.Errorf("got %q", b)
	}
}

// eager sends its CONNECT and the first bytes of TLS in one write, and reads
// past the CONNECT's answer.
type eager struct {
	net.Conn
	before string
	r      *bufio.Reader
}

func (e *eager) Write(b []byte) (int, error) {
	n := len(b)
	if e.before != "" {
		b, e.before = append([]byte(e.before), b...), ""
	}
	_, err := e.Conn.Write(b)
	return n, err
}

func (e *eager) Read(b []byte) (int, error) {
	if e.r == nil {
		e.r = bufio.NewReader(e.Conn)
		if r, err := http.ReadResponse(e.r, &http.Request{Method: "CONNECT"}); err != nil || r.StatusCode != 200 {
			return 0, fmt.Errorf("CONNECT: %v %w", r, err)
		}
	}
	return e.r.Read(b)
}

// TestKeepAlive: several requests, bodies included, share one tunnel, and a
// body is handed on while it is still being sent.
func TestKeepAlive(t *testing.T) {
	first := make(chan string)
	addresses := map[string]bool{}
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses[r.RemoteAddr] = true
		if r.URL.Path == "/stream" {
			b := make([]byte, 5)
			io.ReadFull(r.Body, b)
			first <- string(b)
		}
		io.Copy(w, r.Body)
	}), proxy.Options{})
	c := s.client()
	for i := range 5 {
		r, err := c.Post("https://b.s3.amazonaws.com/", "", strings.NewReader(fmt.Sprint("body ", i)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(b) != fmt.Sprint("body ", i) {
			t.Errorf("got %q", b)
		}
	}
	pr, pw := io.Pipe()
	go func() {
		io.WriteString(pw, "first")
		if got := <-first; got != "first" {
			pw.CloseWithError(errors.New("the handler got " + got))
			return
		}
		io.WriteString(pw, " rest")
		pw.Close()
	}()
	r, err := c.Post("https://b.s3.amazonaws.com/stream", "", pr)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || string(b) != " rest" {
		t.Errorf("got %q, %v", b, err)
	}
	if len(addresses) != 1 {
		t.Errorf("%d connections, want 1", len(addresses))
	}
}

// TestExpectContinue: the client is asked for its body when the handler reads
// it, and spared sending it if the handler does not.
func TestExpectContinue(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.Copy(w, r.Body)
	}), proxy.Options{})
	for path, want := range map[string]string{"/": "HTTP/1.1 100 Continue", "/refused": "HTTP/1.1 403 Forbidden"} {
		c, err := s.tunnelTo("b.s3.amazonaws.com", "b.s3.amazonaws.com")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: b.s3.amazonaws.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", path)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || strings.TrimSpace(line) != want {
			t.Errorf("%s: got %q, %v, want %s", path, line, err, want)
		}
	}
}

// TestEnd: Serve returns only when the last request is answered, and closes
// idle tunnels.
func TestEnd(t *testing.T) {
	arrived, finish := make(chan bool), make(chan bool)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- true
			<-finish
		}
		io.WriteString(w, "done")
	}), proxy.Options{})
	c := s.client()
	if r, err := c.Get("https://sts.amazonaws.com/"); err != nil {
		t.Fatal(err)
	} else {
		r.Body.Close()
	}
	slow := make(chan error, 1)
	go func() {
		r, err := s.client().Get("https://sts.amazonaws.com/slow")
		if err == nil {
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if string(b) != "done" {
				err = fmt.Errorf("got %q", b)
			}
		}
		slow <- err
	}()
	<-arrived
	ended := make(chan bool)
	go func() { s.end(); close(ended) }()
	select {
	case <-ended:
		t.Error("Serve returned while a request was running")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		t.Error("Serve did not return")
	}
}

// TestUntrusting: a client that does not trust the authority sends nothing.
func TestUntrusting(t *testing.T) {
	rec := &recorder{}
	var log bytes.Buffer
	s := start(t, rec, proxy.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	c := &http.Client{Transport: &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: s.address}),
		TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()},
	}}
	_, err := c.Get("https://sts.amazonaws.com/")
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("got %v, want a failed verification", err)
	}
	if len(rec.all) > 0 {
		t.Errorf("the handler got %+v", rec.all)
	}
	if _, err := c.Get("https://example.com/"); err == nil {
		t.Error("example.com was answered")
	}
	s.end()
	if !strings.Contains(log.String(), "example.com is not an AWS endpoint") {
		t.Errorf("the log lacks the refusal: %s", &log)
	}
}
