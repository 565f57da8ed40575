package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/agent"
)

// behind makes the network of a container for which a machine routes.
func behind(t *testing.T, machine *namespace) *namespace {
	t.Helper()
	box, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.close)
	fd, err := box.fd()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	address := func(last byte) *netlink.Addr {
		return &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(172, 30, 0, last).To4(), Mask: net.CIDRMask(24, 32)}}
	}
	machine.do(func() {
		err = link("bridge0", func(l netlink.Link) error { return netlink.AddrAdd(l, address(1)) },
			&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "bridge0"}, PeerName: "c0", PeerNamespace: netlink.NsFd(fd)})
		if err == nil {
			err = os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	box.do(func() {
		err = link("c0", func(l netlink.Link) error { return netlink.AddrAdd(l, address(2)) }, nil, netlink.Route{Gw: net.IPv4(172, 30, 0, 1)})
	})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// TestHopLimit: the answer to a token request reaches a machine whatever the
// hop limit, and a container of its bridge only from 2 on.
func TestHopLimit(t *testing.T) {
	if err := privileged(); err != nil {
		t.Skip("a network namespace: ", err)
	}
	w, c := newTestWorld(t)
	if err := w.role("host", "ec2.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	id, err := w.instance("host")
	if err != nil {
		t.Fatal(err)
	}
	i, err := c.instance(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	token := func(from *namespace, patience time.Duration) error {
		client := http.Client{Transport: &http.Transport{DialContext: from.dial, DisableKeepAlives: true}, Timeout: patience}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://"+agent.IMDSAddress4+"/latest/api/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("a token request is answered with %s", resp.Status)
		}
		return nil
	}
	const long = 20 * time.Second // on a machine with much to do
	for _, x := range []struct {
		limit   int
		arrives bool
	}{{1, false}, {2, true}} {
		i.Metadata.HopLimit = x.limit
		s, err := w.e.openInstance(t.Context(), c, i, networkOwn)
		if err != nil {
			t.Fatal(err)
		}
		if err := token(s.ns, long); err != nil {
			t.Errorf("hop limit %d: the machine has no token: %v", x.limit, err)
		}
		wait := time.Second
		if x.arrives {
			wait = long
		}
		if err := token(behind(t, s.ns), wait); (err == nil) != x.arrives {
			t.Errorf("hop limit %d: a container's token request ends with %v", x.limit, err)
		}
		s.close()
	}
}
