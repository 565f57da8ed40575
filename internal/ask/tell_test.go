package ask

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/estate"
)

func TestExplainRole(t *testing.T) {
	b := build(t)
	r := b.role(dev, "node", ec2, "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role", `{"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}`)
	r.Profiles = []account.InstanceProfile{{Name: "ecs-profile"}}
	b.role(dev, "deploy", `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
		{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}`, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`)
	b.e.Uses = []estate.Use{{Role: "arn:aws:iam::" + dev + ":role/node", Kind: "instance", Name: "i-1", Account: dev}}
	a := b.asker()
	for name, want := range map[string][]string{
		"node": {"any instance launched with profile ecs-profile", "register with ECS, pull from ECR, write logs (AmazonEC2ContainerServiceforEC2Role)",
			"ec2:DescribeInstances on *", "instance profile ecs-profile → 1 instance", "called ecs-profile"},
		"deploy": {"those of its users and roles whose own policies allow", "only if aws:MultiFactorAuthPresent is true", "account 999999999999 is not in the data", "as good as an administrator"},
	} {
		s, err := a.ExplainRole(name)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		a.WriteRole(&out, s)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", name, w, out.String())
			}
		}
	}
	if _, err := a.ExplainRole("nod"); err == nil || !strings.Contains(err.(*NameError).Hint(), "node") {
		t.Errorf("nod: %v, want a hint at node", err)
	}
}

// TestECSTask has one estate for each of the five causes.
func TestECSTask(t *testing.T) {
	tasks := `{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}`
	pull := `{"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}`
	pass := `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}}`
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	old := now.Add(-24 * time.Hour)
	use := func(b *builder, task, execution string) {
		arn := "arn:aws:iam::" + dev + ":role/"
		b.e.Uses = append(b.e.Uses, estate.Use{Role: arn + task, Kind: "task role", Name: "web:7", Account: dev})
		if execution != "" {
			b.e.Uses = append(b.e.Uses, estate.Use{Role: arn + execution, Kind: "execution role", Name: "web:7", Account: dev})
		}
	}
	for _, c := range []struct {
		name  string
		build func(b *builder)
		want  int // the cause that holds; 0 for none
		says  string
	}{
		{"missing", func(b *builder) { use(b, "wbe-task", "") }, 1, "did you mean role/web-task"},
		{"other service", func(b *builder) {
			b.account(dev).Roles[0].Trust = b.parse(iam.Trust, "t", ec2)
			use(b, "web-task", "")
		}, 2, "it names ec2.amazonaws.com, not ecs-tasks.amazonaws.com"},
		{"swapped", func(b *builder) { use(b, "exec", "web-task") }, 3, "exchange taskRoleArn and executionRoleArn"},
		{"not passed", func(b *builder) {
			b.account(dev).Users = nil
			b.user(dev, "deployer")
			use(b, "web-task", "exec")
		}, 4, "allow iam:PassRole on arn:aws:iam::111122223333:role/web-task"},
		{"too new", func(b *builder) {
			b.account(dev).Roles[0].Created = now.Add(-time.Minute)
			use(b, "web-task", "exec")
		}, 5, "made 1m0s ago"},
		{"none", func(b *builder) { use(b, "web-task", "exec") }, 0, "none of the five causes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t)
			b.role(dev, "web-task", tasks)
			b.role(dev, "exec", tasks, pull)
			b.user(dev, "deployer", pass)
			for i := range b.account(dev).Roles {
				b.account(dev).Roles[i].Created = old
			}
			c.build(b)
			a := b.asker()
			got, err := a.ExplainECSTask("web:7", "deployer", now)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			if f := got.Found(); f != nil {
				found = f.Number
			}
			var out strings.Builder
			a.WriteTaskCase(&out, got)
			if found != c.want || !strings.Contains(out.String(), c.says) {
				t.Errorf("cause %d, want %d that says %q:\n%s", found, c.want, c.says, out.String())
			}
		})
	}
	b := build(t)
	b.role(dev, "web-task", tasks)
	use(b, "web-task", "")
	a := b.asker()
	rows, err := a.ExplainTask("web")
	if err != nil || len(rows) != 4 || rows[0].Role == "" || rows[1].Role != "" {
		t.Errorf("rows %+v, %v; want four, with a task role and no execution role", rows, err)
	}
	if _, err := a.ExplainTask("wib"); err == nil {
		t.Error("a task definition that is not there has roles")
	}
}

func token(t *testing.T, claims map[string]any) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".c2ln"
}

