package estate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// fromTerraform is the estate of a configuration in one file.
func fromTerraform(t *testing.T, config string) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := tf.Read(tf.Options{Dir: dir, Account: "111122223333", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	return estate.FromWorld(w, "test")
}

// lines is an estate as text, without places.
func lines(e *estate.Estate) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	short := func(p *iam.Policy) string {
		if p == nil {
			return "none"
		}
		var b strings.Builder
		for s := range p.Statements() {
			fmt.Fprintf(&b, "%s %s ", s.Effect, strings.Join(s.Actions, ","))
		}
		return strings.TrimSpace(b.String())
	}
	entity := func(kind string, x account.Entity, more string) {
		add("%s %s attached %v%s", kind, x.ARN, x.Attached, more)
		for _, in := range x.Inline {
			add("%s %s inline %s: %s", kind, x.Name, in.Name, short(in.Document))
		}
	}
	for _, a := range e.Accounts {
		for _, u := range a.Users {
			entity("user", u.Entity, fmt.Sprintf(" groups %v boundary %q", u.Groups, u.Boundary))
		}
		for _, g := range a.Groups {
			entity("group", g.Entity, "")
		}
		for _, r := range a.Roles {
			var profiles []string
			for _, p := range r.Profiles {
				profiles = append(profiles, p.Name)
			}
			entity("role", r.Entity, fmt.Sprintf(" boundary %q profiles %v tags %v trust %s", r.Boundary, profiles, r.Tags, short(r.Trust)))
		}
		for _, p := range a.Policies {
			add("policy %s: %s", p.ARN, short(p.Document()))
		}
	}
	for _, r := range e.Resources {
		add("%s %s key %q policy %s", r.Type, r.ARN, r.Key, short(r.Policy))
	}
	for _, u := range e.Uses {
		add("%s is the %s of %s", u.Role, u.Kind, u.Name)
	}
	for id, levels := range e.SCPs {
		for i, level := range levels {
			for _, p := range level {
				add("scp %s level %d: %s", id, i, short(p))
			}
		}
	}
	for _, u := range e.Unknown {
		add("unknown %s %s: %s %v", u.Address, u.Path, u.Why, u.Concerns)
	}
	slices.Sort(out)
	return out
}

func hold(t *testing.T, e *estate.Estate, want string) {
	t.Helper()
	var list []string
	for l := range strings.Lines(want) {
		if l = strings.TrimSpace(l); l != "" {
			list = append(list, l)
		}
	}
	slices.Sort(list)
	got := lines(e)
	for _, l := range list {
		if !slices.Contains(got, l) {
			t.Errorf("there is no\n%s", l)
		}
	}
	for _, l := range got {
		if !slices.Contains(list, l) {
			t.Errorf("nobody asked for\n%s", l)
		}
	}
}

const trust = `assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
`

func allow(action string) string {
	return `jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "` + action + `", Resource = "*" }] })`
}

