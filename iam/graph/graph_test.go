package graph

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
)

const (
	one = "111122223333"
	two = "444455556666"
)

func roleARN(id, name string) string { return "arn:aws:iam::" + id + ":role/" + name }
func userARN(id, name string) string { return "arn:aws:iam::" + id + ":user/" + name }

// world builds accounts from short texts.
type builder struct {
	t        testing.TB
	accounts map[string]*account.Account
	opt      Options
}

func newBuilder(t testing.TB) *builder {
	return &builder{t: t, accounts: map[string]*account.Account{}}
}

func (b *builder) account(id string) *account.Account {
	if b.accounts[id] == nil {
		b.accounts[id] = &account.Account{ID: id}
	}
	return b.accounts[id]
}

// policy parses statements: the text between the brackets of "Statement".
func (b *builder) policy(kind iam.Kind, name, statements string) *iam.Policy {
	b.t.Helper()
	p, err := iam.Parse(kind, name, []byte(`{"Version": "2012-10-17", "Statement": [`+statements+`]}`))
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *builder) managed(id, name, statements string) string {
	arn := "arn:aws:iam::" + id + ":policy/" + name
	a := b.account(id)
	a.Policies = append(a.Policies, account.ManagedPolicy{ARN: arn, ID: "ANPA" + name, Name: name, Path: "/", Default: "v1",
		Versions: []account.Version{{ID: "v1", Document: b.policy(iam.Identity, arn, statements)}}})
	return arn
}

func (b *builder) inline(statements string) []account.Inline {
	if statements == "" {
		return nil
	}
	return []account.Inline{{Name: "p", Document: b.policy(iam.Identity, "inline policy p", statements)}}
}

func (b *builder) user(id, name, statements string) *account.User {
	a := b.account(id)
	a.Users = append(a.Users, account.User{Entity: account.Entity{ARN: userARN(id, name), ID: "AIDA" + id + name, Name: name, Path: "/", Inline: b.inline(statements)}})
	return &a.Users[len(a.Users)-1]
}

func (b *builder) role(id, name, trust, statements string) *account.Role {
	a := b.account(id)
	a.Roles = append(a.Roles, account.Role{Entity: account.Entity{ARN: roleARN(id, name), ID: "AROA" + id + name, Name: name, Path: "/", Inline: b.inline(statements)},
		Trust: b.policy(iam.Trust, "trust policy of role "+name, trust)})
	return &a.Roles[len(a.Roles)-1]
}

func (b *builder) list() []*account.Account {
	var out []*account.Account
	for _, a := range b.accounts {
		out = append(out, a)
	}
	return out
}

