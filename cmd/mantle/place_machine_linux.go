package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newMachine makes the network of an instance: an interface with its private
// address, and at the other end of the wire, outside of the machine, a
// network with the address of the metadata service. As on EC2 a container
// that the machine routes for is a hop further away than the machine itself,
// so that the hop limit of the metadata service tells them apart.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html
func newMachine(ip netip.Addr, mac, service string) (*namespace, error) {
	n, err := newNamespace()
	if err != nil {
		return nil, err
	}
	if n.beyond, err = newNamespace(service); err != nil {
		n.close()
		return nil, err
	}
	if err := n.wire(ip, mac, service); err != nil {
		n.close()
		return nil, fmt.Errorf("connect the machine with its metadata service: %w", privilege(err))
	}
	return n, nil
}

// wire lays the wire between a machine and what is beyond it.
func (n *namespace) wire(ip netip.Addr, mac, service string) (err error) {
	machine := net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}
	fd, err := n.fd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n.beyond.do(func() {
		err = link("beyond", nil, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "beyond"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(fd)},
			netlink.Route{Dst: &machine, Scope: netlink.SCOPE_LINK}, netlink.Route{Gw: machine.IP})
	})
	if err != nil {
		return err
	}
	n.do(func() {
		err = link("eth0", func(l netlink.Link) error {
			if hw, err := net.ParseMAC(mac); err == nil {
				if err := netlink.LinkSetHardwareAddr(l, hw); err != nil {
					return err
				}
			}
			return netlink.AddrAdd(l, &netlink.Addr{IPNet: &machine})
		}, nil, netlink.Route{Dst: &net.IPNet{IP: net.ParseIP(service).To4(), Mask: net.CIDRMask(32, 32)}, Scope: netlink.SCOPE_LINK})
	})
	return err
}

// fd opens the namespace, so that a device can be put into it. It is the
// caller's to close.
func (n *namespace) fd() (fd int, err error) {
	n.do(func() { fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	return fd, err
}

// link sets a link up, made before if it is given, and adds its routes.
func link(name string, prepare func(netlink.Link) error, add netlink.Link, routes ...netlink.Route) error {
	if add != nil {
		if err := netlink.LinkAdd(add); err != nil {
			return err
		}
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(l); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return err
	}
	for _, r := range routes {
		r.LinkIndex = l.Attrs().Index
		if err := netlink.RouteAdd(&r); err != nil {
			return fmt.Errorf("route %v: %w", r.Dst, err)
		}
	}
	return nil
}
