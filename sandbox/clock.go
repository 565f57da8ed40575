package sandbox

import (
	"fmt"
	"sync/atomic"
	"time"
)

// clock is the sandbox's clock: one that goes with the world, and how far
// ahead of it the sandbox is.
//
// What the sandbox itself dates is judged by the sandbox's clock: the life of
// sessions, propagation, conditions on times, the dates in answers. What was
// signed outside is judged by the clock outside, as whoever signed it knows no
// other: requests and presigned URLs, and the tokens and assertions of
// identity providers.
type clock struct {
	outside func() time.Time
	offset  atomic.Int64 // nanoseconds
}

func (c *clock) now() time.Time { return c.outside().Add(time.Duration(c.offset.Load())) }

// The times that the clock can be set to: those that every date format of
// the APIs can say, and that are less than the greatest Duration away.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Now is the sandbox's clock.
func (s *Server) Now() time.Time { return s.clock.now() }

// Offset is how far the sandbox's clock is ahead of the clock of
// Options.Now; it is negative when it is behind.
func (s *Server) Offset() time.Duration { return time.Duration(s.clock.offset.Load()) }

// Advance lets time pass at once: sessions of the sandbox grow older by d,
// which is not negative, and so does all that depends on its clock. It is not
// kept in the state: a sandbox that is started again goes with the world, and
// so do others that share the state.
func (s *Server) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("advance the clock by %s: time passes in one direction; set the clock instead", d)
	}
	for {
		was := s.clock.offset.Load()
		if d > latest.Sub(s.clock.outside())-time.Duration(was) {
			return fmt.Errorf("advance the clock by %s: it cannot go beyond %s", d, latest.Format(time.DateOnly))
		}
		if s.clock.offset.CompareAndSwap(was, was+int64(d)) {
			return nil
		}
	}
}

// SetClock sets the sandbox's clock, from which it goes on. If that is back
// in time, changes of IAM that were still on their way count at once: when
// they were made has not come yet.
func (s *Server) SetClock(t time.Time) error {
	if t.Before(earliest) || t.After(latest) {
		return fmt.Errorf("set the clock to %s: it can be set to times from %s to %s", t.Format(time.RFC3339), earliest.Format(time.DateOnly), latest.Format(time.DateOnly))
	}
	s.shift(t.Sub(s.clock.outside()))
	return nil
}

// ResetClock makes the sandbox's clock go with the world again.
func (s *Server) ResetClock() { s.shift(0) }

func (s *Server) shift(offset time.Duration) {
	if was := s.clock.offset.Swap(int64(offset)); time.Duration(was) > offset {
		s.late.settle()
	}
}
