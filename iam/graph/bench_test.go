package graph

import (
	"fmt"
	"testing"

	"github.com/mantle-iam/mantle/iam/account"
)

// estate is 5 accounts with a number of roles (2,000 for the benchmarks) and 40
// users each: as many roles of services as of people, some behind external ids
// and identity providers, one in twenty able to assume others, one trusted by
// everyone.
func estate(b testing.TB, roles int) []*account.Account {
	w := newBuilder(b)
	var ids []string
	for i := range 5 {
		ids = append(ids, fmt.Sprintf("%012d", 100000000001*(i+1)))
	}
	services := []string{"ec2.amazonaws.com", "lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "codebuild.amazonaws.com"}
	for k, id := range ids {
		other := ids[(k+1)%len(ids)]
		admin := w.managed(id, "admin", allow("*", "*"))
		for i := range roles {
			name := fmt.Sprintf("r%d", i)
			var trust, identity string
			switch i % 10 {
			case 0, 1, 2, 3:
				trust = trusts("Service", services[i/10%len(services)])
			case 4, 5:
				trust = trusts("AWS", root(id))
			case 6, 7:
				trust = trusts("AWS", roleARN(id, fmt.Sprintf("r%d", i-1)))
			case 8:
				trust = trusts("AWS", root(other), condition("StringEquals", "sts:ExternalId", name))
			case 9:
				trust = `{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::` + id + `:oidc-provider/token.example.com"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"token.example.com:sub": "` + name + `:*"}}}`
			}
			identity = allow("s3:GetObject", "arn:aws:s3:::bucket-"+name+"/*") + "," + allow("logs:*", "*")
			switch {
			case i%20 == 5:
				identity += "," + allow("sts:AssumeRole", fmt.Sprintf("arn:aws:iam::*:role/r%d*", i%7))
			case i%100 == 7:
				identity += "," + allow("iam:PassRole", "*") + "," + allow("lambda:*", "*") + "," + allow("ec2:*", "*")
			}
			r := w.role(id, name, trust, identity)
			if i%200 == 3 {
				r.Attached = []string{admin}
			}
			if i%40 == 0 {
				r.Profiles = []account.InstanceProfile{{Name: name}}
			}
		}
		w.role(id, "open", trusts("AWS", "*"), "")
		for i := range 40 {
			u := w.user(id, fmt.Sprintf("u%d", i), allow("sts:AssumeRole", "*", condition("Bool", "aws:MultiFactorAuthPresent", "true")))
			if i == 0 {
				u.Attached = []string{admin}
			}
		}
	}
	return w.list()
}

func BenchmarkBuild10kRoles(b *testing.B) {
	accounts := estate(b, 2000)
	for b.Loop() {
		if _, err := Build(accounts...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWhoCanAssume10kRoles asks a fresh graph, so that nothing is kept.
func BenchmarkWhoCanAssume10kRoles(b *testing.B) {
	accounts := estate(b, 2000)
	for _, role := range []string{"r4", "r17", "r8", "open"} {
		b.Run(role, func(b *testing.B) {
			paths := 0
			for b.Loop() {
				b.StopTimer()
				g, err := Build(accounts...)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				p, err := g.WhoCanAssume(roleARN("100000000001", role))
				if err != nil {
					b.Fatal(err)
				}
				paths = len(p)
			}
			b.ReportMetric(float64(paths), "paths")
		})
	}
}

func BenchmarkOrphans10kRoles(b *testing.B) {
	accounts := estate(b, 2000)
	for b.Loop() {
		b.StopTimer()
		g, err := Build(accounts...)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		g.Orphans()
	}
}

func BenchmarkCanAssume(b *testing.B) {
	g, err := Build(estate(b, 2000)...)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		a, err := g.CanAssume(roleARN("100000000001", "r5"), roleARN("100000000001", "r6"))
		if err != nil || a.Verdict != Allowed {
			b.Fatal(a, err)
		}
	}
}
