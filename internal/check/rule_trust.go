package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// statements calls f for the statements of documents of some kinds.
func (in *Input) statements(f func(*statement), kinds ...iam.Kind) {
	for _, d := range in.facts.documents {
		if !slices.Contains(kinds, d.kind) {
			continue
		}
		for i := range d.statements {
			f(&d.statements[i])
		}
	}
}

// principals calls f for each AWS principal of trust and resource policies.
func (in *Input) principals(f func(*statement, principal)) {
	in.statements(func(s *statement) {
		for _, p := range s.principal {
			if p.kind == "AWS" && p.node.kind == '"' {
				f(s, p)
			}
		}
	}, iam.Trust, iam.Resource)
}

func malformedPrincipal(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		if !strings.HasPrefix(p.text, "arn:") {
			return
		}
		what, fixed := arnFault(p.text)
		if what == "" {
			return
		}
		f := s.found(p.node, fmt.Sprintf("%q: %s", p.text, what), "write arn:aws:iam::ACCOUNT:root, …:role/NAME or …:user/NAME")
		if fixed != "" {
			f.Cure = "write " + fixed
			old, text := "arn:aws::iam::", "arn:aws:iam::"
			if strings.HasPrefix(p.text, old) {
				f.Edit = s.document.source.replaceBeginning(p.node, old, text, s.where)
			} else {
				f.Edit = s.document.source.replace(p.node, fixed, s.where)
			}
		}
		add(f)
	})
}

// arnFault says what is wrong with the ARN of a principal, and what it should
// be where that is certain.
func arnFault(s string) (what, fixed string) {
	part := strings.Split(s, ":")
	field := func(i int) string {
		if i < len(part) {
			return part[i]
		}
		return ""
	}
	switch {
	case len(part) > 6 && field(2) == "" && (field(3) == "iam" || field(3) == "sts"):
		return fmt.Sprintf("field 2 is %q, field 3 is empty – one colon too many", field(1)), strings.Join(slices.Delete(slices.Clone(part), 2, 3), ":")
	case len(part) == 5 && (field(2) == "iam" || field(2) == "sts") && accountID.MatchString(field(3)):
		return "the field of the region is missing – one colon too few", strings.Join(slices.Insert(slices.Clone(part), 3, ""), ":")
	case computed(s):
		return "", "" // the rest of it may be in what is not known
	case len(part) < 6:
		return fmt.Sprintf("an ARN has six fields, this has %d", len(part)), ""
	case field(1) == "":
		return "field 2, the partition, is empty", "arn:aws:" + strings.Join(part[2:], ":")
	case field(2) == "":
		return "field 3, the service, is empty", ""
	case field(2) != "iam" && field(2) != "sts":
		return "", "" // services have principals of their own, such as OAIs of CloudFront
	case field(3) != "":
		return fmt.Sprintf("field 4 is %q; ARNs of %s have no region", field(3), field(2)), ""
	case field(4) == "":
		return "field 5, the account, is empty", ""
	case !accountID.MatchString(field(4)) && field(4) != "cloudfront" && field(4) != "aws":
		return fmt.Sprintf("field 5, the account, is %q and not 12 digits", field(4)), ""
	case field(5) == "":
		return "field 6, who it is, is empty", ""
	}
	return "", ""
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func wildcardPrincipal(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		if !strings.HasPrefix(p.text, "arn:") || !strings.ContainsAny(p.text, "*?") {
			return
		}
		a, err := iam.ParseARN(p.text)
		if err != nil {
			return
		}
		add(s.found(p.node, fmt.Sprintf("%q: wildcards are not allowed in a principal", p.text),
			fmt.Sprintf(`name "arn:%s:iam::%s:root" and add the condition ArnLike aws:PrincipalArn %q`, a.Partition, a.Account, p.text)))
	})
}

func sessionPrincipal(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		a, err := iam.ParseARN(p.text)
		if err != nil || a.Service != "sts" || !strings.HasPrefix(a.Resource, "assumed-role/") || strings.ContainsAny(p.text, "*?") {
			return
		}
		parts := strings.Split(a.Resource, "/")
		if len(parts) != 3 || !s.allows() {
			return
		}
		add(s.found(p.node, fmt.Sprintf("%q is one session: only callers that name their session %q match", p.text, parts[2]),
			fmt.Sprintf("name the role: arn:%s:iam::%s:role/%s (with its path, if it has one)", a.Partition, a.Account, parts[1])))
	})
}

