package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

func crossAccountCaller(in *Input, add func(Finding)) {
	for _, target := range in.facts.roles {
		if target.trust == nil {
			continue
		}
		for i := range target.trust.statements {
			s := &target.trust.statements[i]
			if !s.allows() || !s.covers("sts:AssumeRole") {
				continue
			}
			for _, p := range s.principal {
				caller := in.facts.byARN[p.text]
				if caller == nil || caller.account == target.account || p.kind != "AWS" {
					continue
				}
				switch caller.may("sts:AssumeRole", target.ARN) {
				case unknown:
					add(Finding{Where: caller.where, Address: caller.address, Needs: strings.Join(caller.missing, ", ")})
				case no:
					f := caller.found(fmt.Sprintf("%s is trusted by %s of account %s, but across accounts its own policies have to allow sts:AssumeRole too", caller.title(), target.title(), target.account),
						fmt.Sprintf(`allow it: {"Effect":"Allow","Action":"sts:AssumeRole","Resource":%q}`, target.ARN))
					f.Related = []Related{{s.at(p.node), "trusted here"}}
					add(f)
				}
			}
		}
	}
}

func wideSTS(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || s.notAction {
			return
		}
		all := !s.notRes && slices.ContainsFunc(s.resources, func(n *node) bool { return n.text == "*" })
		for _, n := range s.actions {
			switch {
			case strings.EqualFold(n.text, "sts:*"):
				add(s.found(n, `"sts:*" also allows federation tokens, session tags and every role that trusts the account`, "allow sts:AssumeRole on the ARN of the role that is meant"))
			case all && len(s.tests) == 0 && n.text != "*" && iam.MatchAction(n.text, "sts:AssumeRole"):
				add(s.found(n, "sts:AssumeRole on every role: any role that trusts the account is within reach", "name the ARN of the role that is meant in Resource"))
			}
		}
	}, iam.Identity)
}

func widePassRole(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || s.notAction || s.notRes || s.document.kind != iam.Identity {
			return
		}
		i := slices.IndexFunc(s.actions, func(n *node) bool { return n.text != "*" && iam.MatchAction(n.text, "iam:PassRole") })
		if i < 0 || !slices.ContainsFunc(s.resources, func(n *node) bool { return n.text == "*" || strings.HasSuffix(n.text, ":role/*") }) {
			return
		}
		if s.test("iam:PassedToService") == nil {
			add(s.found(s.actions[i], "may pass any role, those of administrators too, to any service", "name the role in Resource and add the condition StringEquals iam:PassedToService"))
			return
		}
		f := s.found(s.actions[i], "may pass any role to the services named", "name the role in Resource")
		f.Severity = Info
		add(f)
	}, iam.Identity)
}

// passers are calls that hand a role to a service.
var passers = []struct {
	action, resource, service string
	kinds                     []string
}{
	{"ecs:RegisterTaskDefinition", "arn:aws:ecs:us-east-1:%s:task-definition/x:1", "ecs-tasks.amazonaws.com", []string{"task role", "execution role"}},
	{"ecs:RunTask", "arn:aws:ecs:us-east-1:%s:task-definition/x:1", "ecs-tasks.amazonaws.com", []string{"task role", "execution role"}},
}

func passRoleMissing(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		for _, p := range passers {
			if r.may(p.action, fmt.Sprintf(p.resource, r.account)) != yes {
				continue
			}
			var passed []string
			able := false
			for _, u := range in.facts.uses() {
				target := in.facts.byARN[u.Role]
				if !slices.Contains(p.kinds, u.Kind) || target == nil || target.account != r.account || target == r {
					continue
				}
				if r.may("iam:PassRole", target.ARN) != no {
					able = true
				} else if !slices.Contains(passed, target.ARN) {
					passed = append(passed, target.ARN)
				}
			}
			if able || len(passed) == 0 {
				continue
			}
			add(r.found(fmt.Sprintf("%s may call %s, and will get 403 for iam:PassRole on %s", r.title(), p.action, passed[0]),
				fmt.Sprintf(`allow it: {"Effect":"Allow","Action":"iam:PassRole","Resource":%q,"Condition":{"StringEquals":{"iam:PassedToService":%q}}}`, passed[0], p.service)))
			break // the same cure for the other calls
		}
	}
}

func (f *facts) uses() []estate.Use {
	if f.estate == nil {
		return nil
	}
	return f.estate.Uses
}

// s3Level is what an ARN of S3 names: "bucket", "object", "" for what is
// neither, "both" where a wildcard reaches objects too.
func s3Level(arn string) string {
	if arn == "*" {
		return "both"
	}
	a, err := iam.ParseARN(arn)
	if err != nil || a.Service != "s3" || a.Region != "" || a.Account != "" {
		return ""
	}
	bucket, _, object := strings.Cut(a.Resource, "/")
	switch {
	case object:
		return "object"
	case strings.Contains(bucket, "*"):
		return "both"
	}
	return "bucket"
}

