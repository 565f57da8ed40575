package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/peer"
)

// Options of an Identifier. The zero value is fit for production.
type Options struct {
	// Hold is how long a connection is held whose container no Directory knows
	// yet: SDKs ask within milliseconds of their container's start, and engines
	// tell of it a little later. It ends at once when the Directory does. 0
	// means 4 s, which is less than what an HTTP server gives a client to send
	// its request.
	Hold time.Duration

	// HeldPerAddress is how many connections from one address are held at once,
	// 16 if 0; more are refused without waiting.
	HeldPerAddress int
}

// Identifier finds out who is at the other end of a connection. It implements
// agent.Identifier and agent.Checker.
type Identifier struct {
	known atomic.Pointer[[]Directory]
	opt   Options
	sys   system
	held  *holding
}

// New makes an Identifier of what the directories know. With none, processes of
// the host are told apart, and whatever lives in a container is refused.
// Directories are not run by it.
func New(dirs []Directory, opt Options) *Identifier {
	return newIdentifier(dirs, opt, kernel{new(peer.Processes)})
}

func newIdentifier(dirs []Directory, opt Options, sys system) *Identifier {
	if opt.Hold <= 0 {
		opt.Hold = 4 * time.Second
	}
	if opt.HeldPerAddress <= 0 {
		opt.HeldPerAddress = 16
	}
	i := &Identifier{opt: opt, sys: sys, held: newHolding(opt.HeldPerAddress)}
	i.Replace(dirs)
	return i
}

// Replace puts other directories in the place of the present ones. Callers that
// only those knew are no longer who they were: Check says so.
func (i *Identifier) Replace(dirs []Directory) {
	dirs = slices.Clone(dirs)
	i.known.Store(&dirs)
}

// dirs are the directories to ask.
func (i *Identifier) dirs() []Directory { return *i.known.Load() }

// seeker is what a Directory may also be: Seek has it look for a container that
// the kernel says is there, in case it missed that. It does not wait.
type seeker interface{ Seek(id string) }

// unaddressed is what a Directory may also be: Unaddressed are running places
// with network namespaces of their own, of whose addresses it knows nothing.
type unaddressed interface{ Unaddressed() []Place }

// laterError is about what may be known a little later.
type laterError struct{ error }

func (e *laterError) Unwrap() error { return e.error }

func later(format string, args ...any) error { return &laterError{fmt.Errorf(format, args...)} }

// Identify says who is at the other end of c: a process of this host, or one in
// a container that a Directory knows. It waits for Options.Hold at most, once
// for each connection. Errors say why a caller is not known.
func (i *Identifier) Identify(c net.Conn) (broker.Caller, error) {
	var late <-chan time.Time
	for {
		changed := i.changes()
		who, err := i.attempt(c)
		var l *laterError
		if err == nil || !errors.As(err, &l) || len(i.dirs()) == 0 {
			return who, err
		}
		if late == nil {
			end, ok := i.held.begin(c)
			if !ok {
				return broker.Caller{}, err
			}
			defer end()
			timer := time.NewTimer(i.opt.Hold)
			defer timer.Stop()
			late = timer.C
		}
		if !wait(changed, late) {
			return broker.Caller{}, fmt.Errorf("%w (for %v)", err, i.opt.Hold)
		}
	}
}

// Held is how many connections are held now, see Options.Hold.
func (i *Identifier) Held() int { return i.held.count() }

// Standing is how a Directory stands.
type Standing struct {
	Name  string
	Ready bool // all that runs has been listed once
}

// Standings tell of all directories that are asked.
func (i *Identifier) Standings() []Standing {
	var list []Standing
	for _, d := range i.dirs() {
		list = append(list, Standing{d.Name(), d.Ready()})
	}
	return list
}