func (b *builder) build() *Graph {
	b.t.Helper()
	g, err := b.opt.Build(b.list()...)
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

// trusts is a trust statement; more is added to it, such as a condition.
func trusts(kind, who string, more ...string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Principal": {%q: %q}, "Action": "sts:AssumeRole"%s}`, kind, who, strings.Join(append([]string{""}, more...), ", "))
}

func allow(action, resource string, more ...string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": %q, "Resource": %q%s}`, action, resource, strings.Join(append([]string{""}, more...), ", "))
}

func deny(action, resource string, more ...string) string {
	return strings.Replace(allow(action, resource, more...), "Allow", "Deny", 1)
}

func condition(operator, key, value string) string {
	return fmt.Sprintf(`"Condition": {%q: {%q: %q}}`, operator, key, value)
}

func root(id string) string { return "arn:aws:iam::" + id + ":root" }

func (g *Graph) mustAnswer(t testing.TB, from, to string) Answer {
	t.Helper()
	a, err := g.CanAssume(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustPaths(t testing.TB) func([]Path, error) []Path {
	return func(p []Path, err error) []Path {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// TestMatrix is who may assume whom, for one role that wants to become another.
func TestMatrix(t *testing.T) {
	r1, r2, far := roleARN(one, "role1"), roleARN(one, "role2"), roleARN(two, "far")
	may := allow("sts:AssumeRole", "*")
	no := deny("sts:AssumeRole", "*")
	external := condition("StringEquals", "sts:ExternalId", "x-1")
	mfa := condition("Bool", "aws:MultiFactorAuthPresent", "true")
	for _, test := range []struct {
		name, trust, identity string
		far                   bool
		boundary, scp         string
		want                  Verdict
		how                   How
		caller, side          Verdict
		on                    string // keys that it depends on
		reason                string
	}{
		{name: "trust names the role", trust: trusts("AWS", r1), want: Allowed, how: Direct, caller: Denied, side: Allowed, reason: "trust policy of role role2"},
		{name: "trust names the account", trust: trusts("AWS", root(one)), identity: may, want: Allowed, how: ViaAccount, caller: Allowed, side: Allowed},
		{name: "trust names the account by number", trust: trusts("AWS", one), identity: may, want: Allowed, how: ViaAccount, caller: Allowed, side: Allowed},
		{name: "account without identity policy", trust: trusts("AWS", root(one)), want: Denied, caller: Denied, side: Allowed, reason: "delegates to the caller's account; the caller's side is missing"},
		{name: "trust names ec2 only", trust: trusts("Service", "ec2.amazonaws.com"), identity: may, want: Denied, caller: Allowed, side: Denied, reason: "the trust policy does not let the caller in"},
		{name: "deny by identity", trust: trusts("AWS", r1), identity: no, want: Denied, caller: Denied, side: Allowed, reason: "explicit deny in the identity policy"},
		{name: "deny by trust", trust: trusts("AWS", r1) + `, {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}`, identity: may, want: Denied, caller: Allowed, side: Denied, reason: "explicit deny in the trust policy"},
		{name: "deleted and created again", trust: trusts("AWS", "AROAOLDROLEOLDROLE001"), identity: may, want: Denied, caller: Allowed, side: Denied},
		{name: "by unique id", trust: trusts("AWS", "AROA"+one+"role1"), want: Allowed, how: Direct, caller: Denied, side: Allowed},
		{name: "everyone", trust: trusts("AWS", "*"), want: Allowed, how: Direct, caller: Denied, side: Allowed},
		{name: "boundary against the account", trust: trusts("AWS", root(one)), identity: may, boundary: allow("s3:*", "*"), want: Denied, caller: Denied, side: Allowed, reason: "no permissions boundary allows"},
		{name: "boundary against the role", trust: trusts("AWS", r1), boundary: allow("s3:*", "*"), want: Denied, caller: Denied, side: Allowed},
		{name: "boundary against everyone", trust: trusts("AWS", "*"), boundary: allow("s3:*", "*"), want: Allowed, how: Direct, caller: Denied, side: Allowed},
		{name: "scp", trust: trusts("AWS", r1), scp: allow("s3:*", "*"), want: Denied, caller: Denied, side: Allowed, reason: "no service control policy"},
		{name: "scp denies unless", trust: trusts("AWS", r1), scp: allow("*", "*") + "," + deny("*", "*", condition("NotIpAddress", "aws:SourceIp", "10.0.0.0/8")), want: IfConditions, how: Direct, caller: Denied, side: Allowed, on: "aws:SourceIp"},
		{name: "external id", trust: trusts("AWS", r1, external), want: IfConditions, how: Direct, caller: Denied, side: IfConditions, on: "sts:ExternalId"},
		{name: "mfa of the caller", trust: trusts("AWS", root(one)), identity: allow("sts:AssumeRole", r2, mfa), want: IfConditions, how: ViaAccount, caller: IfConditions, side: Allowed, on: "aws:MultiFactorAuthPresent"},
		{name: "both sides depend", trust: trusts("AWS", root(one), external), identity: allow("sts:AssumeRole", r2, mfa), want: IfConditions, how: ViaAccount, caller: IfConditions, side: IfConditions, on: "sts:ExternalId aws:MultiFactorAuthPresent"},
		{name: "deny by condition", trust: trusts("AWS", r1), identity: deny("*", "*", condition("BoolIfExists", "aws:MultiFactorAuthPresent", "false")), want: IfConditions, how: Direct, caller: Denied, side: Allowed, on: "aws:MultiFactorAuthPresent"},
		{name: "without the condition too", trust: trusts("AWS", r1, external) + "," + trusts("AWS", r1), want: Allowed, how: Direct, caller: Denied, side: Allowed},
		{name: "known: principal ARN", trust: trusts("AWS", root(one), condition("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/role*")), identity: may, want: Allowed, how: ViaAccount, caller: Allowed, side: Allowed},
		{name: "known: another principal ARN", trust: trusts("AWS", "*", condition("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/web*")), identity: may, want: Denied, caller: Allowed, side: Denied},
		{name: "known: tags", trust: trusts("AWS", r1, condition("StringEquals", "aws:PrincipalTag/team", "shop")), want: Allowed, how: Direct, caller: Denied, side: Allowed},
		{name: "known: tags of the role", trust: trusts("AWS", root(one)), identity: allow("sts:AssumeRole", "*", condition("StringEquals", "aws:ResourceTag/stage", "${aws:PrincipalTag/stage}")), want: Allowed, how: ViaAccount, caller: Allowed, side: Allowed},
		{name: "known: other tags of the role", trust: trusts("AWS", root(one)), identity: allow("sts:AssumeRole", "*", condition("StringEquals", "aws:ResourceTag/stage", "prod")), want: Denied, caller: Denied, side: Allowed},
		{name: "known: no user name", trust: trusts("AWS", root(one)), identity: allow("sts:AssumeRole", "arn:aws:iam::*:role/${aws:username}"), want: Denied, caller: Denied, side: Allowed},
		{name: "unknown variable", trust: trusts("AWS", root(one)), identity: allow("sts:AssumeRole", "arn:aws:iam::*:role/${aws:userid}"), want: IfConditions, how: ViaAccount, caller: IfConditions, side: Allowed, on: "Resource of sts:AssumeRole"},
		{name: "one session", trust: trusts("AWS", "arn:aws:sts::"+one+":assumed-role/role1/i-1"), want: IfConditions, how: Direct, caller: Denied, side: IfConditions, on: "the trust policy names sessions of the caller"},
		{name: "another account, both sides", far: true, trust: trusts("AWS", r1), identity: may, want: Allowed, how: Direct, caller: Allowed, side: Allowed},
		{name: "another account, its account", far: true, trust: trusts("AWS", root(one)), identity: may, want: Allowed, how: ViaAccount, caller: Allowed, side: Allowed},
		{name: "another account, no caller side", far: true, trust: trusts("AWS", r1), want: Denied, caller: Denied, side: Allowed, reason: "in another account"},
		{name: "another account, no trust", far: true, trust: trusts("AWS", root(two)), identity: may, want: Denied, caller: Allowed, side: Denied},
		{name: "another account, external id", far: true, trust: trusts("AWS", root(one), external), identity: may, want: IfConditions, how: ViaAccount, caller: Allowed, side: IfConditions, on: "sts:ExternalId"},
		{name: "another action", trust: strings.Replace(trusts("AWS", r1), "sts:AssumeRole", "sts:TagSession", 1), identity: may, want: Denied, caller: Allowed, side: Denied},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBuilder(t)
			role1 := b.role(one, "role1", trusts("Service", "ec2.amazonaws.com"), test.identity)
			role1.Tags = []account.Tag{{Key: "team", Value: "shop"}, {Key: "stage", Value: "dev"}}
			if test.boundary != "" {
				role1.Boundary = b.managed(one, "limit", test.boundary)
			}
			if test.scp != "" {
				b.opt.SCP = map[string][][]*iam.Policy{one: {{b.policy(iam.SCP, "scp", test.scp)}}}
			}
			to := r2
			if test.far {
				to = far
				b.role(two, "far", test.trust, "")
			} else {
				b.role(one, "role2", test.trust, "").Tags = []account.Tag{{Key: "stage", Value: "dev"}}
			}
			g := b.build()
			a := g.mustAnswer(t, r1, to)
			if a.Verdict != test.want || a.How != test.how {
				t.Errorf("%v by %v, want %v by %v: %s", a.Verdict, a.How, test.want, test.how, a.Reason)
			}
			if a.Caller.Verdict != test.caller || a.Trust.Verdict != test.side {
				t.Errorf("sides are %+v and %+v, want %v and %v", a.Caller, a.Trust, test.caller, test.side)
			}
			var on []string
			for _, c := range a.Conditions {
				on = appendNew(on, strings.TrimPrefix(c.String(), "no deny by "))
			}
			if got := strings.Join(on, " "); got != test.on {
				t.Errorf("depends on %q, want %q", got, test.on)
			}
			if !strings.Contains(a.Reason, test.reason) {
				t.Errorf("reason %q, want one with %q", a.Reason, test.reason)
			}
			if a.Verdict == Allowed && len(a.Evidence) == 0 {
				t.Error("allowed without evidence")
			}
			listed := slices.ContainsFunc(mustPaths(t)(g.WhoCanAssume(to)), func(p Path) bool { return p.From() == r1 })
			if listed != (test.want != Denied) {
				t.Errorf("WhoCanAssume lists it: %v", listed)
			}
		})
	}
}

// TestChain finds the shortest way along three roles and through a cycle.
func TestChain(t *testing.T) {
	b := newBuilder(t)
	b.user(one, "mira", allow("sts:AssumeRole", roleARN(one, "a")))
	b.role(one, "a", trusts("AWS", root(one)), allow("sts:AssumeRole", "*"))
	b.role(one, "b", trusts("AWS", roleARN(one, "a"))+","+trusts("AWS", roleARN(two, "c")), allow("sts:AssumeRole", roleARN(two, "c")))
	b.role(two, "c", trusts("AWS", root(one)), allow("sts:AssumeRole", roleARN(one, "b")))
	b.role(two, "d", trusts("AWS", roleARN(two, "c"))+","+trusts("AWS", roleARN(two, "d")), "")
	g := b.build()
	var got []string
	for _, p := range mustPaths(t)(g.WhoCanAssume(roleARN(two, "d"))) {
		got = append(got, fmt.Sprint(p.Verdict, " ", p))
	}
	want := []string{
		"allowed role/c -> role/d",
		"allowed role/a -> role/c -> role/d",
		"allowed role/b -> role/c -> role/d",
		"allowed user/mira -> role/a -> role/c -> role/d",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got = nil
	for _, p := range mustPaths(t)(g.Reach(userARN(one, "mira"))) {
		got = append(got, p.String())
	}
	want = []string{"user/mira -> role/a", "user/mira -> role/a -> role/b", "user/mira -> role/a -> role/c", "user/mira -> role/a -> role/c -> role/d"}
	if !slices.Equal(got, want) {
		t.Errorf("reach is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	a := g.mustAnswer(t, userARN(one, "mira"), roleARN(two, "d"))
	if a.Verdict != Denied || len(a.Around) != 1 || len(a.Around[0].Hops) != 3 {
		t.Errorf("verdict %v with ways around %v, want denied with one of three hops", a.Verdict, a.Around)
	}
	hop := a.Around[0].Hops[0]
	if len(hop.Evidence) != 2 || hop.Evidence[0].Policy != "trust policy of role a" || hop.Evidence[1].Policy != "inline policy p" || hop.Evidence[1].Line != 1 {
		t.Errorf("evidence %+v, want the trust statement and the identity statement", hop.Evidence)
	}
}

// TestShorterButWorse lists a conditional short way beside a sure long one.
func TestShorterButWorse(t *testing.T) {
	b := newBuilder(t)
	b.user(one, "mira", "")
	b.role(one, "mid", trusts("AWS", userARN(one, "mira")), "")
	b.role(one, "end", trusts("AWS", roleARN(one, "mid"))+","+trusts("AWS", userARN(one, "mira"), condition("Bool", "aws:MultiFactorAuthPresent", "true")), "")
	var got []string
	for _, p := range mustPaths(t)(b.build().WhoCanAssume(roleARN(one, "end"))) {
		got = append(got, fmt.Sprint(p.Verdict, " ", p))
	}
	want := []string{"allowed role/mid -> role/end", "allowed user/mira -> role/mid -> role/end", "if conditions hold user/mira -> role/end"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSessionTags: the tags of a session are those of its role, unless the role
// lets callers pass others.
func TestSessionTags(t *testing.T) {
	for _, test := range []struct {
		action string
		want   Verdict
	}{{"sts:AssumeRole", Allowed}, {"sts:TagSession", IfConditions}, {"sts:*", IfConditions}} {
		b := newBuilder(t)
		b.role(one, "a", trusts("Service", "pods.eks.amazonaws.com")+","+strings.Replace(trusts("AWS", root(two)), "sts:AssumeRole", test.action, 1), "").Tags = []account.Tag{{Key: "team", Value: "shop"}}
		b.role(one, "b", trusts("AWS", roleARN(one, "a"), condition("StringEquals", "aws:PrincipalTag/team", "shop")), "")
		if a := b.build().mustAnswer(t, roleARN(one, "a"), roleARN(one, "b")); a.Verdict != test.want {
			t.Errorf("with %s in its trust policy it is %v, want %v", test.action, a.Verdict, test.want)
		}
	}
}

// TestForeign has providers, services and outsiders.
func TestForeign(t *testing.T) {
	const github = "arn:aws:iam::" + one + ":oidc-provider/token.actions.githubusercontent.com"
	const saml = "arn:aws:iam::" + one + ":saml-provider/corp"
	const far = "777788889999"
	federated := func(provider, action, more string) string {
		return `{"Effect": "Allow", "Principal": {"Federated": "` + provider + `"}, "Action": "` + action + `"` + more + `}`
	}
	b := newBuilder(t)
	b.role(one, "ci", federated(github, "sts:AssumeRoleWithWebIdentity", ","+condition("StringLike", "token.actions.githubusercontent.com:sub", "repo:shop/*")), "")
	b.role(one, "staff", federated(saml, "sts:AssumeRoleWithSAML", ""), "")
	b.role(one, "mismatch", federated(saml, "sts:AssumeRoleWithWebIdentity", ""), "")
	b.role(one, "app", trusts("Service", "ec2.amazonaws.com"), "").Profiles = []account.InstanceProfile{{Name: "app"}}
	b.role(one, "vendor", trusts("AWS", root(far), condition("StringEquals", "sts:ExternalId", "x")), "")
	b.role(one, "open", trusts("AWS", "*", condition("StringEquals", "aws:PrincipalOrgID", "o-1")), "")
	b.role(one, "closed", trusts("AWS", root(far))+`, {"Effect": "Deny", "Principal": "*", "Action": "*"}`, "")
	g := b.build()
	for _, test := range []struct {
		from, to string
		want     Verdict
		how      How
	}{
		{github, "ci", IfConditions, Federation},
		{saml, "staff", Allowed, Federation},
		{saml, "mismatch", Denied, 0},
		{saml, "ci", Denied, 0},
		{"ec2.amazonaws.com", "app", Allowed, AsProfile},
		{"lambda.amazonaws.com", "app", Denied, 0},
		{root(far), "vendor", Unknown, ViaAccount},
		{roleARN(far, "x"), "vendor", Unknown, ViaAccount},
		{roleARN("999999999999", "x"), "vendor", Denied, 0},
		{"*", "open", Unknown, Direct},
		{root(far), "closed", Denied, 0},
		{root(one), "app", Denied, 0},
	} {
		a := g.mustAnswer(t, test.from, roleARN(one, test.to))
		if a.Verdict != test.want || a.How != test.how {
			t.Errorf("%s to %s is %v by %v, want %v by %v (%s)", test.from, test.to, a.Verdict, a.How, test.want, test.how, a.Reason)
		}
	}
	a := g.mustAnswer(t, root(far), roleARN(one, "vendor"))
	if a.Caller.Verdict != Unknown || len(a.Conditions) != 2 || a.Conditions[0].Key != "sts:ExternalId" {
		t.Errorf("an outsider's answer is %+v, want an unknown caller side and the external id", a)
	}
	for _, bad := range []string{"nobody", roleARN(one, "missing"), "arn:aws:sts::" + one + ":assumed-role/ci/x"} {
		if _, err := g.CanAssume(bad, roleARN(one, "ci")); err == nil {
			t.Errorf("%s was found", bad)
		}
	}
	if _, err := g.WhoCanAssume(roleARN(one, "missing")); err == nil {
		t.Error("a missing role was found")
	}
	if _, err := g.Reach("missing"); err == nil {
		t.Error("a missing principal was found")
	}
}

func TestOrphansAndAdmins(t *testing.T) {
	b := newBuilder(t)
	b.role(one, "stale", trusts("AWS", "AROAGONEGONEGONE00001"), "")
	b.role(one, "alone", trusts("AWS", roleARN(one, "alone")), "")
	b.role(one, "lonely", trusts("AWS", root(one)), "")
	b.role(one, "used", trusts("Service", "ec2.amazonaws.com"), allow("s3:*", "*"))
	b.role(one, "admin", trusts("Service", "ec2.amazonaws.com"), `{"Effect": "Allow", "NotAction": "sts:*", "Resource": "*"}`)
	b.role(one, "climber", trusts("Service", "ec2.amazonaws.com"), allow("iam:AttachRolePolicy", roleARN(one, "climber")))
	b.role(one, "bounded", trusts("Service", "ec2.amazonaws.com"), allow("iam:AttachRolePolicy", "*")).Boundary = b.managed(one, "limit", allow("*", "*"))
	b.role(one, "sometimes", trusts("Service", "ec2.amazonaws.com"), allow("iam:*", "*", condition("IpAddress", "aws:SourceIp", "10.0.0.0/8")))
	g := b.build()
	got := map[string]string{}
	for _, o := range g.Orphans() {
		got[short(o.Role)] = strings.Join(o.Reasons, "; ")
	}
	want := map[string]string{
		"role/stale":  "its trust policy names AROAGONEGONEGONE00001, which is not in the data: deleted, or written without its path",
		"role/alone":  "its trust policy names itself",
		"role/lonely": "its trust policy delegates to account " + one + ", where no identity policy allows sts:AssumeRole on it",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("orphans are %v, want %v", got, want)
	}
	var admins []string
	for _, n := range g.Admins() {
		admins = append(admins, short(n.ARN))
	}
	if want := []string{"role/admin", "role/climber", one + ":root"}; !slices.Equal(admins, want) {
		t.Errorf("admins are %v, want %v", admins, want)
	}
}

func TestOptions(t *testing.T) {
	b := newBuilder(t)
	b.role(one, "a", trusts("Service", "ec2.amazonaws.com"), "")
	b.role(one, "b", trusts("AWS", roleARN(one, "a"), condition("StringEquals", "sts:ExternalId", "x")), "")
	b.role(one, "c", trusts("AWS", roleARN(one, "a"), condition("StringEquals", "aws:PrincipalOrgID", "o-1")), "")
	b.role(one, "d", trusts("AWS", roleARN(one, "a")), "")
	check := func(to string, want Verdict) {
		t.Helper()
		if a := b.build().mustAnswer(t, roleARN(one, "a"), roleARN(one, to)); a.Verdict != want {
			t.Errorf("%s is %v, want %v", to, a.Verdict, want)
		}
	}
	check("b", IfConditions)
	b.opt.Context = iam.NewContext()
	b.opt.Context.Set("STS:ExternalId", "x")
	check("b", Allowed)
	b.opt.Context.Set("sts:ExternalId", "y")
	check("b", Denied)
	check("c", IfConditions)
	b.opt.Organizations = map[string]string{one: "o-1"}
	check("c", Allowed)
	b.opt.Organizations[one] = "o-2"
	check("c", Denied)
	check("d", Allowed)
	b.opt.RCP = map[string][][]*iam.Policy{one: {{b.policy(iam.RCP, "rcp", `{"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}}`)}}}
	check("d", Denied)
	b.opt.Organizations = nil
	check("d", IfConditions)
	b.opt.Services = make([]Service, 65)
	if _, err := b.opt.Build(b.list()...); err == nil {
		t.Error("65 services were accepted")
	}
}

func TestBuildErrors(t *testing.T) {
	b := newBuilder(t)
	b.user(one, "mira", "").Groups = []string{"gone"}
	if _, err := Build(b.list()...); err == nil || !strings.Contains(err.Error(), "group gone") {
		t.Errorf("error %v, want one about the group", err)
	}
	b = newBuilder(t)
	b.user(one, "mira", "").Attached = []string{"arn:aws:iam::aws:policy/Gone"}
	if _, err := Build(b.list()...); err == nil || !strings.Contains(err.Error(), "policy/Gone") {
		t.Errorf("error %v, want one about the policy", err)
	}
	b = newBuilder(t)
	b.user(one, "mira", "")
	if _, err := Build(b.account(one), b.account(one)); err == nil || !strings.Contains(err.Error(), "comes twice") {
		t.Errorf("error %v, want one about the account", err)
	}
}

// TestGroups lets a user in by the policies of its group.
func TestGroups(t *testing.T) {
	b := newBuilder(t)
	b.user(one, "mira", "").Groups = []string{"Devs"}
	a := b.account(one)
	a.Groups = append(a.Groups, account.Group{Entity: account.Entity{ARN: "arn:aws:iam::" + one + ":group/devs", ID: "AGPA", Name: "devs", Path: "/", Attached: []string{b.managed(one, "assume", allow("sts:AssumeRole", "*"))}}})
	b.role(one, "r", trusts("AWS", root(one)), "")
	answer := b.build().mustAnswer(t, userARN(one, "mira"), roleARN(one, "r"))
	if answer.Verdict != Allowed || answer.How != ViaAccount || answer.Evidence[1].Policy != "arn:aws:iam::"+one+":policy/assume" {
		t.Errorf("answer is %+v, want allowed by the group's policy", answer)
	}
}

// drawn is a small graph of every kind of node.
func drawn(t testing.TB) *Graph {
	b := newBuilder(t)
	b.user(one, "mira", allow("sts:AssumeRole", "*", condition("Bool", "aws:MultiFactorAuthPresent", "true")))
	b.user(one, "boss", allow("*", "*"))
	b.role(one, "web", trusts("Service", "ec2.amazonaws.com"), allow("sts:AssumeRole", "*"))
	b.role(one, "data", trusts("AWS", root(one)), "")
	b.role(two, "vendor", trusts("AWS", root("777788889999"))+","+trusts("AWS", root(one)), "")
	return b.build()
}

func TestDeterminism(t *testing.T) {
	var first string
	for range 5 {
		g := drawn(t)
		var b strings.Builder
		if err := g.WriteDOT(&b); err != nil {
			t.Fatal(err)
		}
		if err := g.WriteMermaid(&b); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		for _, want := range []string{`"verdict":"unknown"`, `"verdict":"if conditions hold"`, `"how":"via account"`, `"kind":"outsider"`, `"key":"aws:MultiFactorAuthPresent"`, "style=dotted", "style=dashed", "admins (1)"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %s in\n%s", want, b.String())
			}
		}
		if first == "" {
			first = b.String()
		} else if b.String() != first {
			t.Fatalf("two graphs of the same accounts differ:\n%s\n%s", first, b.String())
		}
	}
}

func TestQuotes(t *testing.T) {
	if got, want := dotQuote("a\"b\\c\n"), `"a\"b\\c "`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := mermaidQuote(`a"<b>#`), `"a#quot;#lt;b#gt;#35;"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