// TestEntities: roles, users and groups with every way to give them policies.
func TestEntities(t *testing.T) {
	hold(t, fromTerraform(t, `
resource "aws_iam_role" "r" {
  name                 = "r"
  `+trust+`
  permissions_boundary = aws_iam_policy.p.arn
  managed_policy_arns  = ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]
  tags                 = { team = "x" }
  inline_policy {
    name   = "in"
    policy = `+allow("a:A")+`
  }
  inline_policy {}
}
resource "aws_iam_policy" "p" {
  name   = "p"
  policy = `+allow("b:B")+`
}
resource "aws_iam_role_policy" "i" {
  role   = aws_iam_role.r.id
  name   = "own"
  policy = `+allow("c:C")+`
}
resource "aws_iam_role_policy_attachment" "a" {
  role       = aws_iam_role.r.name
  policy_arn = aws_iam_policy.p.arn
}
resource "aws_iam_instance_profile" "ip" {
  name = "ip"
  role = aws_iam_role.r.name
}
resource "aws_iam_user" "u" { name = "u" }
resource "aws_iam_user" "v" { name = "v" }
resource "aws_iam_group" "g" { name = "g" }
resource "aws_iam_group" "h" { name = "h" }
resource "aws_iam_user_policy" "u" {
  user   = aws_iam_user.u.name
  name   = "u"
  policy = `+allow("d:D")+`
}
resource "aws_iam_group_policy" "g" {
  group  = aws_iam_group.g.name
  name   = "g"
  policy = `+allow("e:E")+`
}
resource "aws_iam_policy_attachment" "all" {
  name       = "all"
  policy_arn = aws_iam_policy.p.arn
  users      = [aws_iam_user.u.name]
  groups     = [aws_iam_group.h.name]
}
resource "aws_iam_group_membership" "g" {
  name  = "m"
  group = aws_iam_group.g.name
  users = [aws_iam_user.u.name, aws_iam_user.v.name]
}
resource "aws_iam_user_group_membership" "v" {
  user   = aws_iam_user.v.name
  groups = ["h"]
}
resource "aws_instance" "i" { iam_instance_profile = aws_iam_instance_profile.ip.name }
resource "aws_launch_template" "t" {
  iam_instance_profile { name = aws_iam_instance_profile.ip.name }
}
resource "aws_autoscaling_group" "g" {
  launch_template { id = aws_launch_template.t.id }
}
resource "aws_ecs_task_definition" "t" {
  family             = "web"
  task_role_arn      = aws_iam_role.r.arn
  execution_role_arn = "arn:aws:iam::444455556666:role/other"
}
`), `
role arn:aws:iam::111122223333:role/r attached [arn:aws:iam::aws:policy/AmazonS3FullAccess arn:aws:iam::111122223333:policy/p] boundary "arn:aws:iam::111122223333:policy/p" profiles [ip] tags [{team x}] trust Allow sts:AssumeRole
role r inline in: Allow a:A
role r inline own: Allow c:C
policy arn:aws:iam::111122223333:policy/p: Allow b:B
policy arn:aws:iam::aws:policy/AmazonS3FullAccess: Allow s3:*,s3-object-lambda:*
user arn:aws:iam::111122223333:user/u attached [arn:aws:iam::111122223333:policy/p] groups [g] boundary ""
user u inline u: Allow d:D
user arn:aws:iam::111122223333:user/v attached [] groups [g h] boundary ""
group arn:aws:iam::111122223333:group/g attached []
group g inline g: Allow e:E
group arn:aws:iam::111122223333:group/h attached [arn:aws:iam::111122223333:policy/p]
arn:aws:iam::111122223333:role/r is the instance of aws_instance.i
arn:aws:iam::111122223333:role/r is the instance profile of aws_iam_instance_profile.ip
arn:aws:iam::111122223333:role/r is the launch template of aws_launch_template.t
arn:aws:iam::111122223333:role/r is the auto scaling group of aws_autoscaling_group.g
arn:aws:iam::111122223333:role/r is the task role of aws_ecs_task_definition.t
arn:aws:iam::444455556666:role/other is the execution role of aws_ecs_task_definition.t
`)
}

