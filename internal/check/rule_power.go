package check

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// everything reports whether a document allows all actions on all resources
// without a condition, and where.
func (d *document) everything() *statement {
	for i := range d.statements {
		s := &d.statements[i]
		if s.allows() && !s.notAction && !s.notRes && len(s.tests) == 0 &&
			slices.ContainsFunc(s.actions, func(n *node) bool { return n.text == "*" || n.text == "*:*" }) &&
			slices.ContainsFunc(s.resources, func(n *node) bool { return n.text == "*" }) {
			return s
		}
	}
	return nil
}

func allPowerful(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		if r.user || r.trust == nil || len(r.trust.statements) == 0 {
			continue
		}
		where, ok := in.power(r)
		if !ok {
			continue
		}
		f := Finding{Where: where, Address: r.address,
			Message: fmt.Sprintf("%s allows *:* and is assumable by %s", r.title(), in.assumers(r)),
			Cure:    "run the job under mantle record and give the role what it used"}
		if where.File == "" {
			f.Where = r.where
		}
		add(f)
	}
}

// power is where a role is given everything.
func (in *Input) power(r *role) (tf.Range, bool) {
	for _, arn := range r.Attached {
		if strings.HasSuffix(arn, ":policy/AdministratorAccess") {
			return r.where, true
		}
	}
	for _, d := range in.facts.documentsOf(r) {
		if s := d.everything(); s != nil {
			return s.at(nil), true
		}
	}
	return tf.Range{}, false
}

// assumers says who a trust policy lets in, in a few words.
func (in *Input) assumers(r *role) string {
	var out []string
	for _, s := range r.trust.statements {
		for _, p := range s.principal {
			if !s.allows() {
				continue
			}
			w := p.text
			if x := in.facts.byARN[p.text]; x != nil {
				w = x.title()
				if x.worn() {
					w += ", which a workload wears"
				}
			} else if a := rootAccount(p.text); a != "" {
				w = "account " + a
			}
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	if len(out) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(out[:3], ", "), len(out)-3)
	}
	return strings.Join(out, ", ")
}

func fullAccess(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		for _, arn := range r.Attached {
			name := arn[strings.LastIndexByte(arn, '/')+1:]
			if !strings.Contains(arn, ":iam::aws:policy/") || !strings.Contains(name, "FullAccess") {
				continue
			}
			f := r.found(fmt.Sprintf("%s has %s, which is far more than a program uses", r.title(), name), "run it once under mantle record and attach the draft in its place")
			if where := in.attachment(r, arn); where.File != "" {
				f.Where = where
			}
			add(f)
		}
	}
}

// attachment is where Terraform attaches a policy to a role.
func (in *Input) attachment(r *role, arn string) tf.Range {
	for _, w := range in.facts.worlds {
		for _, a := range in.facts.index[w].types["aws_iam_role_policy_attachment"] {
			name, _ := str(a.Values, "role")
			p, _ := str(a.Values, "policy_arn")
			if name == r.Name && p == arn {
				return place(a, "policy_arn")
			}
		}
	}
	return tf.Range{}
}

func getWithoutList(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		if len(r.missing) > 0 {
			continue
		}
		for _, d := range in.facts.documentsOf(r) {
			for i := range d.statements {
				s := &d.statements[i]
				at := slices.IndexFunc(s.actions, func(n *node) bool { return strings.EqualFold(n.text, "s3:GetObject") })
				if !s.allows() || s.notAction || s.notRes || at < 0 {
					continue
				}
				for _, n := range s.resources {
					bucket, _, ok := strings.Cut(n.text, "/")
					if !ok || s3Level(n.text) != "object" || strings.ContainsAny(bucket, "*?$") {
						continue
					}
					if r.may("s3:ListBucket", bucket) == no {
						add(s.found(s.actions[at], fmt.Sprintf("%s may read objects of %s but not list it: a key that does not exist answers 403, not 404", r.title(), bucket), "allow s3:ListBucket on "+bucket))
					}
				}
			}
		}
	}
}