func TestExplainToken(t *testing.T) {
	const host = "token.actions.githubusercontent.com"
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	trust := func(condition string) string {
		return `{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/` + host + `"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {` + condition + `}}`
	}
	aud := `"StringEquals": {"` + host + `:aud": "sts.amazonaws.com", "` + host + `:sub": "repo:org/x:ref:refs/heads/main"}`
	claims := func(more map[string]any) map[string]any {
		out := map[string]any{"iss": "https://" + host, "aud": "sts.amazonaws.com", "sub": "repo:org/x:ref:refs/heads/main", "exp": now.Add(time.Hour).Unix()}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	for _, c := range []struct {
		name, trust string
		claims      map[string]any
		want        Verdict
		says        string
	}{
		{"fits", trust(aud), claims(nil), Allowed, "✓ sub: token repo:org/x:ref:refs/heads/main = policy repo:org/x:ref:refs/heads/main"},
		{"environment", trust(aud), claims(map[string]any{"sub": "repo:org/x:environment:prod"}), Denied, "the token is for an environment, the policy for a branch or tag"},
		{"case", trust(aud), claims(map[string]any{"sub": "repo:Org/x:ref:refs/heads/main"}), Denied, "they differ in case only"},
		{"audience", trust(aud), claims(map[string]any{"aud": "api://AzureADTokenExchange"}), Denied, "✗ aud: token api://AzureADTokenExchange ≠ policy sts.amazonaws.com"},
		{"star", trust(`"StringEquals": {"` + host + `:sub": "repo:org/x:*"}`), claims(nil), Denied, "StringEquals takes * literally"},
		{"for all values", trust(`"ForAllValues:StringEquals": {"` + host + `:sub": "repo:org/x:ref:refs/heads/main"}`), claims(nil), Allowed, "also holds if the token has no such claim"},
		{"other provider", trust(`"StringEquals": {"gitlab.com:sub": "x"}`), claims(nil), Denied, "gitlab.com:sub is a key of another provider"},
		{"not named", ec2, claims(nil), Denied, "does not name arn:aws:iam::111122223333:oidc-provider/" + host},
		{"expired", trust(aud), claims(map[string]any{"exp": now.Add(-time.Hour).Unix()}), Allowed, "expired"},
		{"azp goes before aud", trust(`"StringEquals": {"` + host + `:aud": "client", "` + host + `:oaud": "sts.amazonaws.com"}`), claims(map[string]any{"azp": "client"}), Allowed, "✓ aud: token client"},
		{"no sub asked", trust(`"StringEquals": {"` + host + `:aud": "sts.amazonaws.com"}`), claims(nil), Allowed, "the policy does not ask for it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t)
			b.role(dev, "deploy", c.trust)
			a := b.asker()
			text := token(t, c.claims)
			got, err := a.ExplainToken(text, "deploy", now)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			a.WriteToken(&out, got)
			if got.Verdict != c.want || !strings.Contains(out.String(), c.says) {
				t.Errorf("%s (%s), want %s that says %q:\n%s", got.Verdict, got.Reason, c.want, c.says, out.String())
			}
			if strings.Contains(out.String(), text) {
				t.Error("the token is printed")
			}
		})
	}
	b := build(t)
	b.role(dev, "deploy", ec2)
	for _, bad := range []string{"", "a.b", "a.!!.c", "a.e30", "a." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + ".c", "e30.e30.e30"} {
		if _, err := b.asker().ExplainToken(bad, "deploy", now); err == nil {
			t.Errorf("%q is taken for a token", bad)
		} else if bad != "" && len(bad) > 4 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func FuzzReadToken(f *testing.F) {
	f.Add("e30.eyJpc3MiOiJ4In0.x")
	f.Fuzz(func(t *testing.T, s string) {
		claims, err := readToken(s)
		for _, v := range claims {
			claimValues(v)
		}
		if err != nil && len(s) > 20 && strings.Contains(err.Error(), s) {
			t.Error("the error repeats the token")
		}
	})
}
