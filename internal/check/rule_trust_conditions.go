package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// loans are the roles that a mantle.hcl lends, with the role they name.
func (in *Input) loans(f func(l loan)) {
	for _, c := range in.Configs {
		for _, r := range c.Roles {
			f(loan{
				where: atConfig(r.Where.At("arn")), at: func(arg string) Finding { return Finding{Where: atConfig(r.Where.At(arg))} },
				name: "role." + r.Name, arn: r.ARN, externalID: r.ExternalID, session: r.SessionName,
				source: r.SourceIdentity, tags: len(r.Tags) > 0, seconds: int(r.Duration.Seconds()), via: len(r.Via) > 0,
				target: in.facts.role(r.ARN, ""),
			})
		}
	}
}

func tagsRefused(in *Input, add func(Finding)) {
	in.loans(func(l loan) {
		if !l.tags {
			return
		}
		l.hold("sts:TagSession", "tags", "passes session tags to "+l.arn+", whose trust policy does not allow sts:TagSession", add)
	})
}

func sourceRefused(in *Input, add func(Finding)) {
	in.loans(func(l loan) {
		if l.source == "" {
			return
		}
		l.hold("sts:SetSourceIdentity", "source_identity", "sets a source identity on "+l.arn+", whose trust policy does not allow sts:SetSourceIdentity", add)
	})
}

// hold checks that the trust policy of the role allows a second action beside
// the assuming.
func (l *loan) hold(action, argument, message string, add func(Finding)) {
	f := l.at(argument)
	f.Address = l.name
	if l.target == nil || l.target.trust == nil {
		f.Needs = "the trust policy of " + l.arn
		add(f)
		return
	}
	for i := range l.target.trust.statements {
		if s := &l.target.trust.statements[i]; s.allows() && s.covers(action) {
			return
		}
	}
	f.Message = l.name + " " + message
	f.Cure = "add " + action + " to the trust policy of " + l.target.title()
	if l.target.where.File != "" {
		f.Related = []Related{{l.target.trust.source.here(), "the trust policy"}}
	}
	add(f)
}

// externalIDs are the values that a trust policy demands of sts:ExternalId, nil
// if some statement lets callers in without one.
func (d *document) externalIDs() []string {
	var out []string
	for _, s := range d.statements {
		if !s.allows() || !s.covers("sts:AssumeRole") || !slices.ContainsFunc(s.principal, func(p principal) bool { return p.kind == "AWS" }) {
			continue
		}
		t := s.test("sts:ExternalId")
		if t == nil || !t.demands() {
			return nil
		}
		for _, v := range t.values {
			out = append(out, v.text)
		}
	}
	return out
}

func externalIDMissing(in *Input, add func(Finding)) {
	check := func(target *role, arn, given string, f Finding) {
		if target == nil || target.trust == nil {
			return
		}
		want := target.trust.externalIDs()
		if len(want) == 0 || slices.ContainsFunc(want, func(w string) bool { return given != "" && iam.MatchPattern(w, given) }) {
			return
		}
		f.Message = fmt.Sprintf("%s demands sts:ExternalId and this sends none", target.title())
		if given != "" {
			f.Message = fmt.Sprintf("%s demands another sts:ExternalId than this sends", target.title())
		}
		f.Cure = "set external_id to the value that the owner of " + arn + " has given out"
		if target.trust.source.here().File != "" {
			f.Related = []Related{{target.trust.source.here(), "demanded here"}}
		}
		add(f)
	}
	in.loans(func(l loan) {
		f := l.at("external_id")
		f.Address = l.name
		check(l.target, l.arn, l.externalID, f)
	})
	for _, p := range in.facts.allProfiles() {
		if arn := p.get("role_arn"); arn != "" {
			check(in.facts.role(arn, ""), arn, p.get("external_id"), p.found("role_arn", "", ""))
		}
	}
}

func foreignAccount(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		if s.document.kind != iam.Trust || !s.allows() || s.limited() {
			return
		}
		if t := s.test("sts:ExternalId"); t != nil && t.demands() {
			return
		}
		account := rootAccount(p.text)
		if a, err := iam.ParseARN(p.text); account == "" && err == nil && a.Service == "iam" {
			account = a.Account
		}
		r := in.onlyRole(s.document)
		if r == nil || !accountID.MatchString(account) || tf.Placeholder(account) || account == r.account || tf.Placeholder(r.account) || in.knows(account) {
			return
		}
		add(s.found(p.node, fmt.Sprintf("%s trusts account %s without an external id: whoever that account works for can be tricked into using it (confused deputy)", r.title(), account),
			"add the condition StringEquals sts:ExternalId, or aws:PrincipalOrgID if the account is your organization's"))
	})
}

