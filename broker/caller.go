package broker

import (
	"log/slog"
	"strconv"
	"strings"
	"unicode"
)

// How a caller came to be known, the value of Caller.How.
const (
	// ByToken: it presented a secret that was given to one workload only.
	ByToken = "token"
	// ByListener: it connected to a listener that belongs to one workload.
	ByListener = "listener"
	// ByPeer: the kernel said which process is at the other end.
	ByPeer = "peer"
	// ByPodToken: it presented the service account token of a pod, and the
	// cluster said that it is one.
	ByPodToken = "pod token"
)

// Caller is a process that asks for credentials, as far as it is known.
//
// Whoever fills it in has checked what it says: a broker believes a Caller. The
// zero Caller is a caller of which nothing is known, and is refused.
type Caller struct {
	// Workload is set when a token or a listener that belongs to one workload
	// told who calls. It is the Name of the caller's Rule, and nothing else is
	// then looked at.
	Workload string

	// UID and GID are the effective user and primary group of the process by
	// their numbers, as the host's user namespace has them, PID is its number;
	// -1 if unknown.
	UID, GID, PID int

	// Started is when the process started, in clock ticks since boot (field 22
	// of /proc/PID/stat, proc(5)); with PID it names one process for ever,
	// where PID alone is reused. 0 if unknown.
	Started uint64

	// Exe is the absolute path of the program, "" if unknown.
	Exe string

	// Unit is the systemd unit of the process ("web.service"), "" if none.
	Unit string

	// Container, Task and Pod say where the process lives: all nil for a
	// process of the host itself. A container of a task has Container too if
	// its runtime is asked, and so has one of a pod.
	Container *Container
	Task      *Task
	Pod       *Pod

	// Generation differs for each start of the container, "" if there is none.
	Generation string

	// How the caller was known: ByToken, ByListener, ByPeer or ByPodToken. A caller with
	// neither Workload nor How is refused whatever else it holds.
	How string

	// Door is the endpoint that was asked, for the audit alone: "metadata",
	// "container", "pod_identity" or "socket"; "" if it does not matter.
	Door string
}

// String describes the caller for people: "workload web (token)",
// "uid 1001 pid 4711 exe /usr/bin/web (peer)" or
// "uid 0 container web image nginx:1.29 (peer)".
func (c Caller) String() string {
	var b strings.Builder
	word := func(name, value string) {
		if value == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
			value = strconv.Quote(value) // a path is the caller's to choose, line breaks included
		}
		b.WriteString(name + " " + value)
	}
	word("workload", c.Workload)
	if c.How == ByPeer || c.Workload == "" && c.How != "" {
		if c.UID >= 0 && c.How == ByPeer {
			word("uid", strconv.Itoa(c.UID))
		}
		if c.PID > 0 {
			word("pid", strconv.Itoa(c.PID))
		}
		word("exe", c.Exe)
		word("unit", c.Unit)
		if c.Pod != nil {
			word("pod", c.Pod.Namespace+"/"+c.Pod.Name)
			word("service account", c.Pod.ServiceAccount)
		}
		if c.Task != nil {
			word("task", c.Task.ID())
			word("family", c.Task.Family)
			word("cluster", c.Task.Cluster)
		}
		word("container", c.containerName())
		if c.Container != nil {
			word("image", c.Container.Image)
		}
	}
	if b.Len() == 0 {
		b.WriteString("unidentified caller")
	}
	if c.How != "" {
		b.WriteString(" (" + c.How + ")")
	}
	return b.String()
}

// LogValue writes what is known of the caller as attributes.
func (c Caller) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 10)
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	text("workload", c.Workload)
	attrs = append(attrs, slog.String("how", c.How))
	if c.How == ByPeer {
		attrs = append(attrs, slog.Int("uid", c.UID), slog.Int("pid", c.PID))
		text("exe", c.Exe)
		text("unit", c.Unit)
	}
	if c.Container != nil {
		attrs = append(attrs, slog.Any("container", c.Container))
	}
	if c.Task != nil {
		attrs = append(attrs, slog.Any("task", c.Task))
	}
	if c.Pod != nil {
		attrs = append(attrs, slog.Any("pod", c.Pod))
	}
	return slog.GroupValue(attrs...)
}
