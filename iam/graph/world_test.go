package graph

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/mantle-iam/mantle/iam"
)

// TestWorlds takes the labelled decisions of package iam: whatever the request
// holds, a policy in its least world grants no more than as it was written, and
// in its most world no less.
func TestWorlds(t *testing.T) {
	type documents []json.RawMessage
	type vector struct {
		ID      string
		Request struct {
			Principal, PrincipalType, PrincipalAccount, IssuerArn string
			Action, Resource, ResourceAccount                     string
			Context                                               map[string]any
		}
		Policies struct {
			Identity, Boundary, Session documents
			Resource                    json.RawMessage
			SCP, RCP                    []documents
			VPCE                        documents
		}
	}
	f, err := os.Open("../testdata/vectors/vectors-open.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := &Graph{}
	less, more, same := 0, 0, 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		kind, err := iam.ParsePrincipalType(v.Request.PrincipalType)
		if err != nil {
			t.Fatalf("%s: %v", v.ID, err)
		}
		c := iam.NewContext()
		for k, x := range v.Request.Context {
			switch x := x.(type) {
			case string:
				c.Set(k, x)
			case []any:
				var list []string
				for _, e := range x {
					list = append(list, e.(string))
				}
				c.SetList(k, list)
			}
		}
		req := &iam.Request{
			Principal: iam.Principal{Type: kind, ARN: v.Request.Principal, Account: v.Request.PrincipalAccount, Issuer: v.Request.IssuerArn},
			Action:    v.Request.Action, Resource: v.Request.Resource, ResourceAccount: v.Request.ResourceAccount, Context: c,
		}
		refused := false
		decide := func(change func(*iam.Policy) *iam.Policy) bool {
			parse := func(kind iam.Kind, docs documents) (out []*iam.Policy) {
				for _, d := range docs {
					p, err := iam.Parse(kind, "p", d)
					if err != nil {
						refused = true // the vector is about just that
						continue
					}
					out = append(out, change(p))
				}
				return out
			}
			levels := func(kind iam.Kind, list []documents) (out [][]*iam.Policy) {
				for _, l := range list {
					out = append(out, parse(kind, l))
				}
				return out
			}
			set := iam.Policies{
				Identity: parse(iam.Identity, v.Policies.Identity), Boundary: parse(iam.Boundary, v.Policies.Boundary), Session: parse(iam.Session, v.Policies.Session),
				SCP: levels(iam.SCP, v.Policies.SCP), RCP: levels(iam.RCP, v.Policies.RCP), Endpoint: parse(iam.Endpoint, v.Policies.VPCE),
			}
			if len(v.Policies.Resource) > 0 && string(v.Policies.Resource) != "null" {
				if list := parse(iam.Resource, documents{v.Policies.Resource}); len(list) > 0 {
					set.Resource = list[0]
				}
			}
			return set.Decide(req).Allowed()
		}
		actual := decide(func(p *iam.Policy) *iam.Policy { return p })
		if refused {
			continue
		}
		for view := range views {
			in := func(w world) bool {
				return decide(func(p *iam.Policy) *iam.Policy { return g.in(read(p), view, w) })
			}
			low, high, widest := in(least), in(most), in(open)
			if low && !actual || actual && !high || high && !widest {
				t.Errorf("%s, view %d: least %v, as written %v, most %v, open %v", v.ID, view, low, actual, high, widest)
			}
			switch {
			case low != actual:
				less++
			case high != actual:
				more++
			default:
				same++
			}
		}
	}
	if lines.Err() != nil || less == 0 || more == 0 || same == 0 {
		t.Errorf("%d decisions are less in the least world, %d more in the most, %d the same (%v): want some of each", less, more, same, lines.Err())
	}
}