// TestConcerns: what is unknown names whom it leaves open, and nobody else.
func TestConcerns(t *testing.T) {
	hold(t, fromTerraform(t, `
data "aws_vpc" "v" {}
resource "aws_kms_key" "k" {}
resource "aws_iam_role" "sure" {
  name = "sure"
  `+trust+`
}
resource "aws_iam_role_policy" "sure" {
  role   = aws_iam_role.sure.name
  name   = "key"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.k.arn }] })
}
resource "aws_iam_role" "open" {
  name               = "open"
  assume_role_policy = data.aws_vpc.v.policy
}
resource "aws_iam_role_policy" "open" {
  role   = aws_iam_role.open.name
  name   = "vpc"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:*", Resource = data.aws_vpc.v.arn }] })
}
resource "aws_iam_policy" "shared" {
  name   = "shared"
  policy = data.aws_vpc.v.other
}
resource "aws_iam_user" "u" { name = "u" }
resource "aws_iam_group" "g" { name = "g" }
resource "aws_iam_user_group_membership" "u" {
  user   = aws_iam_user.u.name
  groups = [aws_iam_group.g.name]
}
resource "aws_iam_group_policy_attachment" "g" {
  group      = aws_iam_group.g.name
  policy_arn = aws_iam_policy.shared.arn
}
resource "aws_iam_role_policy_attachment" "none" {
  count      = data.aws_vpc.v.main ? 1 : 0
  role       = aws_iam_role.open.name
  policy_arn = "arn:aws:iam::aws:policy/NobodyKnowsThisOne"
}
resource "aws_iam_role_policy" "broken" {
  role   = aws_iam_role.open.name
  name   = "broken"
  policy = "{\"Statement\": []"
}
resource "aws_iam_role_policy_attachment" "elsewhere" {
  role       = "elsewhere"
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
}
`), `
role arn:aws:iam::111122223333:role/sure attached [] boundary "" profiles [] tags [] trust Allow sts:AssumeRole
role sure inline key: Allow kms:Decrypt
role arn:aws:iam::111122223333:role/open attached [arn:aws:iam::aws:policy/NobodyKnowsThisOne] boundary "" profiles [] tags [] trust none
role open inline vpc: Allow ec2:*
user arn:aws:iam::111122223333:user/u attached [] groups [g] boundary ""
group arn:aws:iam::111122223333:group/g attached [arn:aws:iam::111122223333:policy/shared]
kms:key arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.k» key "" policy Allow kms:*
unknown aws_iam_role.open assume_role_policy: data.aws_vpc.v.policy is read from outside of the configuration [arn:aws:iam::111122223333:role/open]
unknown aws_iam_role_policy.open policy: data.aws_vpc.v.arn is read from outside of the configuration []
unknown aws_iam_role_policy.open policy: the policy names data.aws_vpc.v.arn, which is read from outside of the configuration [arn:aws:iam::111122223333:role/open]
unknown aws_iam_policy.shared policy: data.aws_vpc.v.other is read from outside of the configuration [arn:aws:iam::111122223333:group/g arn:aws:iam::111122223333:policy/shared arn:aws:iam::111122223333:user/u]
unknown  : policy arn:aws:iam::111122223333:policy/shared is not in the data [arn:aws:iam::111122223333:group/g arn:aws:iam::111122223333:user/u]
unknown aws_iam_role_policy_attachment.none : count is not known: data.aws_vpc.v.main is read from outside of the configuration []
unknown aws_iam_role_policy_attachment.none : how many aws_iam_role_policy_attachment.none there are is not known [arn:aws:iam::111122223333:role/open]
unknown  : mantle does not have the document of AWS's policy arn:aws:iam::aws:policy/NobodyKnowsThisOne [arn:aws:iam::111122223333:role/open]
unknown aws_iam_role_policy.broken policy: it is no policy that can be read: inline policy broken of role open:1:17: unexpected end of document: '}' is missing (hint: policies are JSON: keys in double quotes, no comments, no trailing commas) [arn:aws:iam::111122223333:role/open]
unknown aws_iam_role_policy_attachment.elsewhere role: role elsewhere is not in the configuration: what else it may do is not known []
`)
}