// attempt is Identify with what is known now.
func (i *Identifier) attempt(c net.Conn) (broker.Caller, error) {
	s, err := i.sys.look(c, nil)
	if errors.Is(err, peer.ErrElsewhere) {
		remote, ok := remoteAddr(c)
		if !ok || remote.IsLoopback() {
			return broker.Caller{}, err
		}
		return i.inside(c, remote)
	}
	if err != nil {
		return broker.Caller{}, err
	}
	if len(s.Holders) == 0 {
		return broker.Caller{}, fmt.Errorf("the process of uid %d at the other end cannot be inspected, so nobody knows whether it lives in a container; run the agent with CAP_SYS_PTRACE, or give the workload a token", s.UID)
	}
	in, err := containerOf(s.Holders)
	if err != nil {
		return broker.Caller{}, err
	}
	if in.ID == "" {
		if err := s.Plain(); err != nil {
			return broker.Caller{}, err
		}
		return s.Holders.Caller(s.UID), nil
	}
	return i.member(s, in)
}

// containerOf is the one container that all holders of a socket live in, the
// zero Container if they live in none.
func containerOf(holders peer.Holders) (peer.Container, error) {
	in := holders[0].Container
	for _, h := range holders[1:] {
		if h.Container.ID != in.ID {
			return peer.Container{}, fmt.Errorf("the connection is shared by processes %d and %d, which do not live in the same container", holders[0].PID, h.PID)
		}
	}
	return in, nil
}

// member is a caller who lives in a container.
func (i *Identifier) member(s peer.Socket, in peer.Container) (broker.Caller, error) {
	place, err := i.place(in.ID)
	if err != nil {
		i.seek(in.ID)
		return broker.Caller{}, err
	}
	// A control group may have any name where its making is delegated. That of
	// the container's first process is the real one.
	if place.PID > 0 {
		real, err := i.sys.container(place.PID)
		if err != nil || real.ID != in.ID {
			i.seek(in.ID)
			return broker.Caller{}, later("the first process of container %s has ended", describe(place))
		}
		if real.Path != in.Path {
			return broker.Caller{}, fmt.Errorf("process %d lives in a control group that has the name of container %s and is not its", s.Holders[0].PID, describe(place))
		}
	} else if in.Delegated {
		return broker.Caller{}, fmt.Errorf("process %d lives in control group %s, which a service may have made, and the first process of container %s is not known", s.Holders[0].PID, in.Path, describe(place))
	}
	who := s.Holders.Caller(s.UID)
	who.Unit = "" // the engine's name for the container
	return dwelling(who, place), nil
}

// dwelling adds to a caller where it lives.
func dwelling(who broker.Caller, p Place) broker.Caller {
	who.Container, who.Task, who.Pod, who.Generation = p.Container, p.Task, p.Pod, p.Generation
	return who
}

// inside finds a caller in the network namespace that has its address.
func (i *Identifier) inside(c net.Conn, remote netip.Addr) (broker.Caller, error) {
	places := i.owners(remote)
	known := len(places) > 0
	if !known {
		for _, d := range i.dirs() {
			if u, ok := d.(unaddressed); ok {
				places = append(places, u.Unaddressed()...)
			}
		}
	}
	var found peer.Socket
	var stale error
	seen := map[any]bool{}
	n := 0
	for _, p := range places {
		s, err := i.lookIn(c, p, seen)
		switch {
		case err == nil:
			found = s
			n++
		case errors.Is(err, errSeen), errors.Is(err, peer.ErrElsewhere):
		case errors.Is(err, fs.ErrPermission):
			if !known {
				return broker.Caller{}, fmt.Errorf("no container is known to have the address %s, and their network namespaces cannot be entered: run the agent with CAP_SYS_ADMIN and CAP_SYS_PTRACE", remote)
			}
			return i.byAddress(remote, places)
		case errors.Is(err, peer.ErrGone):
			return broker.Caller{}, err
		default:
			stale = err
		}
	}
	switch {
	case n > 1:
		return broker.Caller{}, fmt.Errorf("%d network namespaces have the connection from %s", n, remote)
	case n == 1:
		return i.dweller(found)
	case stale != nil:
		return broker.Caller{}, stale
	case known:
		return broker.Caller{}, later("container %s has the address %s and not the connection; it may have closed it, or another has taken its address", describe(places[0]), remote)
	case len(i.dirs()) == 0:
		return broker.Caller{}, fmt.Errorf("no process of this host made the connection from %s, and no container engine is asked: describe the workload by a container, task or pod block", remote)
	}
	return broker.Caller{}, later("no container that is known has the address %s", remote)
}

