package hostroles

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/iam"
)

const host = "arn:aws:iam::111122223333:role/devbox"

func role(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// loans are every kind: plain, with an external id, tagged, with a source
// identity, chained within an account and across, and one role reached in two
// ways.
func loans() []broker.Loan {
	return []broker.Loan{
		{Role: role("111122223333", "services/alpha")},
		{Role: role("111122223333", "gamma"), ExternalID: "gamma-7c1e"},
		{Role: role("444455556666", "reports"), ExternalID: "r-1", Tags: map[string]string{"team": "finance", "unit": "{unit}"},
			Chain: []broker.Hop{{Role: role("111122223333", "jump"), ExternalID: "j-1"}}},
		{Role: role("444455556666", "audit"), SourceIdentity: "{workload}@{host}", Tags: map[string]string{"team": "audit"}},
		{Role: role("444455556666", "reports"), ExternalID: "r-2"},
		{Role: role("111122223333", "fixed"), SourceIdentity: "box"},
	}
}

// world holds the documents as the engine reads them.
type world struct {
	identity map[string]*iam.Policy // by role, host for ""
	trust    map[string]*iam.Policy
}

func documents(steps []Step) (identity, trust map[string]Document) {
	identity, trust = map[string]Document{}, map[string]Document{}
	for _, from := range Callers(steps) {
		identity[from] = CallerPolicy(steps, from)
	}
	for _, to := range Targets(steps) {
		trust[to] = Trust(steps, to, host)
	}
	return identity, trust
}

func compile(t *testing.T, kind iam.Kind, list map[string]Document) map[string]*iam.Policy {
	t.Helper()
	out := map[string]*iam.Policy{}
	for name, d := range list {
		if len(d.Statement) == 0 {
			continue
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := iam.Validate(kind, text, iam.ValidateOptions{}); err != nil {
			t.Fatalf("AWS would not store %s: %v", text, err)
		}
		p, err := iam.Parse(kind, name, text)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = p
	}
	return out
}

// lent asks the engine for every step of a loan.
func (w *world) lent(l broker.Loan) error {
	from := ""
	ask := func(to, external, source string, tags map[string]string) error {
		arn := from
		if arn == "" {
			arn = host
		}
		parsed, err := iam.ParseARN(arn)
		if err != nil {
			return err
		}
		name := arn[strings.LastIndex(arn, "/")+1:]
		session := fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/s", parsed.Account, name)
		c := iam.NewContext()
		c.Set("aws:PrincipalArn", arn)
		if external != "" {
			c.Set("sts:ExternalId", external)
		}
		if source != "" {
			c.Set("sts:SourceIdentity", strings.NewReplacer("{workload}", "audit", "{host}", "box7").Replace(source))
		}
		if len(tags) > 0 {
			c.SetList("aws:TagKeys", slices.Sorted(maps.Keys(tags)))
		}
		p := iam.Policies{Resource: w.trust[to], Trust: true}
		if own := w.identity[from]; own != nil {
			p.Identity = []*iam.Policy{own}
		}
		d := p.DecideAssume(&iam.AssumeRequest{
			Principal: iam.Principal{Type: iam.AssumedRole, ARN: session, Account: parsed.Account, Issuer: arn},
			Role:      to, Tags: len(tags) > 0, SourceIdentity: source != "", Context: c,
		})
		if !d.Allowed() {
			return fmt.Errorf("%s may not %s %s", arn, d.Action, to)
		}
		from = to
		return nil
	}
	for _, h := range l.Chain {
		if err := ask(h.Role, h.ExternalID, "", nil); err != nil {
			return err
		}
	}
	return ask(l.Role, l.ExternalID, l.SourceIdentity, l.Tags)
}

func (w *world) lends(list []broker.Loan) error {
	for _, l := range list {
		if err := w.lent(l); err != nil {
			return err
		}
	}
	return nil
}

// TestPoliciesSuffice: with these documents every loan is had.
func TestPoliciesSuffice(t *testing.T) {
	identity, trust := documents(Steps(loans()))
	w := &world{compile(t, iam.Identity, identity), compile(t, iam.Trust, trust)}
	if err := w.lends(loans()); err != nil {
		t.Error(err)
	}
}

// TestPoliciesAreLeast: without any one of the trust statements, or any one
// resource of a caller's statements towards another account, some loan fails.
// Within an account the trust policy alone is enough, as it names the role.
func TestPoliciesAreLeast(t *testing.T) {
	steps := Steps(loans())
	tried := 0
	broken := func(what string, identity, trust map[string]Document) {
		t.Helper()
		tried++
		w := &world{compile(t, iam.Identity, identity), compile(t, iam.Trust, trust)}
		if w.lends(loans()) == nil {
			t.Errorf("every loan is still had without %s", what)
		}
	}
	_, trust := documents(steps)
	for to, d := range trust {
		for i := range d.Statement {
			identity, trust := documents(steps)
			less := trust[to]
			less.Statement = slices.Delete(slices.Clone(less.Statement), i, i+1)
			trust[to] = less
			broken(fmt.Sprintf("statement %d of the trust of %s", i, to), identity, trust)
		}
	}
	account := func(arn string) string { return strings.Split(arn, ":")[4] }
	identity, _ := documents(steps)
	for from, d := range identity {
		home := from
		if home == "" {
			home = host
		}
		for i, s := range d.Statement {
			for j, to := range s.Resource {
				if account(to) == account(home) {
					continue
				}
				identity, trust := documents(steps)
				less := identity[from]
				less.Statement[i].Resource = slices.Delete(slices.Clone(s.Resource), j, j+1)
				if len(less.Statement[i].Resource) == 0 {
					less.Statement = slices.Delete(less.Statement, i, i+1)
				}
				identity[from] = less
				broken(fmt.Sprintf("%s on %s in the policy of %q", s.Action[0], to, from), identity, trust)
			}
		}
	}
	if tried < 12 {
		t.Errorf("only %d things were left out", tried)
	}
}

// TestTrustLetsNobodyElseIn: another external id, another tag, another source
// identity, or another role gets nothing.
func TestTrustLetsNobodyElseIn(t *testing.T) {
	identity, trust := documents(Steps(loans()))
	w := &world{compile(t, iam.Identity, identity), compile(t, iam.Trust, trust)}
	for name, l := range map[string]broker.Loan{
		"no external id":         {Role: role("111122223333", "gamma")},
		"another external id":    {Role: role("111122223333", "gamma"), ExternalID: "gamma-8"},
		"another tag":            {Role: role("444455556666", "audit"), SourceIdentity: "audit@box7", Tags: map[string]string{"admin": "yes"}},
		"tags nobody sends":      {Role: role("111122223333", "services/alpha"), Tags: map[string]string{"team": "x"}},
		"another identity":       {Role: role("111122223333", "fixed"), SourceIdentity: "somebody"},
		"a role of another path": {Role: role("111122223333", "fixed"), Chain: []broker.Hop{{Role: role("111122223333", "jump"), ExternalID: "j-1"}}},
	} {
		if w.lent(l) == nil {
			t.Errorf("%s: let in", name)
		}
	}
}

func TestPattern(t *testing.T) {
	for template, want := range map[string]string{
		"box": "box", "{workload}@{host}": "*@*", "a-{uid}": "a-*", "{x": "*", "": "",
	} {
		if got := pattern(template); got != want {
			t.Errorf("pattern(%q) = %q, want %q", template, got, want)
		}
	}
}
