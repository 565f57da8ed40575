package host

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// place is what the directories together know of a container: a container
// runtime knows the container, and Kubernetes the pod it belongs to. The error
// is of what may be known later.
func (i *Identifier) place(id string) (Place, error) {
	var out Place
	found, whole := false, true
	for _, d := range i.dirs() {
		p, ok := d.Container(id)
		if !ok {
			if d.Name() == kubernetes {
				whole = false
			}
			continue
		}
		if found {
			out = join(out, p)
		} else {
			out, found = p, true
		}
	}
	if !found {
		if len(i.dirs()) == 0 {
			return Place{}, fmt.Errorf("it lives in container %.12s, and no container engine is asked: describe the workload by a container, task or pod block", id)
		}
		return Place{}, later("it lives in container %.12s, which %s", id, i.ignorance())
	}
	// Part of the truth about a pod is not enough to decide by.
	if out.Pod != nil && !whole {
		return Place{}, later("it lives in a container of pod %s/%s, of which Kubernetes has not told yet", out.Pod.Namespace, out.Pod.Name)
	}
	return out, nil
}

// kubernetes is the Name of the Directory that alone knows service accounts.
const kubernetes = "kubernetes"

// join is one container as two directories know it.
func join(a, b Place) Place {
	if a.Container == nil || b.Container != nil && a.Container.Name == "" {
		a.Container = b.Container
	}
	if a.Task == nil {
		a.Task = b.Task
	}
	if a.Pod == nil || b.Pod != nil && a.Pod.ServiceAccount == "" {
		a.Pod = b.Pod
	}
	if a.PID == 0 {
		a.PID = b.PID
	}
	a.Generation += "|" + b.Generation
	a.HostNetwork = a.HostNetwork || b.HostNetwork
	return a
}

// owners are the places that own an address, each container once.
func (i *Identifier) owners(a netip.Addr) []Place {
	var out []Place
	seen := map[string]bool{}
	for _, d := range i.dirs() {
		for _, p := range d.Address(a) {
			if p.HostNetwork || p.Container == nil || seen[p.Container.ID] {
				continue
			}
			seen[p.Container.ID] = true
			if whole, err := i.place(p.Container.ID); err == nil {
				p = whole
			}
			out = append(out, p)
		}
	}
	return out
}

// runs reports whether a pod runs, as far as is known.
func (i *Identifier) runs(pod *broker.Pod) bool {
	for _, d := range i.dirs() {
		if k, ok := d.(interface {
			Pod(uid string) (broker.Pod, bool)
		}); ok {
			if _, ok := k.Pod(pod.UID); ok {
				return true
			}
		}
	}
	return false
}

// seek has all directories look for a container.
func (i *Identifier) seek(id string) {
	for _, d := range i.dirs() {
		if s, ok := d.(seeker); ok {
			s.Seek(id)
		}
	}
}

// ignorance says which directories do not know something.
func (i *Identifier) ignorance() string {
	var names []string
	for _, d := range i.dirs() {
		name := d.Name()
		if !d.Ready() {
			name += " (not listed yet)"
		}
		names = append(names, name)
	}
	if len(names) == 1 {
		return names[0] + " does not know"
	}
	return "none of " + strings.Join(names, ", ") + " knows"
}

func describe(p Place) string {
	switch {
	case p.Pod != nil:
		return p.Pod.Namespace + "/" + p.Pod.Name
	case p.Container == nil:
		return "without a name"
	case p.Container.Name != "":
		return p.Container.Name
	}
	return fmt.Sprintf("%.12s", p.Container.ID)
}

// changes are the channels that say that a Directory knows something new.
func (i *Identifier) changes() []<-chan struct{} {
	var out []<-chan struct{}
	for _, d := range i.dirs() {
		out = append(out, d.Changed())
	}
	return out
}

// wait waits for one of the channels, and is false if late comes first.
func wait(changed []<-chan struct{}, late <-chan time.Time) bool {
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(late)}}
	for _, c := range changed {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)})
	}
	n, _, _ := reflect.Select(cases)
	return n > 0
}

// remoteAddr is the address of the other end of a TCP connection.
func remoteAddr(c net.Conn) (netip.Addr, bool) {
	t, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return t.AddrPort().Addr().Unmap().WithZone(""), true
}
