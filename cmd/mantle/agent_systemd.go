package main

import (
	"context"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// handedOver are the listeners that systemd hands over, by the name that their
// .socket unit gives them (systemd.socket(5), FileDescriptorName). None without
// systemd.
func handedOver() (map[string][]net.Listener, error) {
	list := map[string][]net.Listener{}
	for _, f := range activation.Files(true) {
		name := f.Name()
		ln, err := net.FileListener(f) // of a copy of the descriptor
		f.Close()
		if err != nil {
			return nil, usagef("systemd hands over %q, which is no listening socket: %w", name, err).withHint("use ListenStream in the .socket unit")
		}
		if name == "pod-identity" {
			name = "pod_identity"
		}
		list[name] = append(list[name], ln)
	}
	return list, nil
}

// notify tells systemd how the agent stands (sd_notify(3)); nothing without
// systemd.
func notify(state string) { daemon.SdNotify(false, state) }

// reloading is the notice that a reload has begun, which READY=1 ends.
func reloading() string {
	return "RELOADING=1\nMONOTONIC_USEC=" + daemon.SdNotifyMonotonicUsec()
}

// watchdog tells systemd that the agent is alive, as often as its unit's
// WatchdogSec asks, until ctx ends.
func watchdog(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			notify("WATCHDOG=1")
		}
	}
}