// TestResources: what has a policy of its own, wherever it is written.
func TestResources(t *testing.T) {
	policy := `jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "x:Y", Resource = "*" }] })`
	hold(t, fromTerraform(t, `
resource "aws_kms_key" "k" { policy = `+policy+` }
resource "aws_kms_alias" "k" {
  name          = "alias/k"
  target_key_id = aws_kms_key.k.key_id
}
resource "aws_kms_key" "plain" {}
resource "aws_s3_bucket" "b" { bucket = "b" }
resource "aws_s3_bucket_policy" "b" {
  bucket = aws_s3_bucket.b.id
  policy = `+policy+`
}
resource "aws_s3_bucket_server_side_encryption_configuration" "b" {
  bucket = aws_s3_bucket.b.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_alias.k.name
    }
  }
}
resource "aws_dynamodb_table" "t" {
  name = "t"
  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.plain.arn
  }
}
resource "aws_dynamodb_resource_policy" "t" {
  resource_arn = aws_dynamodb_table.t.arn
  policy       = `+policy+`
}
resource "aws_ecr_repository" "r" { name = "r" }
resource "aws_ecr_repository_policy" "r" {
  repository = aws_ecr_repository.r.name
  policy     = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = "*", Action = "ecr:BatchGetImage" }] })
}
resource "aws_sqs_queue" "q" { name = "q" }
resource "aws_sqs_queue_policy" "q" {
  queue_url = aws_sqs_queue.q.id
  policy    = `+policy+`
}
resource "aws_sns_topic" "s" { name = "s" }
resource "aws_sns_topic_policy" "s" {
  arn    = aws_sns_topic.s.arn
  policy = `+policy+`
}
resource "aws_secretsmanager_secret" "s" {
  name       = "s"
  kms_key_id = aws_kms_key.k.key_id
}
resource "aws_secretsmanager_secret_policy" "s" {
  secret_arn = aws_secretsmanager_secret.s.arn
  policy     = `+policy+`
}
resource "aws_lambda_function" "f" { function_name = "f" }
resource "aws_lambda_permission" "f" {
  statement_id   = "s3"
  function_name  = aws_lambda_function.f.function_name
  action         = "lambda:InvokeFunction"
  principal      = "s3.amazonaws.com"
  source_arn     = aws_s3_bucket.b.arn
  source_account = "111122223333"
}
resource "aws_s3_bucket_policy" "other" {
  bucket = "elsewhere"
  policy = `+policy+`
}
resource "aws_iam_openid_connect_provider" "p" { url = "https://idp.example" }
`), `
kms:key arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.k» key "" policy Allow x:Y
kms:key arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.plain» key "" policy Allow kms:*
s3:bucket arn:aws:s3:::b key "arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.k»" policy Allow x:Y
dynamodb:table arn:aws:dynamodb:eu-west-1:111122223333:table/t key "arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.plain»" policy Allow x:Y
ecr:repository arn:aws:ecr:eu-west-1:111122223333:repository/r key "" policy Allow ecr:BatchGetImage
sqs:queue arn:aws:sqs:eu-west-1:111122223333:q key "" policy Allow x:Y
sns:topic arn:aws:sns:eu-west-1:111122223333:s key "" policy Allow x:Y
secretsmanager:secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:s-«aws_secretsmanager_secret.s» key "arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.k»" policy Allow x:Y
lambda:function arn:aws:lambda:eu-west-1:111122223333:function:f key "" policy Allow lambda:InvokeFunction
iam:oidc-provider arn:aws:iam::111122223333:oidc-provider/idp.example key "" policy none
unknown aws_s3_bucket_policy.other bucket: elsewhere is not in the configuration []
`)
}

