package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A document is a policy document as it was written, sound or not.
type document struct {
	kind       iam.Kind
	source     source
	raw        string
	root       *node
	statements []statement
	policy     *iam.Policy // nil if the engine refuses it
	name       string      // for people: "trust policy of role web"
	address    string      // of the Terraform resource that has it, else its name
	world      *tf.World   // nil if it does not come from Terraform
	account    string      // that it is attached in, "" if not known
	region     string      // of its provider, "" if not known
	service    string      // of a resource policy: "s3", "kms"
	attached   bool        // to something; a file alone is not
}

// A statement is one statement of a document.
type statement struct {
	*node
	document  *document
	index     int
	effect    string
	where     tf.Range // zero if only that of the document is known
	not       bool     // NotPrincipal
	principal []principal
	actions   []*node
	notAction bool
	resources []*node
	notRes    bool
	tests     []test
}

type principal struct {
	kind string // AWS, Service, Federated, CanonicalUser
	*node
}

// A test is one condition.
type test struct {
	operator, key string
	name          *node
	values        []*node
}

// readStatements fills in the statements of the document's tree.
func (d *document) readStatements(places []tf.Range) {
	for i, n := range d.root.list("Statement") {
		s := statement{node: n, document: d, index: i, effect: n.str("Effect")}
		if i < len(places) {
			s.where = places[i]
		}
		p := n.get("Principal")
		if np := n.get("NotPrincipal"); np != nil {
			p, s.not = np, true
		}
		if p != nil && p.kind == '"' {
			s.principal = append(s.principal, principal{"AWS", p})
		}
		if p != nil {
			for _, m := range p.members {
				for _, v := range p.list(m.name.text) {
					s.principal = append(s.principal, principal{m.name.text, v})
				}
			}
		}
		s.actions = n.list("Action")
		if n.get("NotAction") != nil {
			s.actions, s.notAction = n.list("NotAction"), true
		}
		s.resources = n.list("Resource")
		if n.get("NotResource") != nil {
			s.resources, s.notRes = n.list("NotResource"), true
		}
		if c := n.get("Condition"); c != nil {
			for _, op := range c.members {
				for _, key := range op.val.members {
					s.tests = append(s.tests, test{op.name.text, key.name.text, key.name, op.val.list(key.name.text)})
				}
			}
		}
		d.statements = append(d.statements, s)
	}
}

func (s *statement) allows() bool { return strings.EqualFold(s.effect, "Allow") }

// at is the place of a part of the statement, or of the statement if n is nil.
func (s *statement) at(n *node) tf.Range {
	src := &s.document.source
	if n == nil && src.data != nil {
		return placeIn(src.file, src.data, s.start, s.end)
	}
	return src.at(n, s.where)
}

// found is a finding about a part of the statement.
func (s *statement) found(n *node, message, cure string) Finding {
	return Finding{Where: s.at(n), Address: s.document.address, Message: message, Cure: cure}
}

// covers reports whether the statement is about an action. Several actions
// that only patterns tell apart are the concern of the caller.
func (s *statement) covers(action string) bool {
	return slices.ContainsFunc(s.actions, func(n *node) bool { return iam.MatchAction(n.text, action) }) != s.notAction
}

// test is the first condition on a key, nil if there is none.
func (s *statement) test(key string) *test {
	for i := range s.tests {
		if strings.EqualFold(s.tests[i].key, key) {
			return &s.tests[i]
		}
	}
	return nil
}

// demands reports whether the condition fails for requests without the key,
// which is what makes it a limit.
func (t *test) demands() bool {
	op := strings.ToLower(t.operator)
	return !strings.HasSuffix(op, "ifexists") && !strings.HasPrefix(op, "forallvalues:") && !strings.Contains(op, "not") && op != "null"
}

// policyAttributes are the attributes of Terraform resources that hold policy
// documents.
var policyAttributes = map[string]struct {
	attribute string
	kind      iam.Kind
	service   string
}{
	"aws_iam_role":                              {"assume_role_policy", iam.Trust, ""},
	"aws_iam_policy":                            {"policy", iam.Identity, ""},
	"aws_iam_role_policy":                       {"policy", iam.Identity, ""},
	"aws_iam_user_policy":                       {"policy", iam.Identity, ""},
	"aws_iam_group_policy":                      {"policy", iam.Identity, ""},
	"aws_s3_bucket_policy":                      {"policy", iam.Resource, "s3"},
	"aws_sqs_queue_policy":                      {"policy", iam.Resource, "sqs"},
	"aws_sns_topic_policy":                      {"policy", iam.Resource, "sns"},
	"aws_kms_key":                               {"policy", iam.Resource, "kms"},
	"aws_kms_key_policy":                        {"policy", iam.Resource, "kms"},
	"aws_ecr_repository_policy":                 {"policy", iam.Resource, "ecr"},
	"aws_secretsmanager_secret_policy":          {"policy", iam.Resource, "secretsmanager"},
	"aws_dynamodb_resource_policy":              {"policy", iam.Resource, "dynamodb"},
	"aws_organizations_policy":                  {"content", iam.SCP, ""},
	"aws_ssoadmin_permission_set_inline_policy": {"inline_policy", iam.Identity, ""},
}

// otherLanguage reports whether an organization's policy is none of IAM's: tags
// and backups have languages of their own.
func otherLanguage(r *tf.Resource) bool {
	kind, known := str(r.Values, "type")
	return r.Type == "aws_organizations_policy" && (!known || kind != "" && kind != "SERVICE_CONTROL_POLICY")
}