func secretExternalID(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		t := s.test("sts:ExternalId")
		if t == nil {
			return
		}
		for _, v := range t.values {
			if looksSecret(v.text) {
				// The value is not repeated: it may be a password indeed.
				add(Finding{Where: s.at(v), Address: s.document.address, Message: "the external id looks like a password, and everybody who can read the role can read it", Cure: "use an identifier, such as a UUID or the customer's number"})
			}
		}
	}, iam.Trust)
}

// looksSecret reports whether a text mixes letters of both cases, digits and
// marks as passwords do; identifiers join words with dashes and the like.
func looksSecret(s string) bool {
	var upper, lower, digit, mark bool
	for _, c := range s {
		switch {
		case unicode.IsUpper(c):
			upper = true
		case unicode.IsLower(c):
			lower = true
		case unicode.IsDigit(c):
			digit = true
		case !strings.ContainsRune("-_:./@=,+", c):
			mark = true
		}
	}
	return len(s) >= 8 && upper && lower && digit && mark
}

var uniqueID = regexp.MustCompile(`^A(ROA|IDA)[A-Z0-9]{12,}$`)

func danglingPrincipal(in *Input, add func(Finding)) {
	in.principals(func(s *statement, p principal) {
		if uniqueID.MatchString(p.text) {
			what := "role"
			if strings.HasPrefix(p.text, "AIDA") {
				what = "user"
			}
			add(s.found(p.node, fmt.Sprintf("%s is the id of a %s that was deleted; one that was made again under its name does not match", p.text, what),
				"write the "+what+"'s ARN and apply the policy again"))
		}
	})
}

func workloadMFA(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		t := s.test("aws:MultiFactorAuthPresent")
		if t == nil || !s.allows() || !t.demands() || !slices.ContainsFunc(t.values, func(n *node) bool { return strings.EqualFold(n.text, "true") }) {
			return
		}
		for _, p := range s.principal {
			a, err := iam.ParseARN(p.text)
			switch {
			case p.kind == "Service":
				add(s.found(t.name, "demands MFA of "+p.text+": a service has none, so the statement never applies", "drop the condition aws:MultiFactorAuthPresent"))
				return
			case err == nil && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/"):
				if r := in.facts.role(p.text, ""); r != nil && r.worn() {
					add(s.found(t.name, fmt.Sprintf("demands MFA of %s, which a workload wears: sessions of a workload have no MFA", r.title()), "drop the condition aws:MultiFactorAuthPresent, or use BoolIfExists"))
					return
				}
			}
		}
	}, iam.Trust)
}

func trustTooLong(in *Input, add func(Finding)) {
	quota := in.TrustQuota
	if quota == 0 {
		quota = 2048
	}
	for _, d := range in.facts.documents {
		if d.kind != iam.Trust || d.root == nil {
			continue
		}
		n, open := 0, false
		for _, c := range d.raw {
			switch {
			case c == '«':
				open = true // how long it will be nobody knows
			case c == '»':
				open = false
			case !open && !unicode.IsSpace(c):
				n++
			}
		}
		if n > quota {
			add(Finding{Where: d.source.here(), Address: d.address, Message: fmt.Sprintf("the trust policy has %d of at most %d non-blank characters", n, quota),
				Cure: "merge principals into one condition on aws:PrincipalArn, or ask AWS for a higher quota (4,096 at most)"})
		}
	}
}

// sourceSenders are services that say for which account and resource they
// assume a role, so that a trust policy can tell.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html and the
// page "cross-service confused deputy prevention" of each service.
var sourceSenders = []string{
	"ecs-tasks.amazonaws.com", "scheduler.amazonaws.com", "pipes.amazonaws.com", "states.amazonaws.com",
	"vpc-flow-logs.amazonaws.com", "bedrock.amazonaws.com", "ssm.amazonaws.com", "codebuild.amazonaws.com",
}

