package iam

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// A genStatement is a statement made of a few parts, so that they often meet.
type genStatement struct {
	Effect       string                         `json:"Effect"`
	Action       []string                       `json:"Action,omitempty"`
	NotAction    []string                       `json:"NotAction,omitempty"`
	Resource     []string                       `json:"Resource,omitempty"`
	NotResource  []string                       `json:"NotResource,omitempty"`
	Principal    map[string][]string            `json:"Principal,omitempty"`
	NotPrincipal map[string][]string            `json:"NotPrincipal,omitempty"`
	Condition    map[string]map[string][]string `json:"Condition,omitempty"`
}

func drawStatement(t *rapid.T, kind Kind) genStatement {
	some := func(label string, from ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, label)
	}
	s := genStatement{Effect: rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, "effect")}
	actions := some("action", "s3:GetObject", "s3:Get*", "S3:PutObject", "s3:*", "sqs:*", "*", "s3:?etObject", "s3:*Object", "sts:AssumeRole")
	if rapid.IntRange(0, 4).Draw(t, "notaction") == 0 {
		s.NotAction = actions
	} else {
		s.Action = actions
	}
	resources := some("resource", "*", "arn:aws:s3:::a/*", "arn:aws:s3:::b/*", "arn:aws:s3:::a/${aws:username}/*", "arn:aws:s3:*:*:a/x", "arn:aws:s3:::?/*", "arn:aws:s3")
	if rapid.IntRange(0, 4).Draw(t, "notresource") == 0 {
		s.NotResource = resources
	} else {
		s.Resource = resources
	}
	if kind == Resource {
		who := map[string][]string{"AWS": some("principal", "*", "111122223333", "arn:aws:iam::111122223333:user/mira", "arn:aws:iam::111122223333:role/web", "arn:aws:sts::111122223333:assumed-role/web/s", "444455556666")}
		if s.Effect == "Deny" && rapid.IntRange(0, 3).Draw(t, "notprincipal") == 0 {
			s.NotPrincipal = who
		} else {
			s.Principal = who
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		op := rapid.SampledFrom([]string{"", "ForAllValues:", "ForAnyValue:"}).Draw(t, "set") +
			rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "NumericLessThan", "Bool", "ArnLike", "NotIpAddress", "IpAddress"}).Draw(t, "op") +
			rapid.SampledFrom([]string{"", "IfExists"}).Draw(t, "exists")
		if s.Condition == nil {
			s.Condition = map[string]map[string][]string{}
		}
		s.Condition[op] = map[string][]string{
			rapid.SampledFrom([]string{"aws:username", "AWS:TagKeys", "aws:SourceIp"}).Draw(t, "key"): some("value", "mira", "MIRA", "*", "env", "10.0.0.0/8", "7", "true", "${aws:username}"),
		}
	}
	return s
}