// TestOrganization: policies of an organization lie over the accounts below
// what they are attached to, level by level.
func TestOrganization(t *testing.T) {
	hold(t, fromTerraform(t, `
resource "aws_iam_role" "r" {
  name = "r"
  `+trust+`
}
resource "aws_organizations_policy" "deny" {
  name    = "deny"
  content = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "s3:Delete*", Resource = "*" }] })
}
resource "aws_organizations_policy" "list" {
  name    = "list"
  content = `+allow("s3:*")+`
}
resource "aws_organizations_policy_attachment" "account" {
  policy_id = aws_organizations_policy.list.id
  target_id = "111122223333"
}
resource "aws_organizations_organizational_unit" "ou" {
  name      = "ou"
  parent_id = "r-root"
}
resource "aws_organizations_account" "a" {
  name      = "a"
  email     = "a@example.com"
  parent_id = aws_organizations_organizational_unit.ou.id
}
resource "aws_organizations_policy_attachment" "root" {
  policy_id = aws_organizations_policy.deny.id
  target_id = "r-root"
}
resource "aws_organizations_policy_attachment" "other" {
  policy_id = aws_organizations_policy.deny.id
  target_id = "ou-elsewhere"
}
`), `
role arn:aws:iam::111122223333:role/r attached [] boundary "" profiles [] tags [] trust Allow sts:AssumeRole
scp 111122223333 level 0: Allow s3:*
scp «aws_organizations_account.a» level 0: Allow *
scp «aws_organizations_account.a» level 0: Deny s3:Delete*
unknown  : a policy of the organization is attached to ou-elsewhere, and which accounts are below that is not known []
`)
}

// TestWritten: policies and entities have places.
func TestWritten(t *testing.T) {
	e := fromTerraform(t, `
data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["a:A"]
    resources = ["*"]
  }
}
resource "aws_iam_role" "r" {
  name = "r"
  `+trust+`
}
resource "aws_iam_role_policy" "i" {
  role   = aws_iam_role.r.id
  name   = "own"
  policy = data.aws_iam_policy_document.d.json
}
`)
	r := e.Accounts["111122223333"].Roles[0]
	if got := e.Entities[r.ARN].Line; got != 8 {
		t.Errorf("the role is at line %d, want 8", got)
	}
	if w := e.Written[r.Trust]; w.Address != "aws_iam_role.r" || w.Attribute != "assume_role_policy" || w.Line != 10 || len(w.Statements) != 1 {
		t.Errorf("the trust policy was written at %+v", w)
	}
	if w := e.Written[r.Inline[0].Document]; w.Address != "data.aws_iam_policy_document.d" || w.Attribute != "policy" || w.Line != 2 || len(w.Statements) != 1 || w.Statements[0].Line != 3 {
		t.Errorf("the inline policy was written at %+v", w)
	}
}

