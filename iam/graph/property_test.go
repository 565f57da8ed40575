package graph

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"pgregory.net/rapid"
)

// conditionsDrawn are conditions of every sort: undecided, known, with variables.
func conditionsDrawn() []string {
	return []string{
		"", "", "", "",
		condition("StringEquals", "sts:ExternalId", "a"),
		condition("StringNotEquals", "sts:ExternalId", "a"),
		condition("Bool", "aws:MultiFactorAuthPresent", "true"),
		condition("Null", "sts:ExternalId", "true"),
		condition("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/r*"),
		condition("StringEquals", "aws:PrincipalTag/team", "${aws:ResourceTag/team}"),
		condition("StringEquals", "aws:PrincipalTag/team", "${sts:ExternalId}"),
		condition("StringEquals", "aws:username", "u0"),
		condition("StringEquals", "aws:PrincipalAccount", one),
	}
}

func withCondition(t *rapid.T, statement, label string) string {
	if c := rapid.SampledFrom(conditionsDrawn()).Draw(t, label); c != "" {
		return strings.TrimSuffix(statement, "}") + ", " + c + "}"
	}
	return statement
}

// small draws a world of two accounts with three roles and two users.
func small(t *rapid.T, tb testing.TB) *builder {
	b := newBuilder(tb)
	identity := func(label string) string {
		var out []string
		for range rapid.IntRange(0, 2).Draw(t, label) {
			s := allow(rapid.SampledFrom([]string{"sts:AssumeRole", "sts:*", "*", "s3:*"}).Draw(t, "action"),
				rapid.SampledFrom([]string{"*", "arn:aws:iam::*:role/r0", "arn:aws:iam::" + two + ":role/*", "arn:aws:iam::*:role/r${aws:userid}", "arn:aws:iam::*:role/${sts:ExternalId, 'r0'}", "arn:aws:iam::*:*/${aws:PrincipalTag/team}"}).Draw(t, "resource"))
			if rapid.IntRange(0, 4).Draw(t, "deny") == 0 {
				s = strings.Replace(s, "Allow", "Deny", 1)
			}
			if rapid.IntRange(0, 5).Draw(t, "not") == 0 {
				s = strings.Replace(s, `"Resource"`, `"NotResource"`, 1)
			}
			out = append(out, withCondition(t, s, "condition"))
		}
		return strings.Join(out, ", ")
	}
	trust := func() string {
		var out []string
		for range rapid.IntRange(1, 2).Draw(t, "trusts") {
			s := trusts("AWS", rapid.SampledFrom([]string{"*", root(one), two, roleARN(one, "r0"), roleARN(two, "r1"), userARN(one, "u0"), "AROA" + one + "r0", "AROAGONE",
				"arn:aws:sts::" + one + ":assumed-role/r0/here", "arn:aws:sts::" + two + ":assumed-role/r1/here"}).Draw(t, "principal"))
			if rapid.IntRange(0, 4).Draw(t, "deny") == 0 {
				s = strings.Replace(s, "Allow", "Deny", 1)
			}
			out = append(out, withCondition(t, s, "condition"))
		}
		return strings.Join(out, ", ")
	}
	boundary := func(id, name string) string {
		if rapid.IntRange(0, 3).Draw(t, "bounded") > 0 {
			return ""
		}
		return b.managed(id, "limit-"+name, withCondition(t, allow(rapid.SampledFrom([]string{"*", "s3:*", "sts:AssumeRole"}).Draw(t, "limit"), "*"), "condition"))
	}
	tags := func() []account.Tag {
		if v := rapid.SampledFrom([]string{"", "a", "r0"}).Draw(t, "tag"); v != "" {
			return []account.Tag{{Key: "team", Value: v}}
		}
		return nil
	}
	for i, id := range []string{one, two} {
		name := []string{"u0", "u1"}[i]
		u := b.user(id, name, identity("identity"))
		u.Boundary, u.Tags = boundary(id, name), tags()
	}
	for _, r := range [][2]string{{one, "r0"}, {two, "r1"}, {one, "r2"}} {
		x := b.role(r[0], r[1], trust(), identity("identity"))
		x.Boundary, x.Tags = boundary(r[0], r[1]), tags()
	}
	if rapid.Bool().Draw(t, "organization") {
		b.opt.SCP = map[string][][]*iam.Policy{one: {{b.policy(iam.SCP, "scp", allow("*", "*")+", "+withCondition(t, deny("sts:*", "arn:aws:iam::"+two+":*"), "condition"))}}}
	}
	return b
}

