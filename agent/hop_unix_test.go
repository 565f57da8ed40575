//go:build linux || darwin

package agent_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mantle-iam/mantle/agent"
)

// keeper is a listener that remembers its last connection.
type keeper struct {
	net.Listener
	mu   sync.Mutex
	last net.Conn
}

func (k *keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = c
	return c, err
}

// ttlOf reads the hop limit of the last connection.
func (k *keeper) ttlOf(t *testing.T, level, option int) int {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, err := k.last.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if cerr := raw.Control(func(fd uintptr) { n, err = syscall.GetsockoptInt(int(fd), level, option) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return n
}

func TestHopLimit(t *testing.T) {
	for _, tt := range []struct {
		address       string
		level, option int
		limit, want   int
	}{
		{"127.0.0.1:0", syscall.IPPROTO_IP, syscall.IP_TTL, 0, 1},
		{"127.0.0.1:0", syscall.IPPROTO_IP, syscall.IP_TTL, 2, 2},
		{"[::1]:0", syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, 3, 3},
	} {
		ln, err := net.Listen("tcp", tt.address)
		if err != nil && strings.HasPrefix(tt.address, "[") {
			t.Skip("this host has no IPv6 loopback address")
		}
		if err != nil {
			t.Fatal(err)
		}
		k := &keeper{Listener: ln}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{HopLimit: tt.limit})
		go func() { done <- agent.Serve(ctx, k, m, agent.ServeOptions{Workload: "alpha"}) }()
		c := client(t)
		url := "http://" + ln.Addr().String()
		if status, text := get(t, c, url+"/latest/meta-data/"); status != 401 {
			t.Errorf("without a token: status %d: %s", status, text)
		}
		if got := k.ttlOf(t, tt.level, tt.option); got == tt.want {
			t.Errorf("hop limit of an answer without a token is %d as well", got)
		}
		r, err := http.NewRequest("PUT", url+"/latest/api/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, resp); resp.StatusCode != 200 {
			t.Errorf("token: status %d", resp.StatusCode)
		}
		if got := k.ttlOf(t, tt.level, tt.option); got != tt.want {
			t.Errorf("%s: hop limit %d, want %d", tt.address, got, tt.want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
