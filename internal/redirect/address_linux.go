package redirect

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses are addresses that this host owns while the agent runs: they stand
// on lo, so that every process of the host and every container behind one of
// its bridges reaches the agent there, without any rule. Nothing of this host
// then reaches what those addresses mean elsewhere, the agent included.
type Addresses []netip.Addr

// Apply puts the missing ones on lo. An address that another interface has is an
// error: somebody else serves it. An IPv6 address is left out where the host has
// no IPv6. It needs CAP_NET_ADMIN.
func (a Addresses) Apply() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	have, err := owners()
	if err != nil {
		return err
	}
	for _, addr := range a {
		if owner, ok := have[addr]; ok {
			if owner != "lo" {
				return fmt.Errorf("%s is an address of %s: something else serves it on this host; take its door out of intercept", addr, owner)
			}
			continue
		}
		err := netlink.AddrAdd(lo, entry(addr))
		switch {
		case err == nil, errors.Is(err, syscall.EEXIST):
		case addr.Is6() && noIPv6(err):
		case errors.Is(err, syscall.EPERM):
			return fmt.Errorf("add %s to lo: %w; it takes CAP_NET_ADMIN, so run as root or give the unit AmbientCapabilities=CAP_NET_ADMIN", addr, err)
		default:
			return fmt.Errorf("add %s to lo: %w", addr, err)
		}
	}
	return nil
}

// Installed reports whether every address that the host can have is on lo.
func (a Addresses) Installed() (bool, error) {
	have, err := owners()
	if err != nil {
		return false, err
	}
	six := slices.ContainsFunc(mapKeys(have), func(x netip.Addr) bool { return x.Is6() })
	return !slices.ContainsFunc(a, func(addr netip.Addr) bool {
		return have[addr] != "lo" && (addr.Is4() || six)
	}), nil
}

// Remove takes the addresses off lo, those that are there.
func (a Addresses) Remove() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	var failed []error
	for _, addr := range a {
		err := netlink.AddrDel(lo, entry(addr))
		if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) && !(addr.Is6() && noIPv6(err)) {
			failed = append(failed, fmt.Errorf("take %s off lo: %w", addr, err))
		}
	}
	return errors.Join(failed...)
}

func noIPv6(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// entry is the address alone, without a network.
func entry(a netip.Addr) *netlink.Addr {
	e := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}, Scope: unix.RT_SCOPE_HOST}
	if a.Is6() {
		// Usable at once: nobody else can have an address of lo.
		e.Flags, e.Scope = unix.IFA_F_NODAD, 0
	}
	return e
}

// owners names the interface of each address of this host.
func owners() (map[netip.Addr]string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	have := map[netip.Addr]string{}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface went meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if addr, ok := netip.AddrFromSlice(n.IP); ok {
					have[addr.Unmap()] = i.Name
				}
			}
		}
	}
	return have, nil
}

func mapKeys(m map[netip.Addr]string) []netip.Addr {
	var keys []netip.Addr
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}