// truth asks the engine alone, for every request that differs in what policies
// of small worlds may ask for.
func truth(t *rapid.T, b *builder, from *account.Account, e account.Entity, tags []account.Tag, to *account.Account, r *account.Role) (some, all, plain bool) {
	set, err := from.PoliciesOf(e.ARN)
	if err != nil {
		t.Fatal(err)
	}
	set.Resource, set.SCP = r.Trust, b.opt.SCP[from.ID]
	isUser := strings.Contains(e.ARN, ":user/")
	sessions := []string{"here", "there", "0", "1"}
	if isUser {
		sessions = sessions[:1]
	}
	all = true
	for _, session := range sessions {
		for _, external := range []string{"", "a", "b", "r0"} {
			for _, mfa := range []string{"", "true", "false"} {
				c := iam.NewContext()
				q := &iam.AssumeRequest{Principal: iam.Principal{Type: iam.User, ARN: e.ARN, Account: from.ID, ID: e.ID}, Role: r.ARN, Context: c}
				c.Set("aws:userid", e.ID)
				if isUser {
					c.Set("aws:username", e.Name)
				} else {
					q.Principal = iam.Principal{Type: iam.AssumedRole, ARN: "arn:aws:sts::" + from.ID + ":assumed-role/" + e.Name + "/" + session, Account: from.ID, Issuer: e.ARN, ID: e.ID}
					c.Set("aws:userid", e.ID+":"+session)
				}
				c.Set("aws:PrincipalArn", e.ARN)
				c.Set("aws:PrincipalAccount", from.ID)
				for _, tag := range tags {
					c.Set("aws:PrincipalTag/"+tag.Key, tag.Value)
				}
				for _, tag := range r.Tags {
					c.Set("aws:ResourceTag/"+tag.Key, tag.Value)
				}
				if external != "" {
					c.Set("sts:ExternalId", external)
				}
				if mfa != "" {
					c.Set("aws:MultiFactorAuthPresent", mfa)
				}
				ok := set.DecideAssume(q).Allowed()
				some, all = some || ok, all && ok
			}
		}
	}
	// The same without any condition key, which says all where nobody asks for one.
	q := &iam.AssumeRequest{Principal: iam.Principal{Type: iam.User, ARN: e.ARN, Account: from.ID, ID: e.ID}, Role: r.ARN}
	if !isUser {
		q.Principal = iam.Principal{Type: iam.AssumedRole, ARN: "arn:aws:sts::" + from.ID + ":assumed-role/" + e.Name + "/there", Account: from.ID, Issuer: e.ARN, ID: e.ID}
	}
	return some, all, set.DecideAssume(q).Allowed()
}

// TestTruth compares all pairs of small worlds with the engine: what the graph
// calls allowed is so in every request, what it calls denied in none, and where
// no policy asks for what only a request knows, it is sure. The queries find
// just the hops that CanAssume admits.
func TestTruth(t *testing.T) {
	var sure, unsure int
	rapid.Check(t, func(rt *rapid.T) {
		b := small(rt, t)
		g := b.build()
		type who struct {
			a    *account.Account
			e    account.Entity
			tags []account.Tag
		}
		var people []who
		for _, a := range b.accounts {
			for _, u := range a.Users {
				people = append(people, who{a, u.Entity, u.Tags})
			}
			for _, r := range a.Roles {
				people = append(people, who{a, r.Entity, r.Tags})
			}
		}
		for _, to := range b.accounts {
			for i := range to.Roles {
				r := &to.Roles[i]
				for _, p := range people {
					answer := g.mustAnswer(rt2tb(rt), p.e.ARN, r.ARN)
					some, all, plain := truth(rt, b, p.a, p.e, p.tags, to, r)
					fail := func(why string) {
						rt.Fatalf("%s: %s to %s is %v (%s), but some %v, all %v, plain %v\n%v", why, p.e.ARN, r.ARN, answer.Verdict, answer.Reason, some, all, plain, r.Trust.Source())
					}
					n := g.byARN[p.e.ARN]
					c := g.assumption(n, g.byARN[r.ARN])
					decidable := c.same && g.byARN[r.ARN].says.sessions[n] == nil
					switch {
					case answer.Verdict == Allowed && !all:
						fail("allowed")
					case answer.Verdict == Denied && some:
						fail("denied")
					case decidable && answer.Verdict != Allowed && answer.Verdict != Denied:
						fail("undecided")
					case decidable && !n.keyed && len(g.byARN[r.ARN].trust.keys) == 0 && (answer.Verdict == Allowed) != plain:
						fail("without context")
					case answer.Verdict == IfConditions && len(answer.Conditions) == 0:
						fail("no conditions")
					}
					if decidable {
						sure++
					} else {
						unsure++
					}
					if p.e.ARN == r.ARN {
						continue
					}
					is := func(list []edge) bool {
						return slices.ContainsFunc(list, func(e edge) bool {
							return e.from.ARN == p.e.ARN && e.to.ARN == r.ARN && e.how != PassRole && e.verdict == answer.Verdict && e.how == answer.How
						})
					}
					if in, out := is(g.incoming(g.byARN[r.ARN])), is(g.outgoing(n)); in != (answer.Verdict != Denied) || out != in {
						fail("hops differ")
					}
				}
			}
		}
	})
	if sure == 0 || unsure == 0 {
		t.Errorf("%d decidable pairs and %d others: want some of both", sure, unsure)
	}
}

// rt2tb lets helpers fail a rapid check.
func rt2tb(rt *rapid.T) testing.TB { return rapidTB{rt: rt} }

type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (r rapidTB) Helper()           {}
func (r rapidTB) Fatal(args ...any) { r.rt.Fatal(args...) }

// TestBothWays finds the same hops from their callers and from their roles, with
// several goroutines asking at once.
func TestBothWays(t *testing.T) {
	g, err := Build(estate(t, 120)...)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, n := range g.nodes {
				if n.Kind == Role {
					g.incoming(n)
				}
				g.outgoing(n)
			}
		})
	}
	wg.Wait()
	type hop struct {
		from, to string
		how      How
		verdict  Verdict
		row      int8
	}
	hops := map[hop]int{}
	passes := 0
	for _, n := range g.nodes {
		for _, e := range g.outgoing(n) {
			hops[hop{e.from.ARN, e.to.ARN, e.how, e.verdict, e.row}]++
		}
		if n.Kind == Role {
			for _, e := range g.incoming(n) {
				hops[hop{e.from.ARN, e.to.ARN, e.how, e.verdict, e.row}] += 10
				if e.how == PassRole {
					passes++
				}
			}
		}
	}
	for h, n := range hops {
		if n != 11 {
			t.Errorf("%+v: counted %d, want 11", h, n)
		}
	}
	if passes == 0 || len(hops) < 1000 {
		t.Errorf("%d hops, %d of them by passing: want more", len(hops), passes)
	}
}
