package redirect

import (
	"context"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// changes has a value when rules or addresses of the host were changed. Where
// the kernel does not tell, it never has one.
func changes(ctx context.Context) <-chan struct{} {
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	if s, err := nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES); err == nil {
		stop := context.AfterFunc(ctx, func() { s.Close() })
		go func() {
			defer stop()
			for ctx.Err() == nil {
				// What was said does not matter, nor that some of it was lost.
				if _, _, err := s.Receive(); err != nil && err != unix.ENOBUFS {
					return
				}
				wake()
			}
		}()
	}
	updates := make(chan netlink.AddrUpdate, 16)
	if err := netlink.AddrSubscribe(updates, ctx.Done()); err == nil {
		go func() {
			for range updates {
				wake()
			}
		}()
	}
	return woken
}
