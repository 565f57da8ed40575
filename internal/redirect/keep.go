package redirect

import (
	"context"
	"time"
)

// Kept is what Keep keeps in place: [Rules] or [Addresses].
type Kept interface {
	Installed() (bool, error)
	Apply() error
}

// settle is how long a burst of changes may go on before it is looked at.
const settle = 20 * time.Millisecond

// Keep looks after what was applied until ctx ends: what somebody takes away
// (nft flush ruleset, a firewall that is reloaded) is put back. It looks when
// the kernel says that something was changed, and every so often besides (2 s
// if every is 0). found is called for each loss, with the error if it could not
// be repaired, and may be nil.
func Keep(ctx context.Context, k Kept, every time.Duration, found func(error)) {
	if every <= 0 {
		every = 2 * time.Second
	}
	if found == nil {
		found = func(error) {}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	woken := changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-woken:
			// What changes once changes again: look when it is done, but soon.
			time.Sleep(settle)
		}
		whole, err := k.Installed()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			found(err)
		case !whole:
			found(k.Apply())
		}
	}
}
