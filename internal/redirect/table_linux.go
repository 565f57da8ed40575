package redirect

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// statusDNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h: the
// connection's destination was changed.
const statusDNAT = 1 << 5

// Apply puts the table into the kernel, in the place of whatever table of its
// name there is, in one transaction: at no moment are there no rules. It needs
// CAP_NET_ADMIN and a kernel with nftables for family inet (5.2).
func (r Rules) Apply() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	c.AddTable(t) // so that there is one to delete
	c.DelTable(t)
	c.AddTable(t)
	for _, x := range r.chains() {
		in := c.AddChain(&nftables.Chain{
			Name: x.name, Table: t, Type: nftables.ChainType(x.kind),
			Hooknum: hook(x.hook), Priority: nftables.ChainPriorityRef(nftables.ChainPriority(x.priority)),
		})
		for i, rule := range x.rules {
			c.AddRule(&nftables.Rule{
				Table: t, Chain: in, Exprs: rule.exprs(),
				UserData: userdata.AppendString(nil, userdata.TypeComment, r.comment(x.name, i)),
			})
		}
	}
	return explained(c.Flush())
}

// Remove takes the table away, if there is one. What it refused is then no
// longer refused.
func Remove() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	c.AddTable(t)
	c.DelTable(t)
	return explained(c.Flush())
}

func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("change the table inet %s: %w; it takes CAP_NET_ADMIN, so run as root or give the unit AmbientCapabilities=CAP_NET_ADMIN", Table, err)
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EPROTONOSUPPORT), errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("change the table inet %s: %w; the kernel lacks nftables with nat for family inet (5.2 and later): use interception = \"address\"", Table, err)
	}
	return fmt.Errorf("change the table inet %s: %w", Table, err)
}

// Installed reports whether the kernel holds exactly this table.
func (r Rules) Installed() (bool, error) {
	have, err := installed()
	if err != nil {
		return false, err
	}
	want := r.chains()
	if len(have) != len(want) {
		return false, nil
	}
	for _, c := range want {
		rules, ok := have[c.name]
		if !ok || len(rules) != len(c.rules) {
			return false, nil
		}
		for i := range rules {
			if rules[i] != r.comment(c.name, i) {
				return false, nil
			}
		}
	}
	return true, nil
}

// Current is how the table of this host stands, whoever made it.
func Current() (State, error) {
	have, err := installed()
	if err != nil {
		return "", err
	}
	state := Absent
	for _, rules := range have {
		for _, comment := range rules {
			words := strings.Fields(comment)
			if len(words) != 4 || words[0] != "mantle" || state != Absent && State(words[1]) != state {
				return Changed, nil
			}
			state = State(words[1])
		}
	}
	return state, nil
}

// installed lists the comments of the rules by chain, nil without a table. It
// asks for the chains that there may be by name: a host may have thousands of
// others.
func installed() (map[string][]string, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	t := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	var list map[string][]string
	for _, x := range (Rules{Open: true}).chains() {
		rules, err := c.GetRules(t, &nftables.Chain{Name: x.name, Table: t})
		if err != nil {
			if strings.Contains(err.Error(), syscall.ENOENT.Error()) { // the library drops the type
				continue
			}
			return nil, explained(err)
		}
		for _, rule := range rules {
			if list == nil {
				list = map[string][]string{}
			}
			comment, _ := userdata.GetString(rule.UserData, userdata.TypeComment)
			list[x.name] = append(list[x.name], comment)
		}
	}
	return list, nil
}

func hook(name string) *nftables.ChainHook {
	switch name {
	case "prerouting":
		return nftables.ChainHookPrerouting
	case "input":
		return nftables.ChainHookInput
	case "forward":
		return nftables.ChainHookForward
	}
	return nftables.ChainHookOutput
}

// exprs is the rule as the kernel's machine runs it: what nft(8) compiles
// [rule.String] to.
func (x rule) exprs() []expr.Any {
	var e []expr.Any
	meta := func(key expr.MetaKey, value []byte) {
		e = append(e, &expr.Meta{Key: key, Register: 1}, equal(value))
	}
	if x.loopback {
		meta(expr.MetaKeyIIF, binaryutil.NativeEndian.PutUint32(1)) // lo is always the first
	}
	if x.mark != 0 {
		meta(expr.MetaKeyMARK, binaryutil.NativeEndian.PutUint32(x.mark))
		meta(expr.MetaKeySKUID, binaryutil.NativeEndian.PutUint32(x.uid))
	}
	if x.to.IsValid() {
		family, offset := byte(unix.NFPROTO_IPV4), uint32(16) // RFC 791 section 3.1
		if x.to.Is6() {
			family, offset = unix.NFPROTO_IPV6, 24 // RFC 8200 section 3
		}
		meta(expr.MetaKeyNFPROTO, []byte{family})
		to := x.to.AsSlice()
		e = append(e, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(to))}, equal(to))
	}
	if x.port != 0 {
		meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP})
		e = append(e, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, equal(binaryutil.BigEndian.PutUint16(x.port)))
	}
	if x.diverted {
		e = append(e,
			&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(statusDNAT), Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
	}
	switch x.then {
	case accept:
		e = append(e, &expr.Verdict{Kind: expr.VerdictAccept})
	case drop:
		e = append(e, &expr.Verdict{Kind: expr.VerdictDrop})
	case reject:
		e = append(e, &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	case divert:
		e = append(e,
			&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(x.at)},
			&expr.Redir{RegisterProtoMin: 1, RegisterProtoMax: 1, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED})
	}
	return e
}

func equal(value []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}
}