// dweller is the caller behind a socket that was found in the network namespace
// of a container.
func (i *Identifier) dweller(s peer.Socket) (broker.Caller, error) {
	if len(s.Holders) == 0 {
		return broker.Caller{}, peer.ErrGone // we could enter, so we could look
	}
	in, err := containerOf(s.Holders)
	if err != nil {
		return broker.Caller{}, err
	}
	if in.ID == "" {
		return broker.Caller{}, fmt.Errorf("process %d uses the network of a container and does not live in one", s.Holders[0].PID)
	}
	return i.member(s, in)
}

var errSeen = errors.New("another place with the same network namespace was asked")

// lookIn looks for the client's socket in the network namespace of a place,
// once for each namespace.
func (i *Identifier) lookIn(c net.Conn, p Place, seen map[any]bool) (peer.Socket, error) {
	pid := p.PID
	if pid == 0 && p.Container != nil {
		var err error
		if pid, err = i.sys.member(p.Container.ID); err != nil {
			return peer.Socket{}, &laterError{err}
		}
	}
	gone := func() error {
		if p.Container != nil {
			i.seek(p.Container.ID)
		}
		return later("the first process of container %s has ended", describe(p))
	}
	ns, err := i.sys.network(pid)
	if errors.Is(err, fs.ErrPermission) {
		return peer.Socket{}, err
	}
	if err != nil {
		return peer.Socket{}, gone()
	}
	defer ns.Close()
	// What was opened is the container's only if the process still is.
	if in, err := i.sys.container(pid); err != nil || p.Container == nil || in.ID != p.Container.ID {
		return peer.Socket{}, gone()
	}
	key, own := ns.identity()
	if own || seen[key] {
		return peer.Socket{}, errSeen
	}
	seen[key] = true
	return i.sys.look(c, ns)
}

// byAddress is who an address alone says: the one container, or pod, that has
// it, if its first process lives.
func (i *Identifier) byAddress(remote netip.Addr, places []Place) (broker.Caller, error) {
	p := places[0]
	for _, o := range places[1:] {
		if p.Pod == nil || o.Pod == nil || p.Pod.UID != o.Pod.UID {
			return broker.Caller{}, fmt.Errorf("containers %s and %s both have the address %s, and their network namespaces cannot be entered to see which of them calls: run the agent with CAP_SYS_ADMIN and CAP_SYS_PTRACE", describe(p), describe(o), remote)
		}
	}
	who := broker.Caller{UID: -1, GID: -1, PID: -1, How: broker.ByPeer}
	if len(places) > 1 {
		// Which of the pod's containers it is cannot be told.
		pod := *p.Pod
		pod.Container = ""
		who.Pod, who.Generation = &pod, pod.UID
		if err := i.alive(who); err != nil {
			return broker.Caller{}, &laterError{err}
		}
		return who, nil
	}
	who = dwelling(who, p)
	if err := i.alive(who); err != nil {
		return broker.Caller{}, &laterError{err}
	}
	return who, nil
}

// Check returns an error if the caller that Identify found is no longer the
// same process running the same program, or its container no longer the same.
func (i *Identifier) Check(c net.Conn, who broker.Caller) error {
	if who.Container != nil || who.Pod != nil || who.Task != nil {
		if err := i.alive(who); err != nil {
			return err
		}
		if who.PID < 0 {
			return nil // several processes of the container, or only its address is known
		}
	}
	return i.sys.same(who)
}

// alive returns an error if the container of a caller has ended or been started
// again.
func (i *Identifier) alive(who broker.Caller) error {
	if who.Container == nil {
		if who.Pod == nil || !i.runs(who.Pod) {
			return errors.New("its pod has ended")
		}
		return nil
	}
	p, err := i.place(who.Container.ID)
	switch {
	case err != nil:
		return err
	case p.Generation != who.Generation:
		return fmt.Errorf("container %s was started again", describe(p))
	}
	if p.PID > 0 {
		if in, err := i.sys.container(p.PID); err != nil || in.ID != who.Container.ID {
			i.seek(who.Container.ID)
			return fmt.Errorf("container %s has ended", describe(p))
		}
	}
	return nil
}