// kindServices are the services that take on a role that is used in some way.
var kindServices = map[string]string{
	"task role":            "ecs-tasks.amazonaws.com",
	"execution role":       "ecs-tasks.amazonaws.com",
	"instance":             "ec2.amazonaws.com",
	"instance profile":     "ec2.amazonaws.com",
	"launch template":      "ec2.amazonaws.com",
	"launch configuration": "ec2.amazonaws.com",
	"auto scaling group":   "ec2.amazonaws.com",
	"node group":           "ec2.amazonaws.com",
	"service":              "ecs.amazonaws.com",
	"function":             "lambda.amazonaws.com",
	"build project":        "codebuild.amazonaws.com",
	"pipeline":             "codepipeline.amazonaws.com",
	"state machine":        "states.amazonaws.com",
	"cluster":              "eks.amazonaws.com",
	"fargate profile":      "eks-fargate-pods.amazonaws.com",
	"notebook":             "sagemaker.amazonaws.com",
	"app runner service":   "tasks.apprunner.amazonaws.com",
	"event target":         "events.amazonaws.com",
	"schedule":             "scheduler.amazonaws.com",
}

// kindService is the service behind a use, "" if that is not certain.
func kindService(u estate.Use) string {
	switch {
	case u.Kind == "job" && strings.Contains(u.Name, "aws_glue_job."):
		return "glue.amazonaws.com"
	case u.Kind == "job" && strings.Contains(u.Name, "aws_batch_job_definition."):
		return "ecs-tasks.amazonaws.com"
	}
	return kindServices[u.Kind]
}

func missingService(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		told := map[string]bool{}
		for _, u := range r.uses {
			service := kindService(u)
			if service == "" || told[service] {
				continue
			}
			if r.trust == nil {
				add(Finding{Where: r.where, Address: r.address, Needs: "the trust policy of " + r.title()})
				break
			}
			if r.trust.trusts(service) {
				continue
			}
			told[service] = true
			now := "nobody"
			if s := r.trust.services(); len(s) > 0 {
				now = strings.Join(s, ", ")
			} else if len(r.trust.statements) > 0 {
				now = "no service"
			}
			f := Finding{Where: r.trust.source.here(), Address: r.address,
				Message: fmt.Sprintf("%s is used as %s of %s but trusts %s", r.title(), u.Kind, u.Name, now),
				Cure:    fmt.Sprintf(`add the principal "Service": %q to its trust policy`, service)}
			if f.Where.File == "" {
				f.Where = r.where
			}
			if u.Where.File != "" {
				f.Related = append(f.Related, Related{u.Where, "used here"})
			}
			// One wrong service and nothing else: that one was meant.
			if s := r.trust.services(); len(s) == 1 {
				f.Cure = fmt.Sprintf("replace %s by %s in its trust policy", s[0], service)
				for i := range r.trust.statements {
					for _, p := range r.trust.statements[i].principal {
						if p.kind == "Service" && p.text == s[0] {
							f.Where = r.trust.statements[i].at(p.node)
						}
					}
				}
			}
			add(f)
		}
	}
}

func unknownService(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		for _, p := range s.principal {
			if p.kind != "Service" || p.node.kind != '"' || p.text == "*" || computed(p.text) || knownService(p.text) {
				continue
			}
			if near := likelyService(p.text); near != "" {
				f := s.found(p.node, fmt.Sprintf("there is no service principal %q; did you mean %s?", p.text, near), "write "+near)
				f.Edit = s.document.source.replace(p.node, near, s.where)
				add(f)
			} else if !strings.Contains(p.text, ".") {
				add(s.found(p.node, fmt.Sprintf("%q is not a service principal: those end in a domain such as amazonaws.com", p.text), "write the service's own principal, such as ec2.amazonaws.com"))
			}
		}
	}, iam.Trust, iam.Resource)
}

// limits are condition keys that keep strangers out.
var limits = []string{
	"aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn",
	"aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip", "aws:userid",
	"aws:sourceowner", "aws:resourceorgid",
}

// limited reports whether a condition keeps out everybody but some.
func (s *statement) limited() bool {
	return slices.ContainsFunc(s.tests, func(t test) bool {
		key := strings.ToLower(t.key)
		if !t.demands() || !slices.Contains(limits, key) && !strings.HasPrefix(key, "aws:principaltag/") {
			return false
		}
		return !slices.ContainsFunc(t.values, func(n *node) bool { return strings.Trim(n.text, "*") == "" || n.text == "0.0.0.0/0" })
	})
}

func openToAll(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || s.limited() {
			return
		}
		for _, p := range s.principal {
			if p.kind == "AWS" && p.text == "*" {
				add(s.found(p.node, "anyone with an AWS account may assume the role", "name the accounts or roles, or add the condition StringEquals aws:PrincipalOrgID"))
				return
			}
		}
	}, iam.Trust)
}

