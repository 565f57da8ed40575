package broker

import (
	"fmt"
	"testing"
)

// hosts of the size that one daemon may have to serve.
func manyRules(n int) Rules {
	rules := make(Rules, n)
	for i := range rules {
		rules[i] = rule(fmt.Sprintf("w%05d", i))
		rules[i].Match.UID = new(10000 + i)
	}
	return rules
}

func TestWarmPathDoesNotAllocate(t *testing.T) {
	peer := rule("peer")
	peer.Match, peer.Loan.SessionName = Match{UID: new(7)}, "{uid}-{exe}"
	pod := rule("pod")
	pod.Match, pod.Loan.SessionName = Match{Pod: &PodMatch{Namespace: "shop", ServiceAccount: "web*", Labels: map[string]string{"tier": "front"}}}, "{namespace}-{service_account}-{container}"
	box := rule("box")
	box.Match, box.Or, box.Loan.SessionName = Match{Container: &ContainerMatch{Name: "a"}}, []Match{{Container: &ContainerMatch{Service: "db*"}}}, "{service}-{image}"
	b := New(Rules{rule("web"), peer, pod, box}, &bank{}, Options{Audit: func(Event) {}})
	for _, c := range []Caller{
		token("web"),
		{UID: 7, PID: 1, Exe: "/usr/bin/x", How: ByPeer},
		{UID: 7, How: ByPeer, Pod: &Pod{Namespace: "shop", ServiceAccount: "web-1", Container: "c", Labels: map[string]string{"tier": "front"}}},
		{UID: 7, How: ByPeer, Container: &Container{Name: "b", Image: "db:1", Labels: map[string]string{LabelComposeService: "db1"}}},
	} {
		ask := func() {
			if _, err := b.Credentials(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		if n := testing.AllocsPerRun(100, ask); n != 0 {
			t.Errorf("%v: %v allocations for a warm answer", c, n)
		}
	}
}

// BenchmarkCredentials is a warm answer, audit on, by what is known of the
// caller and how many workloads the host has.
func BenchmarkCredentials(b *testing.B) {
	for _, n := range []int{1, 500, 10000} {
		broker := New(manyRules(n), &bank{}, Options{Audit: func(Event) {}})
		for _, c := range []Caller{
			token(fmt.Sprintf("w%05d", n/2)),
			{UID: 10000 + n/2, PID: 1, Exe: "/usr/bin/x", How: ByPeer},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.How, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := broker.Credentials(b.Context(), c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCredentialsParallel is the same from all cores at once.
func BenchmarkCredentialsParallel(b *testing.B) {
	broker := New(manyRules(500), &bank{}, Options{Audit: func(Event) {}})
	c := token("w00250")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := broker.Credentials(b.Context(), c); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkLook is one round of Run over 10,000 warm loans.
func BenchmarkLook(b *testing.B) {
	rules := manyRules(10000)
	broker := New(rules, &bank{}, Options{Burst: 20000, CallsPerSecond: 1e6})
	for _, r := range rules {
		if _, err := broker.Credentials(b.Context(), token(r.Name)); err != nil {
			b.Fatal(err)
		}
	}
	now := broker.epoch
	b.ReportAllocs()
	for b.Loop() {
		broker.look(now)
	}
}