// readers are the actions that read what a key encrypts.
var readers = map[string][]string{
	"s3:bucket":             {"s3:GetObject", "s3:PutObject"},
	"dynamodb:table":        {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
	"secretsmanager:secret": {"secretsmanager:GetSecretValue"},
	"ssm:parameter":         {"ssm:GetParameter", "ssm:GetParameters"},
	"sqs:queue":             {"sqs:ReceiveMessage", "sqs:SendMessage"},
}

func keyMissing(in *Input, add func(Finding)) {
	e := in.facts.estate
	if e == nil {
		return
	}
	keys := map[string]*estate.Resource{}
	for i := range e.Resources {
		if e.Resources[i].Type == "kms:key" {
			keys[e.Resources[i].ARN] = &e.Resources[i]
		}
	}
	for _, x := range e.Resources {
		if x.Key == "" || strings.Contains(x.Key, ":alias/aws/") {
			continue
		}
		thing := x.ARN
		if x.Type == "s3:bucket" {
			thing += "/x"
		}
		for _, r := range in.facts.roles {
			if r.account != x.Account {
				continue
			}
			var used string
			for _, a := range readers[x.Type] {
				if r.may(a, thing) == yes {
					used = a
					break
				}
			}
			if used == "" {
				continue
			}
			if in.mayUseKey(r, x.Key, keys[x.Key]) {
				continue
			}
			if len(r.missing) > 0 {
				add(Finding{Where: r.where, Address: r.address, Needs: strings.Join(r.missing, ", ")})
				continue
			}
			f := r.found(fmt.Sprintf("%s may %s on %s, which key %s encrypts, and may not use the key", r.title(), used, x.ARN, x.Key),
				"allow kms:Decrypt (and kms:GenerateDataKey to write) on "+x.Key)
			if x.Where.File != "" {
				f.Related = []Related{{x.Where, "encrypted here"}}
			}
			add(f)
		}
	}
}

func (in *Input) mayUseKey(r *role, arn string, key *estate.Resource) bool {
	if r.may("kms:Decrypt", arn) == yes {
		return true // as far as it can say; the key's policy may still refuse
	}
	if key == nil || key.Policy == nil {
		return false
	}
	pols := iam.Policies{Identity: r.loose, Resource: loosened(key.Policy)}
	return pols.Decide(&iam.Request{Principal: r.session(), Action: "kms:Decrypt", Resource: arn, ResourceAccount: key.Account}).Allowed()
}

var wild = strings.NewReplacer("*", "x", "?", "x")

func removedAllow(in *Input, add func(Finding)) {
	for _, r := range in.facts.roles {
		var scps [][]*iam.Policy
		if in.facts.estate != nil {
			scps = in.facts.estate.SCPs[r.account]
		}
		if r.boundary == nil && len(scps) == 0 {
			continue
		}
		var boundary []*iam.Policy
		if r.boundary != nil {
			boundary = []*iam.Policy{loosened(r.boundary)}
		}
		var levels [][]*iam.Policy
		for _, l := range scps {
			var loose []*iam.Policy
			for _, p := range l {
				loose = append(loose, loosened(p))
			}
			levels = append(levels, loose)
		}
		for _, d := range in.facts.documentsOf(r) {
			for i := range d.statements {
				s := &d.statements[i]
				if !s.allows() || s.notAction || s.notRes {
					continue
				}
				for _, n := range s.actions {
					if strings.ContainsAny(n.text, "*?") || len(s.resources) == 0 || strings.Contains(s.resources[0].text, "${") {
						continue
					}
					resource := wild.Replace(s.resources[0].text)
					if s.resources[0].text == "*" {
						resource = "*"
					}
					request := &iam.Request{Principal: r.session(), Action: n.text, Resource: resource}
					alone := iam.Policies{Identity: []*iam.Policy{loosened(d.policy)}}
					if !alone.Decide(request).Allowed() {
						continue
					}
					limited := alone
					limited.Boundary, limited.SCP = boundary, levels
					dec := limited.Decide(request)
					if dec.Allowed() {
						continue
					}
					layer := "its permissions boundary"
					if dec.Layer == iam.LayerSCP {
						layer = "a service control policy"
					}
					if dec.Outcome == iam.ExplicitDeny {
						layer += ", which denies it,"
					}
					add(s.found(n, fmt.Sprintf("%s is allowed %s here, and %s takes it away", r.title(), n.text, layer), "allow it there too, or drop it here"))
				}
			}
		}
	}
}

var variable2012 = regexp.MustCompile(`\$\{[a-zA-Z0-9]+:[^}]+\}`)

func literalVariables(in *Input, add func(Finding)) {
	for _, d := range in.facts.documents {
		v := d.root.get("Version")
		if v != nil && v.text == "2012-10-17" {
			continue
		}
		for i := range d.statements {
			s := &d.statements[i]
			var all []*node
			all = append(all, s.resources...)
			for _, t := range s.tests {
				all = append(all, t.values...)
			}
			k := slices.IndexFunc(all, func(n *node) bool { return variable2012.MatchString(n.text) })
			if k < 0 {
				continue
			}
			f := s.found(all[k], fmt.Sprintf("%q is literal text: variables need Version 2012-10-17", all[k].text), `write "Version": "2012-10-17"`)
			if v != nil {
				f.Edit = d.source.replace(v, "2012-10-17")
			}
			add(f)
			break
		}
	}
}

// refusedDocument finds documents that AWS would refuse for a reason that no other rule
// names.
func refusedDocument(in *Input, add func(Finding)) {
	for _, d := range in.facts.documents {
		op := ""
		if d.kind == iam.Resource && d.service != "s3" && d.service != "" {
			op = "PutResourcePolicy"
		}
		if d.kind == iam.Resource && d.service == "" && d.source.data != nil {
			op = "PutResourcePolicy" // of which service is not known
		}
		err := iam.Validate(d.kind, []byte(d.raw), iam.ValidateOptions{Operation: op, TrustSize: max(in.TrustQuota, 2048)})
		if err == nil {
			continue
		}
		bad, ok := errors.AsType[*iam.InvalidError](err)
		if ok && computed(d.raw) && !slices.Contains(grammatical, bad.Rule) {
			continue // what is not known yet may be right
		}
		if !ok || slices.Contains(toldElsewhere, bad.Rule) || d.toldElsewhere(bad) {
			continue
		}
		if d.world != nil && isModule(d.world) && slices.Contains([]string{"missing-resource", "missing-action", "missing-principal", "missing-statement"}, bad.Rule) {
			// What a module says without its arguments is nothing yet.
			add(Finding{Where: d.source.here(), Address: d.address, Needs: "values for the variables of the module"})
			continue
		}
		f := Finding{Where: d.source.here(), Address: d.address, Message: "AWS would refuse the document: " + bad.Error(), Cure: bad.Hint}
		if d.source.data != nil {
			f.Where.Line, f.Where.Column = bad.Line, bad.Column
		}
		add(f)
	}
}

// isModule reports whether a configuration is meant to be called by others: it
// configures no provider.
func isModule(w *tf.World) bool {
	return w.Dir != "" && !slices.ContainsFunc(w.Providers, func(p tf.Provider) bool { return p.Where.File != "" })
}

// grammatical are rules of [iam.Validate] that do not hang on values.
var grammatical = []string{
	"effect-case", "unknown-effect", "missing-effect", "missing-action", "missing-resource", "missing-principal", "missing-statement", "exclusive-elements",
	"duplicate-key", "unknown-key", "unknown-operator", "unknown-version", "wrong-type", "sid-unique", "not-principal-allow", "principal-not-allowed", "unknown-principal-kind", "empty-statement",
}

// toldElsewhere are rules of [iam.Validate] that rules here tell better.
var toldElsewhere = []string{"principal", "principal-missing", "shared-issuer", "trust-resource", "size", "s3-action", "s3-action-resource"}

func (d *document) toldElsewhere(bad *iam.InvalidError) bool {
	if strings.Contains(bad.Message, "Invalid principal in policy") {
		for _, s := range d.statements {
			for _, p := range s.principal {
				if p.kind == "AWS" && (strings.ContainsAny(p.text, "*?") || uniqueID.MatchString(p.text)) {
					return true
				}
				if what, _ := arnFault(p.text); what != "" && strings.HasPrefix(p.text, "arn:") {
					return true
				}
				if p.kind == "Service" && !knownService(p.text) {
					return true
				}
			}
		}
	}
	return strings.Contains(bad.Message, "prohibited field") || strings.Contains(bad.Message, "NotPrincipal")
}