// computed reports whether a part of a text is known after apply only.
func computed(text string) bool { return strings.Contains(text, "«") }

// readDocuments gathers every policy document of the input.
func (f *facts) readDocuments() {
	type key struct {
		text string
		kind iam.Kind
		w    *tf.World
		file string
		line int
	}
	have := map[key]bool{}
	add := func(d *document, text string, places []tf.Range) *document {
		here := d.source.here()
		k := key{text, d.kind, d.world, here.File, here.Line}
		if have[k] || text == "" {
			return nil
		}
		have[k] = true
		root, err := readNode([]byte(text))
		if err != nil || root.kind != '{' {
			if d.source.data == nil {
				f.broken = append(f.broken, Finding{Where: here, Address: d.address, Message: "the policy is not a JSON object" + because(err), Cure: "write one JSON object with Version and Statement"})
			}
			return nil
		}
		d.raw, d.root = text, root
		d.readStatements(places)
		if d.policy == nil {
			d.policy, _ = iam.Parse(d.kind, d.name, []byte(text))
		}
		f.documents = append(f.documents, d)
		return d
	}
	for _, w := range f.worlds {
		for _, r := range w.Resources {
			if r.Mode != "managed" || r.Leaving() {
				continue
			}
			if a, ok := policyAttributes[r.Type]; ok && !otherLanguage(r) {
				if text, known := str(r.Values, a.attribute); known && text != "" {
					d := &document{kind: a.kind, service: a.service, name: a.attribute + " of " + r.Address, address: r.Address, world: w, attached: true,
						account: r.Account, region: r.Region, source: f.sourceOf(w, r, a.attribute)}
					add(d, text, r.Documents[a.attribute].Statements)
				}
			}
			if r.Type == "aws_iam_role" {
				for i, b := range blocks(r.Values, "inline_policy") {
					if text, known := str(b, "policy"); known && text != "" {
						path := inlinePath(i)
						d := &document{kind: iam.Identity, name: "inline_policy of " + r.Address, address: r.Address, world: w, attached: true,
							account: r.Account, region: r.Region, source: f.sourceOf(w, r, path)}
						add(d, text, r.Documents[path].Statements)
					}
				}
			}
		}
	}
	if e := f.estate; e != nil {
		type text struct {
			kind iam.Kind
			src  string
		}
		written := map[text]bool{}
		for _, d := range f.documents {
			written[text{d.kind, d.raw}] = true
		}
		f.estateDocuments(e, func(p *iam.Policy, name, account, service string) {
			if _, ok := e.Written[p]; ok && len(f.worlds) > 0 || written[text{p.Kind(), p.Source()}] {
				return // a resource of Terraform has it
			}
			d := &document{kind: p.Kind(), policy: p, name: name, address: name, account: account, service: service, attached: true}
			add(d, p.Source(), nil)
		})
	}
	for _, x := range f.files {
		if x.Kind != Policy {
			continue
		}
		d := &document{source: source{file: x.Path, data: x.Data}, name: x.Path, address: x.Path}
		d.kind = kindOf(x.Data)
		add(d, string(x.Data), nil)
	}
}

// kindOf guesses what a policy file is for: one with principals is a trust
// policy if all of its actions are of STS, else a resource policy.
func kindOf(src []byte) iam.Kind {
	root, err := readNode(src)
	if err != nil {
		return iam.Identity
	}
	kind := iam.Identity
	for _, s := range root.list("Statement") {
		if s.get("Principal") == nil && s.get("NotPrincipal") == nil {
			continue
		}
		kind = iam.Trust
		for _, a := range s.texts("Action") {
			if !strings.HasPrefix(strings.ToLower(a), "sts:") {
				return iam.Resource
			}
		}
	}
	return kind
}

// estateDocuments hands on the documents of an estate, each with a name.
func (f *facts) estateDocuments(e *estate.Estate, add func(p *iam.Policy, name, account, service string)) {
	for _, id := range sortedKeys(e.Accounts) {
		a := e.Accounts[id]
		for i := range a.Roles {
			r := &a.Roles[i]
			if r.Trust != nil {
				add(r.Trust, "trust policy of role "+r.Name, id, "")
			}
			for _, in := range r.Inline {
				if in.Document != nil {
					add(in.Document, "policy "+in.Name+" of role "+r.Name, id, "")
				}
			}
		}
		for i := range a.Users {
			for _, in := range a.Users[i].Inline {
				if in.Document != nil {
					add(in.Document, "policy "+in.Name+" of user "+a.Users[i].Name, id, "")
				}
			}
		}
		for i := range a.Groups {
			for _, in := range a.Groups[i].Inline {
				if in.Document != nil {
					add(in.Document, "policy "+in.Name+" of group "+a.Groups[i].Name, id, "")
				}
			}
		}
		for i := range a.Policies {
			if p := a.Policies[i].Document(); p != nil && !a.Policies[i].AWS() {
				add(p, "policy "+a.Policies[i].Name, id, "")
			}
		}
	}
	for _, r := range e.Resources {
		if r.Policy != nil {
			service, _, _ := strings.Cut(r.Type, ":")
			add(r.Policy, "policy of "+r.ARN, r.Account, service)
		}
	}
}

// inlinePath is the path of the policy in the i-th inline_policy block.
func inlinePath(i int) string {
	if i == 0 {
		return "inline_policy.policy"
	}
	return fmt.Sprintf("inline_policy[%d].policy", i)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
