//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpu is the processor time this process has used: unlike the clock on the wall
// it does not count what other processes take.
func cpu() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
