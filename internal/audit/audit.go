// Package audit writes down who was lent what, and who was not.
//
//	audit.go    the log: lines are queued, and written by one goroutine
//	line.go     the line of an event
//	file.go     where lines go: a file that may be rotated, a stream, the journal
//
// Nobody waits for the disk: a loan must not hang on a full one. What cannot be
// written is kept for as long as there is room, then counted, and the count is
// written down as soon as anything can be.
package audit

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// Options of a Log. The zero value is fit for production.
type Options struct {
	// Room is how many bytes of lines wait to be written at most, 4 MiB if 0:
	// some eight thousand lines.
	Room int

	// Log hears when lines cannot be written, and when they can again. Nil is
	// silent.
	Log *slog.Logger
}

// Log is an audit log. Its methods may be called by many goroutines.
type Log struct {
	to   sink
	opt  Options
	lost atomic.Uint64
	rows atomic.Uint64

	reopen atomic.Bool
	wake   chan struct{} // holds one
	end    chan struct{} // closed by Close
	done   chan struct{} // closed when all is written that can be

	mu     sync.Mutex // guards the fields below
	lines  []byte
	missed uint64 // lines lost and not yet told of
	closed bool
}

// sink is where whole lines go.
type sink interface {
	// write writes lines, and returns how many bytes of them are now the
	// sink's.
	write(lines []byte) (int, error)
	// check sees whether the sink is still the one to write to; reopen says
	// that somebody is sure it is not.
	check(reopen bool) error
	close() error
}

// Open opens a log: "-" is stream, "journald" the journal of systemd, all else
// the path of a file that is appended to, readable by its owner alone.
func Open(where string, stream io.Writer, opt Options) (*Log, error) {
	to, err := open(where, stream)
	if err != nil {
		return nil, err
	}
	return start(to, opt), nil
}

func start(to sink, opt Options) *Log {
	if opt.Room <= 0 {
		opt.Room = 4 << 20
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{to: to, opt: opt, wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Event writes a loan, or a refusal by the broker.
func (l *Log) Event(e broker.Event) { l.add(func(b []byte) []byte { return appendEvent(b, &e) }) }

// Refusal writes a refusal by a door.
func (l *Log) Refusal(r agent.Refusal, door string) {
	l.add(func(b []byte) []byte { return appendRefusal(b, &r, door) })
}

// Logger writes whatever else belongs there, such as a changed configuration.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(writer{l}, nil)) }

type writer struct{ *Log }

// Write takes one line.
func (w writer) Write(line []byte) (int, error) {
	w.add(func(b []byte) []byte { return append(b, line...) })
	return len(line), nil
}

// add queues what row appends, a whole line.
func (l *Log) add(row func([]byte) []byte) {
	l.mu.Lock()
	before := len(l.lines)
	if before < l.opt.Room && !l.closed {
		l.lines = row(l.lines)
		if len(l.lines) <= l.opt.Room {
			l.mu.Unlock()
			l.rows.Add(1)
			if before == 0 {
				l.rouse()
			}
			return
		}
		l.lines = l.lines[:before]
	}
	l.missed++
	l.mu.Unlock()
	l.lost.Add(1)
}

func (l *Log) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Lost is how many lines found no room and will never be written.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Lines is how many lines were taken.
func (l *Log) Lines() uint64 { return l.rows.Load() }

// Reopen opens the file of that name anew before the next line: log rotation
// asks for it by SIGHUP. A file that was renamed is noticed without it.
func (l *Log) Reopen() {
	l.reopen.Store(true)
	l.rouse()
}

// Close writes what it can, for a few seconds at most, and ends the log.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.end)
	<-l.done
	return l.to.close()
}

const (
	// gather lets lines that come together be written together.
	gather = 2 * time.Millisecond
	// again is how long to wait before what failed is tried again.
	again = time.Second
	// checked is how often the file's name is looked at.
	checked = time.Second
	// parting is how long Close tries.
	parting = 3 * time.Second
)

// run writes until Close.
func (l *Log) run() {
	defer close(l.done)
	var looked, deadline time.Time // the latter set once Close was called
	var buf, rest []byte           // rest is the part of buf that is not written yet
	failing := false
	for {
		if deadline.IsZero() && !l.wait(failing) {
			deadline = time.Now().Add(parting)
		}
		now := time.Now()
		if reopen := l.reopen.Swap(false); reopen || now.Sub(looked) >= checked {
			looked = now
			if err := l.to.check(reopen); err != nil {
				l.opt.Log.Error("the audit log cannot be opened anew; lines go where they went before", "error", err)
			}
		}
		if len(rest) == 0 {
			buf = l.take(buf)
			rest = buf
		}
		var err error
		if len(rest) > 0 {
			var n int
			n, err = l.to.write(rest)
			rest = rest[n:]
		}
		switch {
		case err != nil && !failing:
			failing = true
			l.opt.Log.Error("the audit log cannot be written; its lines are kept while there is room", "error", err)
		case err == nil && failing:
			failing = false
			l.opt.Log.Warn("the audit log is written again", "lost", l.Lost())
		}
		switch {
		case deadline.IsZero():
		case len(rest) == 0 && l.idle():
			return
		case now.After(deadline):
			l.giveUp(rest)
			return
		case err != nil:
			time.Sleep(again / 10)
		}
	}
}

// wait waits until there is something to do, and is false if that is to end.
func (l *Log) wait(failing bool) bool {
	pause := again
	if !failing {
		pause = gather
		select {
		case <-l.wake:
		case <-l.end:
			return false
		}
	}
	select {
	case <-time.After(pause):
		return true
	case <-l.end:
		return false
	}
}

// take is what is queued, and the line that says what was lost. Lines are queued
// in used from now on.
func (l *Log) take(used []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	if l.lines = used[:0]; cap(used) > 256<<10 {
		l.lines = nil // do not keep what one outage needed
	}
	if l.missed > 0 {
		lines = append(lines, `{"time":"`...)
		lines = time.Now().UTC().AppendFormat(lines, timeFormat)
		lines = append(lines, `","level":"ERROR","msg":"lost","lines":`...)
		lines = strconv.AppendUint(lines, l.missed, 10)
		lines = append(lines, "}\n"...)
		l.missed = 0
	}
	return lines
}

// idle reports whether nothing is queued.
func (l *Log) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines) == 0 && l.missed == 0
}

// giveUp counts what will not be written.
func (l *Log) giveUp(rest []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := bytes.Count(rest, []byte("\n")) + bytes.Count(l.lines, []byte("\n"))
	l.lost.Add(uint64(n))
	l.opt.Log.Error("the audit log ends without its last lines", "lines", n)
}