func accountPrincipal(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		if s.document.kind != iam.Trust || !s.allows() || !s.covers("sts:AssumeRole") {
			return
		}
		account := rootAccount(p.text)
		if account == "" {
			return
		}
		whole := "the whole account " + account
		if tf.Placeholder(account) {
			whole = "its whole account"
		}
		message := "trusts " + whole + ": policies there decide who"
		cure := "name the role or user that is meant by its exact ARN"
		if r := in.onlyRole(s.document); r != nil && in.knows(account) {
			message = "trusts " + whole + ": " + in.passing(r, account)
		}
		add(s.found(p.node, message, cure))
	})
}

// rootAccount is the account that a principal stands for: its id, or the ARN
// of its root.
func rootAccount(p string) string {
	if accountID.MatchString(p) {
		return p
	}
	a, err := iam.ParseARN(p)
	if err == nil && a.Service == "iam" && a.Resource == "root" {
		return a.Account
	}
	return ""
}

// onlyRole is the role that a trust policy belongs to, if it is of one.
func (in *Input) onlyRole(d *document) *role {
	if rs := in.facts.trusts[d]; len(rs) == 1 {
		return rs[0]
	}
	return nil
}

// knows reports whether the estate has an account of that id.
func (in *Input) knows(account string) bool {
	return in.facts.estate != nil && in.facts.estate.Accounts[account] != nil
}

// passing says which principals of an account may assume a role that trusts
// the account.
func (in *Input) passing(target *role, account string) string {
	var names []string
	open := false
	for _, r := range in.facts.mayAssume(account, target.ARN) {
		if r == target {
			continue
		}
		switch r.may("sts:AssumeRole", target.ARN) {
		case yes:
			names = append(names, r.title())
		case unknown:
			open = true
		}
	}
	const most = 5
	text := "today nobody there has a policy that allows it"
	if n := len(names); n > most {
		text = fmt.Sprintf("today %s and %d more pass", strings.Join(names[:most], ", "), n-most)
	} else if n > 1 {
		text = fmt.Sprintf("today these %d pass: %s", n, strings.Join(names, ", "))
	} else if n == 1 {
		text = "today only " + names[0] + " passes"
	}
	if open {
		text += "; some policies there are not known"
	}
	return text
}

func wrongAction(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || s.not || s.notAction || len(s.actions) == 0 {
			return
		}
		var kinds []string
		for _, p := range s.principal {
			kinds = append(kinds, assumeActionFor(p))
		}
		slices.Sort(kinds)
		for _, want := range slices.Compact(kinds) {
			if want == "" || s.covers(want) {
				continue
			}
			assumes := slices.IndexFunc(s.actions, func(n *node) bool { return strings.HasPrefix(strings.ToLower(n.text), "sts:assumerole") })
			if assumes < 0 {
				continue // a statement about tags or source identity alone
			}
			n := s.actions[assumes]
			f := s.found(n, fmt.Sprintf("%s does not fit %s: those come with %s", n.text, principalWord(want), want), "write "+want)
			if len(slices.Compact(kinds)) == 1 && !strings.ContainsAny(n.text, "*?") {
				f.Edit = s.document.source.replace(n, want, s.where)
			}
			add(f)
		}
	}, iam.Trust)
}

func assumeActionFor(p principal) string {
	switch {
	case p.kind == "AWS", p.kind == "Service":
		return "sts:AssumeRole"
	case p.kind == "Federated" && strings.Contains(p.text, ":saml-provider/"):
		return "sts:AssumeRoleWithSAML"
	case p.kind == "Federated":
		return "sts:AssumeRoleWithWebIdentity"
	}
	return ""
}

func principalWord(action string) string {
	switch action {
	case "sts:AssumeRoleWithSAML":
		return "a SAML provider"
	case "sts:AssumeRoleWithWebIdentity":
		return "an identity provider"
	}
	return "AWS and service principals"
}

func forbiddenElement(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		for _, name := range []string{"Resource", "NotResource", "NotPrincipal"} {
			if n := s.get(name); n != nil {
				at := s.at(nil)
				if s.document.source.data != nil {
					at = s.document.source.at(n)
				}
				add(Finding{Where: at, Address: s.document.address, Message: name + " is not permitted in a trust policy", Cure: cureForbidden(name)})
			}
		}
	}, iam.Trust)
}

func cureForbidden(name string) string {
	if name == "NotPrincipal" {
		return "list whom to allow in Principal, or deny with a condition on aws:PrincipalArn"
	}
	return "remove it: a trust policy is about its own role"
}