// TestDetails: outputs of get-account-authorization-details, and service
// control policies from files.
func TestDetails(t *testing.T) {
	details := func(id, name string) estate.File {
		a := &account.Account{ID: id, Roles: []account.Role{{Entity: account.Entity{
			ARN: "arn:aws:iam::" + id + ":role/" + name, ID: "AROA" + strings.ToUpper(name), Name: name, Path: "/", Attached: []string{"arn:aws:iam::aws:policy/AmazonS3FullAccess"},
		}}}}
		doc, err := iam.Parse(iam.Trust, "t", []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Roles[0].Trust = doc
		a.Roles[0].Profiles = []account.InstanceProfile{{ARN: "arn:aws:iam::" + id + ":instance-profile/" + name, ID: "AIPA", Name: name, Path: "/"}}
		text, err := account.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return estate.File{Path: name + ".json", Data: text}
	}
	e, err := estate.FromDetails(details("111122223333", "a"), details("444455556666", "b"), details("111122223333", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddSCP("111122223333", estate.File{Path: "scp.json", Data: []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}`)}); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, x := range []struct{ id, name string }{{"111122223333", "a"}, {"444455556666", "b"}, {"111122223333", "c"}} {
		want += fmt.Sprintf("role arn:aws:iam::%[1]s:role/%[2]s attached [arn:aws:iam::aws:policy/AmazonS3FullAccess] boundary \"\" profiles [%[2]s] tags [] trust Allow sts:AssumeRole\narn:aws:iam::%[1]s:role/%[2]s is the instance profile of %[2]s\n", x.id, x.name)
	}
	want += "policy arn:aws:iam::aws:policy/AmazonS3FullAccess: Allow s3:*,s3-object-lambda:*\n"
	hold(t, e, want+"scp 111122223333 level 0: Allow *\nscp 111122223333 level 0: Deny s3:*\n")
	if err := e.AddSCP("111122223333", estate.File{Path: "scp.json", Data: []byte(`{}`)}); err == nil || !strings.Contains(err.Error(), "scp.json:1:1") {
		t.Errorf("error is %v, want one with the place in scp.json", err)
	}
	if _, err := estate.FromDetails(estate.File{Path: "x.json", Data: []byte(`{"Policies": []}`)}); err == nil || !strings.Contains(err.Error(), "which account this is") {
		t.Errorf("error is %v, want one about the account", err)
	}
}

// TestMerge: several sources are one estate; the first has the say.
func TestMerge(t *testing.T) {
	a := fromTerraform(t, "resource \"aws_iam_role\" \"r\" {\n  name = \"r\"\n  description = \"first\"\n  "+trust+"\n}\n")
	b := fromTerraform(t, "resource \"aws_iam_role\" \"r\" {\n  name = \"r\"\n}\nresource \"aws_iam_role\" \"s\" {\n  name = \"s\"\n  "+trust+"\n}\n")
	m, err := estate.Merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	roles := m.Accounts["111122223333"].Roles
	if len(roles) != 2 || roles[0].Trust != a.Accounts["111122223333"].Roles[0].Trust || roles[1].Name != "s" {
		t.Errorf("roles are %+v", roles)
	}
	if len(m.Terraform) != 2 || len(m.Source) != 2 {
		t.Errorf("%d worlds and %d sources, want 2 and 2", len(m.Terraform), len(m.Source))
	}
	for _, e := range []*estate.Estate{a, b} {
		if err := e.AddSCP("111122223333", estate.File{Path: "s", Data: []byte(`{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := estate.Merge(a, b); err == nil {
		t.Error("two sources of service control policies were merged")
	}
}

// TestPlanAlone: a plan without its configuration. What it leaves open concerns
// whom it is about, with what it comes from.
func TestPlanAlone(t *testing.T) {
	plan := map[string]any{
		"format_version": "1.2", "terraform_version": "1.11.4",
		"planned_values": map[string]any{"root_module": map[string]any{}},
		"variables":      map[string]any{"id": map[string]any{"value": "111122223333"}},
		"configuration": map[string]any{
			"provider_config": map[string]any{"aws": map[string]any{"name": "aws", "expressions": map[string]any{
				"allowed_account_ids": map[string]any{"references": []string{"var.id"}}}}},
			"root_module": map[string]any{"resources": []any{
				map[string]any{"address": "aws_iam_role.a", "mode": "managed", "type": "aws_iam_role", "name": "a", "provider_config_key": "aws",
					"expressions": map[string]any{"name": map[string]any{"constant_value": "a"}, "assume_role_policy": map[string]any{"references": []string{"aws_iam_role.b.arn", "aws_iam_role.b"}}}},
			}}},
		"resource_changes": []any{
			map[string]any{"address": "aws_iam_role.a", "mode": "managed", "type": "aws_iam_role", "name": "a", "provider_name": "registry.terraform.io/hashicorp/aws",
				"change": map[string]any{"actions": []string{"create"}, "before": nil, "after": map[string]any{"name": "a", "path": "/"}, "after_unknown": map[string]any{"arn": true, "id": true, "assume_role_policy": true}}},
			map[string]any{"address": "aws_iam_role.gone", "mode": "managed", "type": "aws_iam_role", "name": "gone", "provider_name": "registry.terraform.io/hashicorp/aws",
				"change": map[string]any{"actions": []string{"delete"}, "before": map[string]any{"name": "gone", "path": "/", "arn": "arn:aws:iam::111122223333:role/gone"}, "after": nil}},
		},
	}
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tf.ReadPlan(data, "", tf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, estate.FromWorld(w, "plan"), `
role arn:aws:iam::111122223333:role/a attached [] boundary "" profiles [] tags [] trust none
unknown aws_iam_role.a assume_role_policy: it is known after apply: it comes from aws_iam_role.b.arn [arn:aws:iam::111122223333:role/a]
`)
}