func confusedService(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || !s.covers("sts:AssumeRole") {
			return
		}
		for _, t := range s.tests {
			key := strings.ToLower(t.key)
			if slices.Contains([]string{"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"}, key) && t.demands() {
				return
			}
		}
		for _, p := range s.principal {
			if p.kind == "Service" && slices.ContainsFunc(sourceSenders, func(x string) bool { return sameService(p.text, x) }) {
				add(s.found(p.node, fmt.Sprintf("%s acts for every account of AWS, and nothing says for which one it may use the role", p.text),
					"add the condition StringEquals aws:SourceAccount with your account"))
			}
		}
	}, iam.Trust)
}

var ecsPart = regexp.MustCompile(`^(arn:[^:]*:ecs:[^:]*:[^:]*):(cluster|task|service|task-definition|container-instance)[/:].*$`)

func ecsSourceARN(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		t := s.test("aws:SourceArn")
		if t == nil || !slices.ContainsFunc(s.principal, func(p principal) bool { return sameService(p.text, "ecs-tasks.amazonaws.com") }) {
			return
		}
		for _, v := range t.values {
			m := ecsPart.FindStringSubmatch(v.text)
			if m == nil {
				continue
			}
			want := m[1] + ":*"
			f := s.found(v, fmt.Sprintf("%q: ECS does not say for which %s it assumes a role", v.text, m[2]), "write "+want+" with ArnLike")
			if strings.Contains(strings.ToLower(t.operator), "like") {
				f.Edit = s.document.source.replace(v, want, s.where)
			}
			add(f)
		}
	}, iam.Trust)
}

func assumesItself(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		from := p.get("source_profile")
		if from == "" || from == p.name || p.get("role_arn") == "" {
			continue
		}
		for _, q := range in.facts.merged(p.first.file) {
			if q.name == from && q.get("role_arn") == p.get("role_arn") {
				add(p.found("source_profile", fmt.Sprintf("profile %s already is %s, which this assumes once more", from, p.get("role_arn")), "drop the hop, or let the role's trust policy name the role itself"))
			}
		}
	}
	in.statements(func(s *statement) {
		if !s.allows() || s.notAction || s.notRes || !slices.ContainsFunc(s.actions, func(n *node) bool { return strings.EqualFold(n.text, "sts:AssumeRole") }) {
			return
		}
		for _, r := range in.facts.owners(s.document) {
			if r.user || r.trust == nil || r.trust.policy == nil || s.document.policy == nil {
				continue
			}
			for _, n := range s.resources {
				if n.text != r.ARN {
					continue
				}
				self := iam.Policies{Resource: loosened(r.trust.policy), Identity: []*iam.Policy{loosened(s.document.policy)}}
				if d := self.DecideAssume(&iam.AssumeRequest{Principal: r.session(), Role: r.ARN}); !d.Allowed() {
					add(s.found(n, fmt.Sprintf("%s may assume itself, but its trust policy does not name it (needed since 2023)", r.title()), "drop the hop: the session has the role already"))
				}
			}
		}
	}, iam.Identity)
}

var reservedRole = regexp.MustCompile(`:role/(.*/)?AWSReservedSSO_`)

func reservedSSO(in *Input, add func(Finding)) {
	visit := func(s *statement, n *node) {
		m := reservedRole.FindStringSubmatch(n.text)
		if m == nil {
			return
		}
		switch path := strings.Trim(m[1], "/"); {
		case path == "" || !strings.HasPrefix(path, "aws-reserved/sso.amazonaws.com") && !strings.Contains(path, "*"):
			add(s.found(n, fmt.Sprintf("%q lacks the path of roles of IAM Identity Center", n.text), "write …:role/aws-reserved/sso.amazonaws.com/REGION/AWSReservedSSO_NAME_SUFFIX, or match with ArnLike …/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_NAME_*"))
		case path == "aws-reserved/sso.amazonaws.com":
			f := s.found(n, fmt.Sprintf("%q has no region: that is right only if IAM Identity Center lives in us-east-1", n.text), "write …/sso.amazonaws.com/REGION/AWSReservedSSO_… with the region of IAM Identity Center, or match with ArnLike and *")
			f.Severity = Warning
			add(f)
		}
	}
	in.statements(func(s *statement) {
		for _, p := range s.principal {
			if p.kind == "AWS" {
				visit(s, p.node)
			}
		}
		for _, t := range s.tests {
			if strings.EqualFold(t.key, "aws:PrincipalArn") {
				for _, v := range t.values {
					visit(s, v)
				}
			}
		}
	}, iam.Trust, iam.Resource)
}