func wrongS3Level(in *Input, add func(Finding)) {
	table := actionTable()["s3"]
	in.statements(func(s *statement) {
		if !s.allows() || s.notAction || s.notRes || len(s.resources) == 0 {
			return
		}
		levels, first := map[string]bool{}, ""
		for _, n := range s.resources {
			l := s3Level(n.text)
			if a, err := iam.ParseARN(n.text); l == "" && err == nil && a.Service != "s3" && !computed(n.text) {
				continue
			}
			if l == "" {
				return // an access point, or something that is not known yet
			}
			if first == "" {
				first = n.text
			}
			levels[l] = true
		}
		if levels["both"] || first == "" {
			return
		}
		for _, n := range s.actions {
			name, ok := cutFold(n.text, "s3:")
			a, known := table[strings.ToLower(name)]
			if !ok || !known || a.level == "" || levels[a.level] {
				continue
			}
			if a.level == "bucket" {
				bucket, _, _ := strings.Cut(first, "/")
				add(s.found(n, fmt.Sprintf("%s never matches %s: it acts on the bucket, not on objects", a.name, first), "give it a statement with the Resource "+bucket))
			} else {
				add(s.found(n, fmt.Sprintf("%s never matches %s: it acts on objects, not on the bucket", a.name, first), "give it a statement with the Resource "+first+"/*"))
			}
		}
	}, iam.Identity, iam.Resource)
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

func noSuchAction(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		for _, n := range s.actions {
			if n.kind != '"' || strings.ContainsAny(n.text, "*?$") || computed(n.text) {
				continue
			}
			service, name, ok := strings.Cut(n.text, ":")
			if !ok {
				continue
			}
			if right := operationActions[strings.ToLower(n.text)]; right != "" {
				f := s.found(n, fmt.Sprintf("%s is an operation, not an action of IAM: it is allowed by %s", n.text, right), "write "+right)
				f.Edit = s.document.source.replace(n, right, s.where)
				add(f)
				continue
			}
			table := actionTable()[strings.ToLower(service)]
			if table == nil {
				continue
			}
			if _, known := table[strings.ToLower(name)]; known {
				continue
			}
			var names []string
			for _, a := range table {
				_, x, _ := strings.Cut(a.name, ":")
				names = append(names, x)
			}
			slices.Sort(names)
			if near := nearest(name, names); near != "" {
				near = service + ":" + near
				f := s.found(n, fmt.Sprintf("there is no action %s; did you mean %s?", n.text, near), "write "+near)
				f.Edit = s.document.source.replace(n, near, s.where)
				add(f)
				continue
			}
			f := s.found(n, fmt.Sprintf("%s is none of the actions of %s that were known in %s", n.text, service, actionsDate), "look it up in the Service Authorization Reference")
			f.Severity = Warning
			add(f)
		}
	}, iam.Identity, iam.Resource, iam.Boundary, iam.SCP)
}

// regional are services all of whose ARNs have a region and an account, but
// for the resources named.
var regional = map[string][]string{
	"dynamodb": nil, "ecs": nil, "ecr": nil, "sqs": nil, "sns": nil, "lambda": nil, "kms": nil, "secretsmanager": nil,
	"states": nil, "kinesis": nil, "firehose": nil, "eks": nil, "rds": nil, "logs": nil,
	"ssm": {"parameter/aws/", "document/", "automation-definition/"},
	"ec2": {"image/", "snapshot/"},
}

func incompleteARN(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		for _, n := range s.resources {
			a, err := iam.ParseARN(n.text)
			if err != nil {
				continue
			}
			var lacks []string
			fixed := a
			except, known := regional[a.Service]
			switch {
			case known && !slices.ContainsFunc(except, func(p string) bool { return strings.HasPrefix(a.Resource, p) }):
				if a.Region == "" {
					lacks = append(lacks, "region")
					fixed.Region = cmp.Or(s.document.region, "REGION")
				}
				if a.Account == "" {
					lacks = append(lacks, "account")
					fixed.Account = s.document.ownAccount()
				}
			case a.Service == "iam" && a.Account == "" && a.Resource != "*":
				lacks = append(lacks, "account")
				fixed.Account = s.document.ownAccount()
			}
			if len(lacks) == 0 {
				continue
			}
			add(s.found(n, fmt.Sprintf("%q never matches: an ARN of %s has a %s", n.text, a.Service, strings.Join(lacks, " and an ")), "write "+fixed.String()))
		}
	}, iam.Identity, iam.Resource)
}

// ownAccount is the account that a document is in, or a place holder.
func (d *document) ownAccount() string {
	if d.account != "" && !tf.Placeholder(d.account) {
		return d.account
	}
	return "ACCOUNT"
}
