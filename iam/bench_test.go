package iam

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// A benchInput is a set of policies and a request that the last statement
// allows.
type benchInput struct {
	Policies []json.RawMessage
	Request  struct {
		Principal, Action, Resource, Account string
		Context                              map[string]string
	}
}

func benchInputs() []string { return []string{"p1", "p10x20", "p1000"} }

func readBench(tb testing.TB, name string) *benchInput {
	tb.Helper()
	data, err := os.ReadFile("testdata/bench/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	in := new(benchInput)
	if err := json.Unmarshal(data, in); err != nil {
		tb.Fatal(err)
	}
	return in
}

func (in *benchInput) compile(tb testing.TB) (*Policies, *Request) {
	ps := new(Policies)
	for i, doc := range in.Policies {
		ps.Identity = append(ps.Identity, mustParse(tb, Identity, fmt.Sprint("policy ", i), string(doc)))
	}
	r := &Request{
		Principal: Principal{Type: User, ARN: in.Request.Principal, Account: in.Request.Account},
		Action:    in.Request.Action, Resource: in.Request.Resource, ResourceAccount: in.Request.Account,
		Context: NewContext(),
	}
	for k, v := range in.Request.Context {
		r.Context.Set(k, v)
	}
	return ps, r
}

// BenchmarkDecide is the time of one decision.
func BenchmarkDecide(b *testing.B) {
	for _, name := range benchInputs() {
		b.Run(name, func(b *testing.B) {
			ps, r := readBench(b, name).compile(b)
			if d := ps.Decide(r); !d.Allowed() {
				b.Fatalf("got %+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				ps.Decide(r)
			}
		})
	}
}

// BenchmarkDecideDenied is the time of a decision that nothing allows: every
// statement that could apply has been looked at.
func BenchmarkDecideDenied(b *testing.B) {
	for _, name := range benchInputs() {
		b.Run(name, func(b *testing.B) {
			ps, r := readBench(b, name).compile(b)
			r.Context.Set("aws:SourceIp", "192.0.2.1")
			r.Resource = "arn:aws:s3:::elsewhere/a"
			if d := ps.Decide(r); d.Outcome != ImplicitDeny {
				b.Fatalf("got %+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				ps.Decide(r)
			}
		})
	}
}

// BenchmarkParse is the time to compile the policies of an input.
func BenchmarkParse(b *testing.B) {
	for _, name := range benchInputs() {
		b.Run(name, func(b *testing.B) {
			in := readBench(b, name)
			n := 0
			for _, doc := range in.Policies {
				n += len(doc)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				in.compile(b)
			}
		})
	}
}

// BenchmarkCedar is the time that cedar-go takes for the same rules, written in
// Cedar: one policy a statement, the action as a string, which is several times
// as fast there as action groups.
func BenchmarkCedar(b *testing.B) {
	for _, name := range benchInputs() {
		b.Run(name, func(b *testing.B) {
			in := readBench(b, name)
			set, entities, req := in.cedar(b)
			if d, _ := cedar.Authorize(set, entities, req); d != cedar.Allow {
				b.Fatalf("got %v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				cedar.Authorize(set, entities, req)
			}
		})
	}
}

// cedar writes the policies of the input in Cedar.
func (in *benchInput) cedar(tb testing.TB) (*cedar.PolicySet, cedar.EntityMap, cedar.Request) {
	tb.Helper()
	var src strings.Builder
	for i, doc := range in.Policies {
		p := mustParse(tb, Identity, fmt.Sprint("policy ", i), string(doc))
		for s := range p.Statements() {
			var acts, whens []string
			for _, a := range s.Actions {
				if strings.Contains(a, "*") {
					acts = append(acts, fmt.Sprintf("context.action like %q", a))
				} else {
					acts = append(acts, fmt.Sprintf("context.action == %q", a))
				}
			}
			whens = append(whens, "("+strings.Join(acts, " || ")+")")
			var likes []string
			for _, r := range s.Resources {
				likes = append(likes, fmt.Sprintf("context.resource like %q", r))
			}
			whens = append(whens, "("+strings.Join(likes, " || ")+")")
			for _, c := range s.Conditions {
				switch c.Operator {
				case "StringEquals":
					whens = append(whens, fmt.Sprintf(`["%s"].contains(context.username)`, strings.Join(c.Values, `", "`)))
				case "IpAddress":
					var nets []string
					for _, v := range c.Values {
						nets = append(nets, fmt.Sprintf("context.ip.isInRange(ip(%q))", v))
					}
					whens = append(whens, "("+strings.Join(nets, " || ")+")")
				case "Bool":
					whens = append(whens, "context.tls == "+c.Values[0])
				default:
					tb.Fatalf("no Cedar for %s", c.Operator)
				}
			}
			effect := "permit"
			if s.Effect == EffectDeny {
				effect = "forbid"
			}
			fmt.Fprintf(&src, "%s(principal, action, resource) when { %s };\n", effect, strings.Join(whens, " && "))
		}
	}
	set, err := cedar.NewPolicySetFromBytes("bench.cedar", []byte(src.String()))
	if err != nil {
		tb.Fatal(err)
	}
	action := cedar.NewEntityUID("Action", cedar.String(in.Request.Action))
	ip, err := types.ParseIPAddr(in.Request.Context["aws:SourceIp"])
	if err != nil {
		tb.Fatal(err)
	}
	return set, cedar.EntityMap{}, cedar.Request{
		Principal: cedar.NewEntityUID("User", cedar.String(in.Request.Principal)),
		Action:    action,
		Resource:  cedar.NewEntityUID("Resource", cedar.String(in.Request.Resource)),
		Context: cedar.NewRecord(cedar.RecordMap{
			"action":   cedar.String(in.Request.Action),
			"resource": cedar.String(in.Request.Resource),
			"username": cedar.String(in.Request.Context["aws:username"]),
			"ip":       ip,
			"tls":      cedar.Boolean(in.Request.Context["aws:SecureTransport"] == "true"),
		}),
	}
}

// TestIndexAgrees decides each input with and without its index.
func TestIndexAgrees(t *testing.T) {
	for _, name := range benchInputs() {
		in := readBench(t, name)
		ps, r := in.compile(t)
		flat, _ := in.compile(t)
		for _, p := range flat.Identity {
			p.flatten()
		}
		for _, action := range []string{"s3:GetObject", "s3:PutObject", "S3:deleteobject", "s3:ListBucket", "s3:GetBucketLocation", "sqs:SendMessage"} {
			for _, resource := range []string{r.Resource, "arn:aws:s3:::bucket-7/a", "arn:aws:s3:::bucket-7", "arn:aws:s3:::logs-5/team/x/raw/y", "*"} {
				for _, user := range []string{"mira", "user-0", "svc-1", "user-7", "user-5"} {
					q := *r
					q.Action, q.Resource, q.Context = action, resource, r.Context.Clone()
					q.Context.Set("aws:username", user)
					if got, want := ps.Decide(&q).Outcome, flat.Decide(&q).Outcome; got != want {
						t.Errorf("%s: %s %s %s: got %v with the index, %v without", name, user, action, resource, got, want)
					}
				}
			}
		}
	}
}

// flatten takes the index of p away.
func (p *Policy) flatten() {
	for _, deny := range []bool{false, true} {
		x := &p.allow
		if deny {
			x = &p.deny
		}
		n := 0
		*x = index{}
		for i := range p.stmts {
			if p.stmts[i].deny == deny {
				x.not = append(x.not, int32(i)) // looked at for every request
				n++
			}
		}
		x.n = fewStatements + n
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	for _, name := range benchInputs() {
		ps, r := readBench(t, name).compile(t)
		if n := testing.AllocsPerRun(100, func() { ps.Decide(r) }); n != 0 {
			t.Errorf("%s: %v allocations for a decision", name, n)
		}
	}
	for _, v := range readVectors(t, "testdata/vectors/vectors-open.jsonl") {
		ps := v.Policies.compile()
		r := &Request{Principal: v.Request.principal(t), Action: v.Request.Action, Resource: v.Request.Resource, ResourceAccount: v.Request.ResourceAccount, Context: v.Request.context()}
		if n := testing.AllocsPerRun(1, func() { ps.Decide(r) }); n != 0 {
			t.Errorf("%s: %v allocations for a decision", v.ID, n)
		}
	}
}
