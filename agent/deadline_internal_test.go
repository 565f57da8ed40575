package agent

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// pipes is a listener whose connections are in memory, so that their deadlines
// are of the test's clock.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// closedAfter returns when the server closed a connection, by the test's clock.
func closedAfter(c net.Conn) time.Duration {
	began := time.Now()
	io.Copy(io.Discard, c)
	return time.Since(began)
}

// A connection is cut when its time is up and at most a second later.
func TestDeadlines(t *testing.T) {
	wait := make(chan time.Duration, 1) // how long the broker takes
	b := brokerFunc(func(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
		select {
		case <-time.After(<-wait):
			return broker.Credentials{AccessKeyID: "ASIA", Expires: time.Now().Add(time.Hour)}, nil
		case <-ctx.Done():
			return broker.Credentials{}, ctx.Err()
		}
	})
	const ask = "GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n"
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, c net.Conn)
		want time.Duration // until the server hangs up
	}{
		{"silent from the start", func(*testing.T, net.Conn) {}, readHeaderTimeout},
		{"half a request", func(_ *testing.T, c net.Conn) { io.WriteString(c, ask) }, readHeaderTimeout},
		{"idle after an answer", func(t *testing.T, c net.Conn) {
			wait <- 0
			answer(t, c, ask)
		}, idleTimeout},
		{"half a request after an answer", func(t *testing.T, c net.Conn) {
			wait <- 0
			answer(t, c, ask)
			time.Sleep(idleTimeout - 2*time.Second) // idle, and in time
			io.WriteString(c, ask)
		}, readHeaderTimeout},
		{"answers that take a while", func(t *testing.T, c net.Conn) {
			for range 4 {
				wait <- writeTimeout - 2*time.Second
				answer(t, c, ask)
			}
		}, idleTimeout},
		{"an answer that takes too long", func(t *testing.T, c net.Conn) {
			wait <- 2 * writeTimeout
			io.WriteString(c, ask+"\r\n")
			if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				t.Errorf("status %d, want none", r.StatusCode)
			}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- Serve(ctx, ln, NewECS(b, nil, ECSOptions{}), ServeOptions{Workload: "alpha"}) }()
				c := ln.dial()
				tt.do(t, c)
				if got := closedAfter(c); got < tt.want || got > tt.want+sweepEvery {
					t.Errorf("closed after %v, want %v and at most %v more", got, tt.want, sweepEvery)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A client that does not read what it asked for is cut off too.
func TestDeadlineOfWrites(t *testing.T) {
	b := brokerFunc(func(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
		return broker.Credentials{AccessKeyID: "ASIA", Expires: time.Now().Add(time.Hour)}, nil
	})
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Serve(ctx, ln, NewECS(b, nil, ECSOptions{}), ServeOptions{Workload: "alpha"}) }()
		c := ln.dial()
		io.WriteString(c, "GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(writeTimeout + sweepEvery + time.Millisecond)
		if n, _ := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("read %d bytes after the time was up", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type brokerFunc func(context.Context, broker.Caller) (broker.Credentials, error)

func (f brokerFunc) Credentials(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
	return f(ctx, c)
}

func answer(t *testing.T, c net.Conn, ask string) {
	t.Helper()
	io.WriteString(c, ask+"\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != 200 {
		t.Fatalf("status %d, %v", r.StatusCode, err)
	}
}
