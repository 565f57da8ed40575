package ask

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

const (
	dev    = "111122223333"
	shared = "444455556666"
)

// builder makes small estates.
type builder struct {
	t *testing.T
	e *estate.Estate
}

func build(t *testing.T) *builder {
	t.Helper()
	return &builder{t, &estate.Estate{Accounts: map[string]*account.Account{}, Names: map[string]string{dev: "dev", shared: "shared"}, Written: map[*iam.Policy]estate.Written{}}}
}

func (b *builder) account(id string) *account.Account {
	if b.e.Accounts[id] == nil {
		b.e.Accounts[id] = &account.Account{ID: id}
	}
	return b.e.Accounts[id]
}

func (b *builder) parse(kind iam.Kind, name, statements string) *iam.Policy {
	b.t.Helper()
	p, err := iam.Parse(kind, name, []byte(`{"Version": "2012-10-17", "Statement": [`+statements+`]}`))
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// role adds a role; trust and policies are statements.
func (b *builder) role(id, name, trust string, policies ...string) *account.Role {
	b.t.Helper()
	a := b.account(id)
	r := account.Role{Entity: account.Entity{ARN: "arn:aws:iam::" + id + ":role/" + name, ID: "AROA" + strings.ToUpper(name), Name: name, Path: "/"}}
	r.Trust = b.parse(iam.Trust, "trust policy of "+name, trust)
	for i, p := range policies {
		if strings.HasPrefix(p, "arn:") {
			r.Attached = append(r.Attached, p)
			continue
		}
		n := fmt.Sprintf("p%d", i+1)
		r.Inline = append(r.Inline, account.Inline{Name: n, Document: b.parse(iam.Identity, name+"/"+n, p)})
	}
	a.Roles = append(a.Roles, r)
	return &a.Roles[len(a.Roles)-1]
}

func (b *builder) user(id, name string, policies ...string) {
	b.t.Helper()
	a := b.account(id)
	u := account.User{Entity: account.Entity{ARN: "arn:aws:iam::" + id + ":user/" + name, ID: "AIDA" + strings.ToUpper(name), Name: name, Path: "/"}}
	for i, p := range policies {
		n := fmt.Sprintf("p%d", i+1)
		u.Inline = append(u.Inline, account.Inline{Name: n, Document: b.parse(iam.Identity, name+"/"+n, p)})
	}
	a.Users = append(a.Users, u)
}

func (b *builder) bucket(id, name, policy string) {
	b.t.Helper()
	r := estate.Resource{ARN: "arn:aws:s3:::" + name, Account: id, Type: "s3:bucket"}
	if policy != "" {
		r.Policy = b.parse(iam.Resource, "bucket policy of "+name, policy)
	}
	b.e.Resources = append(b.e.Resources, r)
}

func (b *builder) asker() *Asker {
	b.t.Helper()
	a, err := New(b.e)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func ask(t *testing.T, a *Asker, q Question) *Answer {
	t.Helper()
	x, err := a.Ask(q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

const (
	ec2      = `{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}`
	trusts1  = `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/role1"}, "Action": "sts:AssumeRole"}`
	rootDev  = `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}`
	may2     = `{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::111122223333:role/role2"}`
	mayNot2  = `{"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}`
	external = `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/role1"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "k-77"}}}`
)

// TestAssumeMatrix is the matrix of story 2: what must hold of one role that
// assumes another.
func TestAssumeMatrix(t *testing.T) {
	for _, c := range []struct {
		name, trust, own string
		want             Verdict
		outcome          iam.Outcome
		says             string
	}{
		{"role ARN, no identity policy", trusts1, "", Allowed, iam.Allow, "allowed by the trust policy"},
		{"account, identity policy", rootDev, may2, Allowed, iam.Allow, "delegates"},
		{"account, none", rootDev, "", Denied, iam.ImplicitDeny, "caller's side is missing"},
		{"service only, identity policy", ec2, may2, Denied, iam.ImplicitDeny, "the caller's side would allow"},
		{"service only, none", ec2, "", Denied, iam.ImplicitDeny, "nor does the caller's side"},
		{"deny on the caller's side", trusts1, mayNot2, Denied, iam.ExplicitDeny, "explicit deny"},
		{"deny on the trust side", trusts1 + `,{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}`, "", Denied, iam.ExplicitDeny, "explicit deny"},
		{"external id", external, "", IfConditions, iam.ImplicitDeny, "sts:ExternalId is k-77"},
		{"deleted and made again", strings.ReplaceAll(trusts1, "arn:aws:iam::111122223333:role/role1", "AROAOLDROLE1"), may2, Denied, iam.ImplicitDeny, "the caller's side would allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t)
			if c.own == "" {
				b.role(dev, "role1", ec2)
			} else {
				b.role(dev, "role1", ec2, c.own)
			}
			b.role(dev, "role2", c.trust)
			a := b.asker()
			x := ask(t, a, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"})
			if x.Verdict != c.want || x.Outcome != c.outcome {
				t.Errorf("verdict %s, outcome %s; want %s, %s", x.Verdict, x.Outcome, c.want, c.outcome)
			}
			if !strings.Contains(x.Reason, c.says) {
				t.Errorf("reason %q, want it to say %q", x.Reason, c.says)
			}
			// The graph decides the same by itself.
			g, err := a.Graph()
			if err != nil {
				t.Fatal(err)
			}
			other, err := g.CanAssume(x.Principal, x.Resource)
			if err != nil || fromGraph(other.Verdict) != c.want {
				t.Errorf("the graph says %s (%v), want %s", other.Verdict, err, c.want)
			}
		})
	}
}

func TestSides(t *testing.T) {
	b := build(t)
	b.role(dev, "task", ec2)
	b.role(shared, "access", `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/task"}, "Action": "sts:AssumeRole"}`)
	x := ask(t, b.asker(), Question{Principal: "dev/task", Action: "sts:AssumeRole", Resource: "shared/access"})
	if x.Verdict != Denied || x.Caller.Result != iam.ResultSilent || x.Trust.Result != iam.ResultAllow {
		t.Errorf("verdict %s, caller %v, trust %v; want denied, silent, allow", x.Verdict, x.Caller, x.Trust)
	}
}

func TestConditions(t *testing.T) {
	b := build(t)
	b.role(dev, "role1", ec2)
	b.role(dev, "role2", external)
	a := b.asker()
	context := iam.NewContext()
	context.Set("sts:ExternalId", "k-77")
	if x := ask(t, a, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2", Context: context}); x.Verdict != Allowed {
		t.Errorf("with the external id: %s (%s), want allowed", x.Verdict, x.Reason)
	}
	context = iam.NewContext()
	context.Set("sts:ExternalId", "other")
	if x := ask(t, a, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2", Context: context}); x.Verdict != Denied {
		t.Errorf("with another external id: %s (%s), want denied", x.Verdict, x.Reason)
	}
}

// TestUnknown holds answers that hang on missing data to "cannot decide", and
// those that do not to their verdicts.
func TestUnknown(t *testing.T) {
	missing := "arn:aws:iam::aws:policy/NobodyKnowsThis"
	b := build(t)
	b.role(dev, "open", ec2, missing)
	b.role(dev, "shut", ec2, missing, `{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`)
	b.role(dev, "role2", ec2)
	b.role(dev, "known", ec2, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	b.bucket(dev, "b", "")
	a := b.asker()
	for _, c := range []struct {
		who, action, on string
		want            Verdict
	}{
		{"open", "s3:GetObject", "arn:aws:s3:::b/k", Undecided},
		{"shut", "s3:GetObject", "arn:aws:s3:::b/k", Denied},
		{"open", "sts:AssumeRole", "role2", Denied}, // the trust policy lets nobody but EC2 in
		{"known", "s3:GetObject", "arn:aws:s3:::b/k", Allowed},
		{"known", "s3:PutObject", "arn:aws:s3:::b/k", Denied},
		{"arn:aws:iam::999999999999:role/x", "s3:GetObject", "arn:aws:s3:::b/k", Denied},
		{"known", "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1", Undecided},
	} {
		x := ask(t, a, Question{Principal: c.who, Action: c.action, Resource: c.on})
		if x.Verdict != c.want {
			t.Errorf("%s %s %s: %s (%s), want %s", c.who, c.action, c.on, x.Verdict, x.Reason, c.want)
		}
		if x.Verdict == Undecided && len(x.Unknown) == 0 {
			t.Errorf("%s %s %s: cannot decide, and does not say why", c.who, c.action, c.on)
		}
	}
	if x := ask(t, a, Question{Principal: "open", Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}); !strings.Contains(x.Reason, missing) {
		t.Errorf("reason %q, want it to name %s", x.Reason, missing)
	}
}

func TestPlaces(t *testing.T) {
	b := build(t)
	b.role(dev, "role1", ec2)
	r := b.role(dev, "role2", trusts1)
	b.e.Written[r.Trust] = estate.Written{
		Range:      tf.Range{Position: tf.Position{File: "iam.tf", Line: 3}},
		Statements: []tf.Range{{Position: tf.Position{File: "iam.tf", Line: 7}}},
	}
	x := ask(t, b.asker(), Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"})
	if x.Deciding == nil || x.Deciding.File != "iam.tf" || x.Deciding.Line != 7 {
		t.Errorf("decided by %v, want iam.tf:7", x.Deciding)
	}
}

func TestNames(t *testing.T) {
	b := build(t)
	b.role(dev, "app", ec2)
	b.role(shared, "app", ec2)
	b.role(dev, "worker", ec2)
	b.user(dev, "worker")
	b.user(dev, "mira")
	a := b.asker()
	for _, c := range []struct{ name, want string }{
		{"mira", "arn:aws:iam::111122223333:user/mira"},
		{"user/worker", "arn:aws:iam::111122223333:user/worker"},
		{"dev/app", "arn:aws:iam::111122223333:role/app"},
		{"444455556666/app", "arn:aws:iam::444455556666:role/app"},
		{"shared/role/app", "arn:aws:iam::444455556666:role/app"},
		{"arn:aws:sts::111122223333:assumed-role/app/i-1", "arn:aws:iam::111122223333:role/app"},
		{"ec2.amazonaws.com", "ec2.amazonaws.com"},
		{"dev/root", "arn:aws:iam::111122223333:root"},
		{"app", "ambiguous"},
		{"worker", "ambiguous"},
		{"wrker", "did you mean"},
		{"nothing-like-it", "write its name"},
		{"", "write its name"},
	} {
		got, err := a.caller(c.name)
		if err == nil {
			if got.arn() != c.want {
				t.Errorf("%q is %s, want %s", c.name, got.arn(), c.want)
			}
			continue
		}
		e, ok := err.(*NameError)
		if !ok || e.Ambiguous != (c.want == "ambiguous") || !e.Ambiguous && !strings.Contains(e.Hint(), c.want) {
			t.Errorf("%q: %v (%v), want %s", c.name, err, e, c.want)
		}
	}
}

func TestWhoCan(t *testing.T) {
	b := build(t)
	list := `{"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}`
	b.role(dev, "role1", ec2)
	b.role(dev, "role2", trusts1, list)
	b.user(dev, "mira", list)
	b.user(dev, "mfa", `{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}`)
	b.user(dev, "nobody")
	b.bucket(dev, "b", "")
	a := b.asker()
	crowd, err := a.WhoCan("s3:ListBucket", "b", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range crowd.Who {
		got[short(s.Principal)] = string(s.Verdict) + " " + s.How
	}
	want := map[string]string{
		"user/mira": "allowed direct", "role/role2": "allowed direct", "role/role1": "allowed chain",
		"user/mfa": "allowed if direct", "ec2.amazonaws.com": "allowed chain",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func BenchmarkWhoCan(b *testing.B) {
	a := large(b, 10000)
	if _, err := a.Graph(); err != nil {
		b.Fatal(err)
	}
	b.Run("assume", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.WhoCanAssume("role-9999", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("action", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.WhoCan("s3:GetObject", "arn:aws:s3:::b7/k", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// large is an account of n roles: each may read a bucket and trusts the one
// before it, EC2, or the account with an external id.
func large(tb testing.TB, n int) *Asker {
	tb.Helper()
	e := &estate.Estate{Accounts: map[string]*account.Account{}}
	acct := &account.Account{ID: dev}
	e.Accounts[dev] = acct
	for i := range n {
		name := fmt.Sprintf("role-%d", i)
		trust := []string{ec2, fmt.Sprintf(`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/role-%d"}, "Action": "sts:AssumeRole"}`, max(0, i-1)),
			`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "x"}}}`}[i%3]
		own := fmt.Sprintf(`{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b%d", "arn:aws:s3:::b%d/*"]},
			{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::111122223333:role/role-%d"},
			{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`, i%100, i%100, i+1)
		r := account.Role{Entity: account.Entity{ARN: "arn:aws:iam::111122223333:role/" + name, Name: name, Path: "/"}}
		var err error
		if r.Trust, err = iam.Parse(iam.Trust, "trust", []byte(`{"Version": "2012-10-17", "Statement": [`+trust+`]}`)); err != nil {
			tb.Fatal(err)
		}
		doc, err := iam.Parse(iam.Identity, name, []byte(`{"Version": "2012-10-17", "Statement": [`+own+`]}`))
		if err != nil {
			tb.Fatal(err)
		}
		r.Inline = []account.Inline{{Name: "own", Document: doc}}
		acct.Roles = append(acct.Roles, r)
	}
	a, err := New(e)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func BenchmarkFix(b *testing.B) {
	a := large(b, 10000)
	for b.Loop() {
		x, err := a.Ask(Question{Principal: "role-5", Action: "s3:GetObject", Resource: "arn:aws:s3:::b7/k"})
		if err != nil {
			b.Fatal(err)
		}
		f, err := a.Fix(x)
		if err != nil {
			b.Fatal(err)
		}
		if len(f.List) == 0 {
			b.Fatal("no fix")
		}
	}
}
