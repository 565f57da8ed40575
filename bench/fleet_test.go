package bench

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A fleet is hosts that lend roles for an hour and renew them as broker.Run
// does: at half of the session's life or up to a tenth of it earlier. STS makes
// 600 sessions a second for all of an account's callers in a region
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html);
// calls beyond are refused, and asked again after a pause that doubles.
type fleet struct {
	hosts, roles int
	limit        int           // of STS, calls a second
	rate         float64       // of one host's calls a second: broker.Options
	burst        int           // and at once
	spread       time.Duration // over which the hosts start
	run          time.Duration
}

type renewal struct {
	at    float64 // seconds
	fails int
	until float64 // when what is lent meanwhile ends; -1 for nothing
}

type agenda []renewal

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(renewal)) }
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

type outcome struct {
	calls, refused int
	peak           int // calls in the busiest second after the first five minutes
	hourly         int // calls of the last hour
	settled        float64
	late           int // renewals that came after the credentials' end
}

func (f fleet) simulate() outcome {
	const life = 3600.0
	rng := rand.New(rand.NewPCG(1, 2))
	var list agenda
	for range f.hosts {
		start := rng.Float64() * f.spread.Seconds()
		for k := range f.roles {
			// The budget of a host: so many at once, the rest at its rate.
			wait := math.Max(0, float64(k-f.burst+1)) / f.rate
			list = append(list, renewal{start + wait, 0, -1})
		}
	}
	heap.Init(&list)
	end := f.run.Seconds()
	granted := make([]int, int(end)+1)
	asked := make([]int, int(end)+1)
	var out outcome
	waiting := len(list)
	for len(list) > 0 && list[0].at < end {
		r := heap.Pop(&list).(renewal)
		s := int(r.at)
		out.calls++
		asked[s]++
		if granted[s] >= f.limit {
			out.refused++
			r.fails++
			pause := math.Min(60, math.Pow(2, float64(r.fails-1)))
			r.at += pause * (1 + 0.2*rng.Float64())
			heap.Push(&list, r)
			continue
		}
		granted[s]++
		if r.until < 0 {
			if waiting--; waiting == 0 {
				out.settled = r.at
			}
		} else if r.at > r.until-15 {
			out.late++
		}
		heap.Push(&list, renewal{r.at + life/2 - rng.Float64()*life/10, 0, r.at + life})
	}
	for s := 300; s < len(asked); s++ {
		out.peak = max(out.peak, asked[s])
	}
	for s := max(0, len(asked)-3600); s < len(asked); s++ {
		out.hourly += asked[s]
	}
	return out
}

// What STS is asked by one host and by a fleet, and how long a fleet that
// starts at once takes until every role of every host is there.
func TestFleet(t *testing.T) {
	one := fleet{hosts: 1, roles: 20, limit: 600, rate: 50, burst: 100, run: 4 * time.Hour}.simulate()
	// A session of an hour is renewed every 27 minutes on average.
	perRole := float64(one.calls-20) / 4 / 20
	if perRole < 2 || perRole > 2.4 || one.refused > 0 {
		t.Errorf("one host: %.2f calls an hour for each role, %d refused", perRole, one.refused)
	}
	t.Logf("one host: %.2f calls of STS an hour for each role", perRole)
	for _, f := range []struct {
		name string
		fleet
		settled float64 // at most
	}{
		{"2,000 hosts of 5 roles, at once", fleet{hosts: 2000, roles: 5}, 120},
		{"10,000 hosts of 5 roles, at once", fleet{hosts: 10_000, roles: 5}, 400},
		{"10,000 hosts of 5 roles, over 5 minutes", fleet{hosts: 10_000, roles: 5, spread: 5 * time.Minute}, 330},
	} {
		f.limit, f.rate, f.burst, f.run = 600, 50, 100, 3*time.Hour
		o := f.simulate()
		t.Logf("%s: all roles there after %.0f s; %d calls refused in %d; then %d an hour (%.0f a second), %d in the busiest second after five minutes; %d renewals late",
			f.name, o.settled, o.refused, o.calls, o.hourly, float64(o.hourly)/3600, o.peak, o.late)
		if o.settled == 0 || o.settled > f.settled {
			t.Errorf("%s: not all roles were there after %v s: %.0f", f.name, f.settled, o.settled)
		}
		if o.late > 0 {
			t.Errorf("%s: %d renewals came after the end of what they renew", f.name, o.late)
		}
	}
}
