package agent

import (
	"context"
	"time"
)

// net/http sets five deadlines per request, and the runtime keeps a timer for
// each: together they take longer than finding credentials does. Here a
// deadline that is set is only noted. Once a second a sweep looks for deadlines
// that have passed and tells the system about those, so a connection is cut up
// to a second late, and one in good order costs nothing.
const sweepEvery = time.Second

// deadline is one direction's: a moment after which reads, or writes, fail.
// connection.deadlines guards it.
type deadline struct {
	by  time.Time // zero if there is none
	cut bool      // the system knows of it, and of none later
}

// set notes t. A moment from before the server was is not a deadline but how
// net/http interrupts a read under way, and takes effect at once.
func (d *deadline) set(t, served time.Time, tell func(time.Time) error) error {
	d.by = t
	passed := !t.IsZero() && t.Before(served)
	if !passed && !d.cut {
		return nil
	}
	d.cut = passed
	if !passed {
		t = time.Time{}
	}
	return tell(t)
}

// sweep tells the system if the deadline has passed by now.
func (d *deadline) sweep(now time.Time, tell func(time.Time) error) {
	if !d.cut && !d.by.IsZero() && !now.Before(d.by) {
		d.cut = true
		tell(d.by) // on failure the connection is closed already
	}
}

// SetReadDeadline implements net.Conn.
func (c *connection) SetReadDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	return c.read.set(t, c.srv.served, c.Conn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *connection) SetWriteDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	return c.write.set(t, c.srv.served, c.Conn.SetWriteDeadline)
}

// SetDeadline implements net.Conn.
func (c *connection) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// sweep enforces the deadlines of open connections until ctx ends.
func (s *server) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			for c := range s.open {
				c.deadlines.Lock()
				c.read.sweep(now, c.Conn.SetReadDeadline)
				c.write.sweep(now, c.Conn.SetWriteDeadline)
				c.deadlines.Unlock()
			}
			s.mu.Unlock()
		}
	}
}
