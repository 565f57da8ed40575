// Package redirect brings the requests that SDKs send to AWS's link-local
// addresses to the agent, and to nobody else.
//
//	redirect.go       Rules: what is diverted and what is refused, in words
//	table_linux.go    the same as the table "inet mantle" of nftables
//	address_linux.go  the other way: the agent owns the addresses itself
//	keep.go           what was taken away comes back
//	listen.go         connections that know where their client meant to go
//	mark_linux.go     the agent's own way past the rules
//
// # Fail closed
//
// The table is in one of two states. Closed, it refuses every connection to
// the addresses: what there is of real instance metadata behind them is out of
// everybody's reach, and a program learns at once that there are no credentials.
// Open, it diverts them to the ports of the agent, and refuses what for
// whatever reason was not diverted. An agent that dies leaves the table open and
// its ports without a listener, which refuses as well: its ports are below 1024,
// so that no ordinary user can listen there in its stead.
//
// The agent's own requests to real instance metadata pass by a mark on its
// sockets (SO_MARK) that is made anew at every start, and only from its own
// user. To set a mark takes CAP_NET_ADMIN or CAP_NET_RAW; a container on the
// host's network may have the latter, so a mark that could be known would be a
// way past the agent.
package redirect

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Table is the name of the table of family inet that holds all the rules.
const Table = "mantle"

// HTTP is the port that SDKs ask at.
const HTTP = 80

// Door is one endpoint: the addresses that SDKs know it by, and the port of
// this host at which the agent listens for it.
type Door struct {
	Name      string // "metadata", "container", "pod_identity"
	Addresses []netip.Addr
	Port      uint16
}

// Doors are the endpoints that can be diverted. The ports are Mantle's own,
// below 1024 and assigned to nothing.
//
//	https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
//	https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func Doors() []Door {
	return []Door{
		{"metadata", []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}, 954},
		{"container", []netip.Addr{netip.MustParseAddr("169.254.170.2")}, 955},
		{"pod_identity", []netip.Addr{netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}, 956},
	}
}

// Named are the doors of the given names, in the order of [Doors].
func Named(names ...string) []Door {
	return slices.DeleteFunc(Doors(), func(d Door) bool { return !slices.Contains(names, d.Name) })
}

// Rules describe the table.
type Rules struct {
	Doors []Door

	// Open diverts to the agent; otherwise every connection to the addresses is
	// refused.
	Open bool

	// Mark and UID let the agent's own sockets pass: those with this mark that
	// this user opened. A Mark of 0 lets nobody pass.
	Mark uint32
	UID  uint32
}

// NewMark is a mark for one run of the agent.
func NewMark() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return binary.NativeEndian.Uint32(b[:]) | 1
}

// A chain hangs on one hook of the kernel's way for packets.
type chain struct {
	name, kind, hook string
	priority         int // before Docker's and everybody's iptables
	rules            []rule
}

// rule is one line: conditions that must all hold, and what then happens. The
// zero condition is none.
type rule struct {
	loopback bool       // came in by lo
	mark     uint32     // of the socket
	uid      uint32     // of the socket, looked at only beside mark
	to       netip.Addr // destination, with port at once
	port     uint16     // destination port (TCP)
	diverted bool       // its destination was changed by a rule
	then     verdict
	at       uint16 // port to divert to
}

type verdict uint8

const (
	accept verdict = iota
	drop
	reject // with a TCP reset: the client knows at once
	divert // to port at of this host
)

// Priorities of the chains: a little before those of iptables and Docker, whose
// own rules for these addresses (the ECS agent's, say) then find nothing left.
const (
	natPriority    = -110
	filterPriority = -10
)

// chains are the rules as they stand in the kernel.
func (r Rules) chains() []chain {
	pass := rule{mark: r.Mark, uid: r.UID, then: accept}
	var diversions, refusals, own []rule
	for _, d := range r.Doors {
		for _, a := range d.Addresses {
			diversions = append(diversions, rule{to: a, port: HTTP, then: divert, at: d.Port})
			refusals = append(refusals, rule{to: a, port: HTTP, then: reject})
		}
		own = append(own,
			rule{port: d.Port, diverted: true, then: accept},
			rule{port: d.Port, then: drop})
	}
	local := refusals
	divertLocal := diversions
	if r.Mark != 0 {
		local = append([]rule{pass}, refusals...)
		divertLocal = append([]rule{pass}, diversions...)
	}
	list := []chain{
		{"forward", "filter", "forward", filterPriority, refusals},
		{"output", "filter", "output", filterPriority, local},
	}
	if r.Open {
		list = append(list,
			chain{"prerouting-nat", "nat", "prerouting", natPriority, diversions},
			chain{"output-nat", "nat", "output", natPriority, divertLocal},
			// The agent listens on every address of the host, since diverted
			// connections arrive at that of the interface they came in by. From
			// other machines nobody gets there who was not diverted.
			chain{"input", "filter", "input", filterPriority, append([]rule{{loopback: true, then: accept}}, own...)})
	}
	return list
}

// String is the table in the syntax of nft(8), fit for nft -f: it takes the
// place of a table of that name, at once and whole.
func (r Rules) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s\ndelete table inet %[1]s\ntable inet %[1]s {\n", Table)
	for _, c := range r.chains() {
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype %s hook %s priority %d; policy accept;\n", c.name, c.kind, c.hook, c.priority)
		for i, x := range c.rules {
			fmt.Fprintf(&b, "\t\t%s comment %q\n", x, r.comment(c.name, i))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (x rule) String() string {
	var w []string
	if x.loopback {
		w = append(w, `iif "lo"`)
	}
	if x.mark != 0 {
		w = append(w, fmt.Sprintf("meta mark 0x%08x meta skuid %d", x.mark, x.uid))
	}
	switch {
	case x.to.Is4():
		w = append(w, "ip daddr "+x.to.String())
	case x.to.Is6():
		w = append(w, "ip6 daddr "+x.to.String())
	}
	if x.port != 0 {
		w = append(w, fmt.Sprintf("tcp dport %d", x.port))
	}
	if x.diverted {
		w = append(w, "ct status dnat")
	}
	switch x.then {
	case accept:
		w = append(w, "accept")
	case drop:
		w = append(w, "drop")
	case reject:
		w = append(w, "reject with tcp reset")
	case divert:
		w = append(w, fmt.Sprintf("redirect to :%d", x.at))
	}
	return strings.Join(w, " ")
}

// state is the word for the state of the table.
func (r Rules) state() State {
	if r.Open {
		return Open
	}
	return Closed
}

// State is how the table of a host stands.
type State string

// States of the table.
const (
	Absent  State = "absent"  // there is no table
	Closed  State = "closed"  // the addresses are refused to everybody
	Open    State = "open"    // the addresses lead to the agent
	Changed State = "changed" // somebody else changed the table
)

// comment is what stands beside rule i of a chain. It tells people whose rule it
// is, and the agent whether the rule is still the one it made: a rule that
// somebody else puts there has no such comment, and a rule of another version
// has another sum.
func (r Rules) comment(chain string, i int) string {
	h := sha256.New()
	fmt.Fprintln(h, r.Open)
	for _, c := range r.chains() {
		fmt.Fprintln(h, c.name, c.kind, c.hook, c.priority)
		for _, x := range c.rules {
			fmt.Fprintln(h, x)
		}
	}
	return fmt.Sprintf("mantle %s %s %s.%d", r.state(), hex.EncodeToString(h.Sum(nil)[:6]), chain, i)
}
