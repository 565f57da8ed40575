package ask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A stand-in equals only itself. That decides a question about what the
// configuration makes; a question that names something by its real id may mean
// what a stand-in stands for, and then nobody knows.

// stranger reports whether an ARN is of something that the estate does not know
// under that ARN, and that may be what a stand-in in a policy stands for.
func (a *Asker) stranger(arn string) bool {
	if arn == "*" || len(tf.StandIns(arn)) > 0 || a.people[arn] != nil || a.holder(arn) != nil {
		return false
	}
	x, err := iam.ParseARN(arn)
	return err == nil && !tf.Placeholder(x.Account)
}

// guessed returns the unknown things that a verdict hangs on only because the
// real id that was asked for is not the stand-in of a policy. There are none for
// a verdict that holds whatever the stand-ins are.
func (q *asking) guessed(m *matter, v Verdict, resource string, c *caller) []tf.Unknown {
	if v == Undecided || len(q.a.estate.Terraform) == 0 {
		return nil
	}
	who := ""
	if c.outside {
		who = c.principal.Account
	}
	l := loosening{favour: v == Denied, asked: resource}
	if q.a.stranger(resource) {
		l.resources = true
		if x, err := iam.ParseARN(resource); err == nil {
			l.account = x.Account != "" && q.a.accounts[x.Account] == nil
		}
	}
	l.principals = who != "" && q.a.accounts[who] == nil
	if !l.resources && !l.principals {
		return nil
	}
	loose := *m
	p := &loose.policies
	p.Identity, p.Boundary, p.Session = l.set(p.Identity), l.set(p.Boundary), l.set(p.Session)
	if p.Resource != nil {
		p.Resource = l.policy(p.Resource)
	}
	if len(l.found) == 0 || q.verdict(&loose) == v {
		return nil
	}
	var out []tf.Unknown
	for _, address := range l.found {
		u := tf.Unknown{Address: address, Why: "the id of " + address + " is known after apply, and may be the one in " + resource + "; ask for the address, or a state"}
		if address == "" {
			u.Why = "which account the configuration is applied in is not known: say it with --as"
		}
		out = append(out, u)
	}
	return out
}

// loosening lets stand-ins match everything: in statements that allow if favour,
// else in those that deny.
type loosening struct {
	favour                bool
	resources, principals bool
	account               bool     // placeholders of accounts too
	asked                 string   // the ARN
	found                 []string // addresses of the stand-ins; "" for an account
}

func (l *loosening) set(list []*iam.Policy) []*iam.Policy {
	out := slices.Clone(list)
	for i := range out {
		out[i] = l.policy(out[i])
	}
	return out
}

func (l *loosening) policy(p *iam.Policy) *iam.Policy {
	doc := statementsJSON{Version: p.Version()}
	changed := false
	for s := range p.Statements() {
		out := write(&s)
		if (s.Effect == iam.EffectAllow) == l.favour {
			if l.resources {
				var did bool
				out.Resource, did = l.all(out.Resource, l.asked)
				changed = changed || did
			}
			if who, ok := out.Principal.(map[string][]string); ok && l.principals {
				list, did := l.all(who["AWS"], "")
				if did { // a trust policy takes no other wildcard in a principal
					who["AWS"] = slices.DeleteFunc(list, func(s string) bool { return strings.Contains(s, "*") && s != "*" })
					who["AWS"] = append(who["AWS"], "*")
				}
				changed = changed || did
			}
		}
		doc.Statement = append(doc.Statement, out)
	}
	if !changed {
		return p
	}
	src, err := json.Marshal(doc)
	if err == nil {
		p, err = iam.Parse(p.Kind(), p.Name(), src)
	}
	if err != nil {
		// A policy whose ARNs match more is a policy.
		panic(fmt.Sprintf("ask: %s without stand-ins is no policy: %v", p.Name(), err))
	}
	return p
}

// all replaces the stand-ins of some ARNs where the outcome matches what is asked
// for, and reports whether there were any. It is not held to anything if asked is
// "".
func (l *loosening) all(arns []string, asked string) ([]string, bool) {
	did := false
	out := slices.Clone(arns)
	for i, arn := range arns {
		stands := tf.StandIns(arn)
		for _, address := range stands {
			arn = strings.ReplaceAll(arn, tf.StandIn(address), "*")
		}
		if f := strings.SplitN(arn, ":", 6); l.account && len(f) == 6 && tf.Placeholder(f[4]) {
			f[4] = "*"
			arn = strings.Join(f, ":")
			if len(stands) == 0 {
				stands = []string{""}
			}
		}
		if len(stands) == 0 || asked != "" && !iam.MatchPattern(arn, asked) {
			continue
		}
		out[i], did = arn, true
		for _, address := range stands {
			if !slices.Contains(l.found, address) {
				l.found = append(l.found, address)
			}
		}
	}
	return out, did
}