func parseGen(t *rapid.T, kind Kind, stmts []genStatement) *Policy {
	if len(stmts) == 0 {
		return nil
	}
	src, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": stmts})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(kind, "p", src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

func drawRequest(t *rapid.T) *Request {
	r := &Request{
		Principal: rapid.SampledFrom([]Principal{
			{Type: User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"},
			{Type: AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/web/s", Account: "111122223333", Issuer: "arn:aws:iam::111122223333:role/web"},
			{Type: FederatedUser, ARN: "arn:aws:sts::111122223333:federated-user/f", Account: "111122223333", Issuer: "arn:aws:iam::111122223333:user/mira"},
			{Type: Root, ARN: "arn:aws:iam::111122223333:root", Account: "111122223333"},
			{Type: Service, ARN: "ec2.amazonaws.com"},
			{Type: Anonymous},
		}).Draw(t, "principal"),
		Action:          rapid.SampledFrom([]string{"s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sts:AssumeRole", "s3:getobject"}).Draw(t, "action"),
		Resource:        rapid.SampledFrom([]string{"arn:aws:s3:::a/x", "arn:aws:s3:::a/mira/x", "arn:aws:s3:::b/", "*"}).Draw(t, "resource"),
		ResourceAccount: rapid.SampledFrom([]string{"111122223333", "444455556666"}).Draw(t, "owner"),
		Context:         NewContext(),
	}
	if rapid.Bool().Draw(t, "has username") {
		r.Context.Set("aws:username", rapid.SampledFrom([]string{"mira", "Mira", "*", ""}).Draw(t, "username"))
	}
	if rapid.Bool().Draw(t, "has tags") {
		r.Context.SetList("aws:TagKeys", rapid.SliceOfN(rapid.SampledFrom([]string{"env", "mira", ""}), 0, 2).Draw(t, "tags"))
	}
	if rapid.Bool().Draw(t, "has ip") {
		r.Context.Set("aws:SourceIp", rapid.SampledFrom([]string{"10.1.2.3", "192.0.2.1", "x"}).Draw(t, "ip"))
	}
	return r
}

type genPolicies struct {
	identity, boundary, session, resource, scp []genStatement
}

func drawPolicies(t *rapid.T) genPolicies {
	set := func(label string, kind Kind, most int) (out []genStatement) {
		for range rapid.IntRange(0, most).Draw(t, label) {
			out = append(out, drawStatement(t, kind))
		}
		return out
	}
	return genPolicies{set("identity", Identity, 12), set("boundary", Boundary, 2), set("session", Session, 2), set("resource", Resource, 10), set("scp", SCP, 2)}
}

func (g *genPolicies) compile(t *rapid.T) *Policies {
	list := func(p *Policy) []*Policy {
		if p == nil {
			return nil
		}
		return []*Policy{p}
	}
	ps := &Policies{
		Identity: list(parseGen(t, Identity, g.identity)),
		Boundary: list(parseGen(t, Boundary, g.boundary)),
		Session:  list(parseGen(t, Session, g.session)),
		Resource: parseGen(t, Resource, g.resource),
	}
	if p := parseGen(t, SCP, g.scp); p != nil {
		ps.SCP = [][]*Policy{{p}}
	}
	return ps
}

func (g *genPolicies) sets() []*[]genStatement {
	return []*[]genStatement{&g.identity, &g.boundary, &g.session, &g.resource, &g.scp}
}

func kindOfSet(i int) Kind { return []Kind{Identity, Boundary, Session, Resource, SCP}[i] }

// TestProperties holds for any policies and requests: the order of statements
// never matters; adding a Deny never allows; adding an Allow to a set that exists
// never takes away; the index, the short cut and the explanation agree with a
// plain search; a policy printed and read again decides the same.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, r := drawPolicies(t), drawRequest(t)
		ps := g.compile(t)
		d := ps.Decide(r)

		e := ps.Explain(r)
		if problems := checkMatched(e, d, matchedOf(e)); len(problems) > 0 {
			t.Fatalf("explanation: %v", problems)
		}
		flat := g.compile(t)
		for _, p := range slices.Concat(flat.Identity, flat.Boundary, flat.Session, []*Policy{flat.Resource}) {
			if p != nil {
				p.flatten()
			}
		}
		if f := flat.Decide(r); f.Outcome != d.Outcome || f.Layer != d.Layer || f.Grant != d.Grant {
			t.Fatalf("got %+v with the index, %+v without", d, f)
		}

		shuffled := g
		for _, set := range shuffled.sets() {
			if len(*set) > 0 {
				*set = rapid.Permutation(*set).Draw(t, "order")
			}
		}
		if s := shuffled.compile(t).Decide(r); s.Outcome != d.Outcome || s.Layer != d.Layer {
			t.Fatalf("got %+v, %+v in another order", d, s)
		}

		i := rapid.IntRange(0, 4).Draw(t, "set")
		more := g
		extra := drawStatement(t, kindOfSet(i))
		set := more.sets()[i]
		existed := len(*set) > 0
		*set = append(slices.Clone(*set), extra)
		switch m := more.compile(t).Decide(r); {
		case extra.Effect == "Deny" && m.Outcome == Allow && d.Outcome != Allow && existed:
			t.Fatalf("a deny more allows: %+v after %+v", m, d)
		case extra.Effect == "Allow" && m.Outcome < d.Outcome && d.Outcome == Allow && existed:
			t.Fatalf("an allow more takes away: %+v after %+v", m, d)
		}

		if len(ps.Identity) > 0 {
			printed, err := json.Marshal(ps.Identity[0])
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(Identity, "p", printed)
			if err != nil {
				t.Fatalf("%s: %v", printed, err)
			}
			other := *ps
			other.Identity = []*Policy{again}
			if o := other.Decide(r); o.Outcome != d.Outcome || o.Layer != d.Layer {
				t.Fatalf("got %+v, %+v after printing", d, o)
			}
		}
	})
}

func matchedOf(e *Explanation) (out []vectorMatch) {
	for _, l := range e.Layers {
		for _, s := range l.Statements {
			if s.Matched {
				out = append(out, vectorMatch{s.Policy, s.Index, s.Effect.String()})
			}
		}
	}
	return out
}

