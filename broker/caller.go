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

	// UID is the numeric user of the process, PID its number; -1 if unknown.
	UID, PID int

	// Started is when the process started, in clock ticks since boot (field 22
	// of /proc/PID/stat, proc(5)); with PID it names one process for ever,
	// where PID alone is reused. 0 if unknown.
	Started uint64

	// Exe is the absolute path of the program, "" if unknown.
	Exe string

	// Unit is the systemd unit of the process ("web.service"), "" if none.
	Unit string

	// How the caller was known: ByToken, ByListener or ByPeer. A caller with
	// neither Workload nor How is refused whatever else it holds.
	How string
}

// String describes the caller for people: "workload web (token)" or
// "uid 1001 pid 4711 exe /usr/bin/web (peer)".
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
		if c.UID >= 0 {
			word("uid", strconv.Itoa(c.UID))
		}
		if c.PID > 0 {
			word("pid", strconv.Itoa(c.PID))
		}
		word("exe", c.Exe)
		word("unit", c.Unit)
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
	attrs := make([]slog.Attr, 0, 6)
	if c.Workload != "" {
		attrs = append(attrs, slog.String("workload", c.Workload))
	}
	attrs = append(attrs, slog.String("how", c.How))
	if c.How == ByPeer {
		attrs = append(attrs, slog.Int("uid", c.UID), slog.Int("pid", c.PID))
		if c.Exe != "" {
			attrs = append(attrs, slog.String("exe", c.Exe))
		}
		if c.Unit != "" {
			attrs = append(attrs, slog.String("unit", c.Unit))
		}
	}
	return slog.GroupValue(attrs...)
}
