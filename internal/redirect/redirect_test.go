package redirect_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/internal/redirect"
)

func TestClosedRefusesAllAndDivertsNothing(t *testing.T) {
	text := redirect.Rules{Doors: redirect.Doors()}.String()
	for _, d := range redirect.Doors() {
		for _, a := range d.Addresses {
			if n := strings.Count(text, "daddr "+a.String()+" tcp dport 80 reject with tcp reset"); n != 2 {
				t.Errorf("%s is refused %d times, want once in output and once in forward", a, n)
			}
		}
	}
	for _, word := range []string{"redirect", "accept comment", "meta mark"} {
		if strings.Contains(text, word) {
			t.Errorf("the closed table holds %q:\n%s", word, text)
		}
	}
}

func TestOpenDivertsAndLetsOnlyTheAgentPass(t *testing.T) {
	text := redirect.Rules{Doors: redirect.Named("metadata"), Open: true, Mark: 0x1f2e3d4c, UID: 997}.String()
	for _, line := range []string{
		"ip daddr 169.254.169.254 tcp dport 80 redirect to :954",
		"ip6 daddr fd00:ec2::254 tcp dport 80 redirect to :954",
		"tcp dport 954 ct status dnat accept",
		"tcp dport 954 drop",
		"meta mark 0x1f2e3d4c meta skuid 997 accept",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the open table lacks %q:\n%s", line, text)
		}
	}
	if strings.Contains(text, "169.254.170.2") {
		t.Errorf("a door that was not asked for is touched:\n%s", text)
	}
	// The pass is for the sockets of this host: in what containers send the
	// mark means nothing.
	for _, chain := range strings.Split(text, "chain ") {
		if (strings.HasPrefix(chain, "forward") || strings.HasPrefix(chain, "prerouting")) && strings.Contains(chain, "meta mark") {
			t.Errorf("the mark lets pass what is forwarded:\n%s", chain)
		}
	}
}

func TestNoMarkNoPass(t *testing.T) {
	if text := (redirect.Rules{Doors: redirect.Doors(), Open: true}).String(); strings.Contains(text, "meta mark") {
		t.Errorf("without a mark somebody passes:\n%s", text)
	}
}

func TestMarksDiffer(t *testing.T) {
	seen := map[uint32]bool{}
	for range 100 {
		seen[redirect.NewMark()] = true
	}
	if seen[0] || len(seen) < 99 {
		t.Errorf("%d different marks of 100, 0 among them: %v", len(seen), seen[0])
	}
}

func TestLinkLocal(t *testing.T) {
	for addr, want := range map[string]bool{
		"169.254.169.254": true, "169.254.170.2": true, "169.254.170.23": true, "::ffff:169.254.169.254": true,
		"fd00:ec2::254": true, "fd00:ec2::23": true, "fe80::1": true,
		"10.0.0.1": false, "127.0.0.1": false, "fd00:ec2::1": false, "203.0.113.1": false,
	} {
		if got := redirect.LinkLocal(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