// oracle is the regular expression that a wildcard pattern stands for.
func oracle(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"*", ""}, {"a*b", "ab"}, {"*a*a*b", "aaaaaaaac"}, {"??é?", "aaéa"}, {"a?*c", "abc"}, {"*?*", "é"}, {"**??", "€"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		want := oracle(pattern).MatchString(s)
		if p := compilePattern(pattern, true, false); p.match(s, nil) != want {
			t.Errorf("pattern %q on %q: got %v, want %v", pattern, s, !want, want)
		}
		a := compileAction(pattern)
		if got, want := a.match(s), oracle(lowerASCII(pattern)).MatchString(lowerASCII(s)); got != want {
			t.Errorf("action %q on %q: got %v, want %v", pattern, s, got, want)
		}
	})
}

// FuzzParse: no text makes the parser panic, and what it accepts it accepts again
// when printed.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${a, 'b'}/*"}}`,
		`{"Statement":[{"Effect":"Deny","NotAction":["a:b"],"NotResource":"*","Condition":{"Null":{"k":true},"DateLessThan":{"d":"2026-01-01T00:00:00Z"}}}]}`,
		`{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":["*"],"Service":"x"},"Action":"*"}]}`,
		`{"Id":"\ud83d\ude00","Statement":[]}`, `[`, `{"a":1,"a":2}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		for _, kind := range []Kind{Identity, Trust, Resource, SCP, RCP, Session} {
			_ = Validate(kind, []byte(src), ValidateOptions{Operation: "CreatePolicy", Bucket: "b"})
			p, err := Parse(kind, "f", []byte(src))
			if err != nil {
				if se, ok := err.(*SyntaxError); !ok || se.Line < 1 || se.Column < 1 || se.Rule == "" {
					t.Fatalf("error %#v", err)
				}
				continue
			}
			printed, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(kind, "f", printed)
			if err != nil {
				t.Fatalf("%q printed as %s: %v", src, printed, err)
			}
			twice, err := json.Marshal(again)
			if err != nil || string(twice) != string(printed) {
				t.Fatalf("%s printed again: %s, %v", printed, twice, err)
			}
		}
	})
}

// FuzzDecide: no request makes a decision or its explanation panic.
func FuzzDecide(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::${k}/*","Condition":{"NumericLessThan":{"n":"1e3"},"IpAddress":{"ip":"10.0.0.0/8"}}}}`, "s3:GetObject", "arn:aws:s3:::b/x", "n", "9.5")
	f.Fuzz(func(t *testing.T, src, action, resource, key, value string) {
		for kind, typ := range map[Kind]PrincipalType{Identity: User, Resource: Service, Trust: Root, Session: FederatedUser} {
			p, err := Parse(kind, "f", []byte(src))
			if err != nil {
				continue
			}
			ctx := NewContext()
			ctx.Set(key, value)
			ctx.SetList("k", []string{value})
			r := &Request{Principal: Principal{Type: typ, ARN: "arn:aws:iam::111122223333:user/u", Account: "111122223333"}, Action: action, Resource: resource, Context: ctx}
			ps := &Policies{Identity: []*Policy{p}, Boundary: []*Policy{p}, Session: []*Policy{p}, Resource: p, SCP: [][]*Policy{{p}}, RCP: [][]*Policy{{p}}, Endpoint: []*Policy{p}}
			d := ps.Decide(r)
			if e := ps.Explain(r); e.Outcome != d.Outcome || e.String() == "" {
				t.Fatalf("explains %v, decided %v", e.Outcome, d.Outcome)
			}
			if msg := DenialMessage(r, d, MessageOptions{}); (msg == "") != d.Allowed() {
				t.Fatalf("message %q for %v", msg, d.Outcome)
			}
		}
	})
}

func TestHostilePatterns(t *testing.T) {
	s := strings.Repeat("a", 20000)
	for _, pattern := range []string{strings.Repeat("${*}", 30000), strings.Repeat("${", 60000), strings.Repeat("${a}", 30000), strings.Repeat("a*", 500) + "b", strings.Repeat("*a", 1000) + "*b", strings.Repeat("?*", 1000) + "b"} {
		for _, vars := range []bool{false, true} {
			if p := compilePattern(pattern, true, vars); p.match(s, nil) {
				t.Errorf("%.20s… matches", pattern)
			}
		}
		a := compileAction(pattern)
		if a.match(s) {
			t.Errorf("action %.20s… matches", pattern)
		}
	}
}

func ExampleNewContext() {
	ctx := NewContext()
	ctx.Set("aws:SourceIp", "203.0.113.9")
	ctx.SetList("aws:TagKeys", []string{"env"})
	_, present := ctx.Get("AWS:sourceip")
	fmt.Println(present, ctx.IsList("aws:TagKeys"), ctx.Len())
	// Output: true true 2
}
