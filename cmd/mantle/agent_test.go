package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
)

// knows says the same of every connection.
type knows broker.Caller

func (k knows) Identify(net.Conn) (broker.Caller, error) { return broker.Caller(k), nil }
func (k knows) Check(net.Conn, broker.Caller) error      { return nil }

// The agent's own requests for credentials must not come back to it.
func TestAgentIsNoCaller(t *testing.T) {
	who := broker.Caller{UID: 0, PID: os.Getpid(), How: broker.ByPeer}
	if _, err := (notSelf{knows(who)}).Identify(nil); err == nil || !strings.Contains(err.Error(), "does not lend to itself") {
		t.Errorf("the agent itself: %v", err)
	}
	who.PID = os.Getppid()
	if got, err := (notSelf{knows(who)}).Identify(nil); err != nil || got.PID != who.PID {
		t.Errorf("another process of the same user: %v, %v", got, err)
	}
}

// What a reload says it changes.
func TestChanges(t *testing.T) {
	role := func(name string) broker.Loan { return broker.Loan{Role: "arn:aws:iam::111122223333:role/" + name} }
	at := func(hop int, rules ...broker.Rule) *view {
		v := &view{cfg: parsed(t, hop), rules: rules, v1: map[string]bool{}, in: map[string]string{}}
		return v
	}
	old := at(1, broker.Rule{Name: "a", Loan: role("a")}, broker.Rule{Name: "b", Loan: role("b")})
	for _, tt := range []struct {
		next *view
		want string
	}{
		{at(1, old.rules...), "no workload changed"},
		{at(1, old.rules[0], broker.Rule{Name: "c", Loan: role("c")}), "added c; removed b"},
		{at(1, broker.Rule{Name: "a", Loan: role("z")}, old.rules[1]), "changed a"},
		{at(1, broker.Rule{Name: "a", Match: broker.Match{UID: new(1)}, Loan: role("a")}, old.rules[1]), "changed a"},
		{at(2, old.rules...), "no workload changed; restart the agent for the agent block to take effect"},
	} {
		if got := changesOf(old, tt.next).String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func parsed(t *testing.T, hop int) *config.Config {
	t.Helper()
	c, err := config.Parse("mantle.hcl", fmt.Appendf(nil, "agent {\n  hop_limit = %d\n}\n", hop), config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
