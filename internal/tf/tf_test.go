package tf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/tf"
)

// folder writes a configuration: files by name.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, o tf.Options, files map[string]string) *tf.World {
	t.Helper()
	o.Dir = folder(t, files)
	w, err := tf.Read(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func resource(t *testing.T, w *tf.World, address string) *tf.Resource {
	t.Helper()
	i := slices.IndexFunc(w.Resources, func(r *tf.Resource) bool { return r.Address == address })
	if i < 0 {
		var have []string
		for _, r := range w.Resources {
			have = append(have, r.Address)
		}
		t.Fatalf("no %s among %v", address, have)
	}
	return w.Resources[i]
}

// attr is an attribute as text: "unknown", "null", or the string.
func attr(r *tf.Resource, name string) string {
	if !r.Values.Type().HasAttribute(name) {
		return "absent"
	}
	switch v := r.Values.GetAttr(name); {
	case !v.IsKnown():
		return "unknown"
	case v.IsNull():
		return "null"
	case v.Type() != cty.String:
		return v.GoString()
	default:
		return v.AsString()
	}
}

func whys(w *tf.World) []string {
	var out []string
	for _, u := range w.Unknown {
		out = append(out, u.Address+" "+u.Path+": "+u.Why)
	}
	return out
}

// TestComputed: what follows from names, and what stands for what does not.
func TestComputed(t *testing.T) {
	w := read(t, tf.Options{Account: "111122223333", Region: "eu-west-1"}, map[string]string{"main.tf": `
resource "aws_iam_role" "named" {
  name = "n"
  path = "/services/"
}
resource "aws_iam_role" "prefixed" { name_prefix = "p-" }
resource "aws_iam_role" "nameless" {}
resource "aws_iam_policy" "p" { name = "p" }
resource "aws_iam_instance_profile" "p" { name = "ip" }
resource "aws_iam_openid_connect_provider" "github" { url = "https://token.actions.githubusercontent.com" }
resource "aws_s3_bucket" "b" { bucket = "data" }
resource "aws_dynamodb_table" "t" { name = "t" }
resource "aws_kms_key" "k" {}
resource "aws_sqs_queue" "q" { name = "q" }
resource "aws_ecr_repository" "r" { name = "team/app" }
resource "aws_secretsmanager_secret" "s" { name = "s" }
resource "aws_ssm_parameter" "p" { name = "/a/b" }
resource "aws_lb" "l" {}
data "aws_s3_bucket" "there" { bucket = "there" }
data "aws_iam_role" "there" { name = "there" }
data "aws_caller_identity" "me" {}
data "aws_region" "here" {}
data "aws_partition" "here" {}
`})
	for _, x := range []struct{ address, name, want string }{
		{"aws_iam_role.named", "arn", "arn:aws:iam::111122223333:role/services/n"},
		{"aws_iam_role.named", "id", "n"},
		{"aws_iam_role.prefixed", "arn", "arn:aws:iam::111122223333:role/p-«aws_iam_role.prefixed»"},
		{"aws_iam_role.nameless", "name", "«aws_iam_role.nameless»"},
		{"aws_iam_policy.p", "id", "arn:aws:iam::111122223333:policy/p"},
		{"aws_iam_instance_profile.p", "arn", "arn:aws:iam::111122223333:instance-profile/ip"},
		{"aws_iam_openid_connect_provider.github", "arn", "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
		{"aws_s3_bucket.b", "arn", "arn:aws:s3:::data"},
		{"aws_dynamodb_table.t", "arn", "arn:aws:dynamodb:eu-west-1:111122223333:table/t"},
		{"aws_kms_key.k", "arn", "arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.k»"},
		{"aws_sqs_queue.q", "id", "https://sqs.eu-west-1.amazonaws.com/111122223333/q"},
		{"aws_ecr_repository.r", "repository_url", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app"},
		{"aws_secretsmanager_secret.s", "id", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s-«aws_secretsmanager_secret.s»"},
		{"aws_ssm_parameter.p", "arn", "arn:aws:ssm:eu-west-1:111122223333:parameter/a/b"},
		{"aws_lb.l", "arn", "«aws_lb.l.arn»"},
		{"data.aws_s3_bucket.there", "arn", "arn:aws:s3:::there"},
		{"data.aws_iam_role.there", "arn", "absent"}, // its path is not known
		{"data.aws_caller_identity.me", "account_id", "111122223333"},
		{"data.aws_caller_identity.me", "arn", "absent"},
		{"data.aws_region.here", "name", "eu-west-1"},
		{"data.aws_partition.here", "partition", "aws"},
	} {
		if got := attr(resource(t, w, x.address), x.name); got != x.want {
			t.Errorf("%s.%s = %s, want %s", x.address, x.name, got, x.want)
		}
	}
}

// TestUnknown: what cannot be known is unknown, and says why. Nothing is
// guessed on the way.
func TestUnknown(t *testing.T) {
	for _, x := range []struct{ name, config, want, why string }{
		{"data", `data "aws_vpc" "v" {}
resource "x" "y" { v = data.aws_vpc.v.cidr }`, "unknown", "x.y v: data.aws_vpc.v.cidr is read from outside of the configuration"},
		{"computed", `resource "aws_lb" "l" {}
resource "x" "y" { v = aws_lb.l.dns_name }`, "unknown", "x.y v: aws_lb.l.dns_name is known after apply"},
		{"through a local", `resource "aws_lb" "l" {}
locals { n = upper(aws_lb.l.dns_name) }
resource "x" "y" { v = "http://${local.n}" }`, "unknown", "x.y v: aws_lb.l.dns_name is known after apply"},
		{"try does not hide it", `resource "aws_lb" "l" {}
resource "x" "y" { v = try(aws_lb.l.dns_name, "none") }`, "unknown", "x.y v: aws_lb.l.dns_name is known after apply"},
		{"a condition on it", `data "aws_vpc" "v" {}
resource "x" "y" { v = data.aws_vpc.v.main ? "a" : "b" }`, "unknown", "x.y v: data.aws_vpc.v.main is read from outside of the configuration"},
		{"a variable without value", `variable "v" {}
resource "x" "y" { v = var.v }`, "unknown", `x.y v: variable "v" of the root module has no value; give it with --var v=…`},
		{"a function", `resource "x" "y" { v = "${timestamp()}" }`, "unknown", "x.y v: the function timestamp is not known here"},
		{"a provider's function", `resource "x" "y" { v = provider::aws::trim_iam_role_path("a") }`, "unknown", "x.y v: the function provider::aws::trim_iam_role_path is not known here"},
		{"a module from a registry", `module "m" { source = "terraform-aws-modules/iam/aws" }
resource "x" "y" { v = module.m.arn }`, "unknown", "x.y v: module m (terraform-aws-modules/iam/aws) does not come with the configuration: what it makes is not known; terraform init fetches it"},
		{"count without index", `resource "aws_s3_bucket" "b" {
  count  = 1
  bucket = "b"
}
resource "x" "y" { v = aws_s3_bucket.b.arn }`, "unknown", "x.y v: aws_s3_bucket.b has count set: its attributes are those of an instance. Write aws_s3_bucket.b[0].arn"},
		{"a circle", `locals {
  a = local.b
  b = local.a
}
resource "x" "y" { v = local.a }`, "unknown", "x.y v: local.a depends on itself"},
		{"a circle of resources", `resource "x" "y" { v = x.z.v }
resource "x" "z" { v = x.y.v }`, "unknown", "x.y v: x.y depends on itself"},
		{"no such resource", `resource "x" "y" { v = aws_iam_role.none.arn }`, "unknown", "x.y v: there is no aws_iam_role.none in the root module"},
		{"a null is known", `resource "x" "y" { v = null }`, "null", ""},
		{"what is beside it is known", `data "aws_vpc" "v" {}
resource "x" "y" {
  o = data.aws_vpc.v.id
  v = "known"
}`, "known", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := read(t, tf.Options{}, map[string]string{"main.tf": x.config})
			if got := attr(resource(t, w, "x.y"), "v"); got != x.want {
				t.Errorf("v = %s, want %s", got, x.want)
			}
			if x.why != "" && !slices.Contains(whys(w), x.why) {
				t.Errorf("unknown are\n%s\nwant\n%s", strings.Join(whys(w), "\n"), x.why)
			}
		})
	}
}

// TestUncertain: what makes instances is not known, so one stands for all.
func TestUncertain(t *testing.T) {
	w := read(t, tf.Options{}, map[string]string{"main.tf": `
data "aws_vpc" "v" {}
resource "aws_iam_role" "r" {
  for_each = data.aws_vpc.v.tags
  name     = "r-${each.key}"
}
resource "aws_iam_role" "s" {
  count = data.aws_vpc.v.main ? 1 : 0
  name  = "s"
}
module "m" {
  source   = "./m"
  for_each = data.aws_vpc.v.tags
}
`, "m/main.tf": `resource "aws_iam_role" "t" { name = "t" }`})
	for _, x := range []struct{ address, name string }{{"aws_iam_role.r", "unknown"}, {"aws_iam_role.s", "s"}, {"module.m.aws_iam_role.t", "t"}} {
		r := resource(t, w, x.address)
		if !r.Uncertain || attr(r, "name") != x.name {
			t.Errorf("%s: uncertain %v, name %s; want true and %s", x.address, r.Uncertain, attr(r, "name"), x.name)
		}
	}
}

// TestProviders: whose account and region a resource is in.
func TestProviders(t *testing.T) {
	w := read(t, tf.Options{Accounts: map[string]string{"ops-admin": "777766665555"}}, map[string]string{"main.tf": `
variable "ids" {
  default = { a = "444455556666" }
}
provider "aws" {
  region = "eu-west-1"
  default_tags { tags = { team = "x", env = "dev" } }
}
provider "aws" {
  alias               = "a"
  region              = "us-gov-west-1"
  allowed_account_ids = [var.ids.a]
}
provider "aws" {
  alias = "b"
  assume_role { role_arn = "arn:aws:iam::999988887777:role/deploy" }
}
provider "aws" {
  alias   = "c"
  profile = "ops-admin"
}
provider "aws" {
  alias  = "near"
  region = "us-east-1"
}
provider "aws" {
  alias   = "far"
  profile = "other"
}
resource "aws_iam_role" "here" {
  name = "r"
  tags = { env = "prod" }
}
resource "aws_iam_role" "a" {
  provider = aws.a
  name     = "r"
}
resource "aws_iam_role" "b" {
  provider = aws.b
  name     = "r"
}
resource "aws_iam_role" "c" {
  provider = aws.c
  name     = "r"
}
resource "aws_iam_role" "near" {
  provider = aws.near
  name     = "near"
}
resource "aws_iam_role" "far" {
  provider = aws.far
  name     = "far"
}
module "m" {
  source    = "./m"
  providers = { aws = aws.a, aws.second = aws.b }
}
module "n" { source = "./m" }
`, "m/main.tf": `
resource "aws_iam_role" "r" { name = "m" }
resource "aws_iam_role" "s" {
  provider = aws.second
  name     = "s"
}`})
	for address, want := range map[string]string{
		"aws_iam_role.here":       "arn:aws:iam::000000000000:role/r",
		"aws_iam_role.a":          "arn:aws-us-gov:iam::444455556666:role/r",
		"aws_iam_role.b":          "arn:aws:iam::999988887777:role/r",
		"aws_iam_role.c":          "arn:aws:iam::777766665555:role/r",
		"aws_iam_role.near":       "arn:aws:iam::000000000000:role/near", // the same credentials, another region
		"aws_iam_role.far":        "arn:aws:iam::000000000001:role/far",  // other credentials, who knows whose
		"module.m.aws_iam_role.r": "arn:aws-us-gov:iam::444455556666:role/m",
		"module.m.aws_iam_role.s": "arn:aws:iam::999988887777:role/s",
		"module.n.aws_iam_role.r": "arn:aws:iam::000000000000:role/m",
	} {
		if got := attr(resource(t, w, address), "arn"); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	if got, want := resource(t, w, "aws_iam_role.here").Values.GetAttr("tags_all").GoString(), `cty.ObjectVal(map[string]cty.Value{"env":cty.StringVal("prod"), "team":cty.StringVal("x")})`; got != want {
		t.Errorf("tags_all = %s, want %s", got, want)
	}
	if want := "provider.aws.far allowed_account_ids: the account of provider aws.far is not known, nor whether it is another than that of the rest; set allowed_account_ids, or name it with --account"; !slices.Contains(whys(w), want) {
		t.Errorf("unknown are %q, want %q", whys(w), want)
	}
}

// TestPolicyStandIns: a policy that names what is not known yet keeps what is
// known, where the rest still means something.
func TestPolicyStandIns(t *testing.T) {
	for _, x := range []struct{ name, policy, want string }{
		{"a key", `jsonencode({ Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.k.arn }] })`,
			`{"Statement":[{"Action":"kms:Decrypt","Effect":"Allow","Resource":"arn:aws:kms:us-east-1:000000000000:key/«aws_kms_key.k»"}]}`},
		{"a data source", `jsonencode({ Statement = [{ Effect = "Allow", Action = "s3:*", Resource = ["a", data.aws_vpc.v.arn] }] })`,
			`{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":["a","«data.aws_vpc.v.arn»"]}]}`},
		{"inside a text", `jsonencode({ Statement = { Effect = "Allow", Action = "s3:*", Resource = "${data.aws_vpc.v.arn}/*" } })`,
			`{"Statement":{"Action":"s3:*","Effect":"Allow","Resource":"«data.aws_vpc.v.arn»/*"}}`},
		{"a condition", `jsonencode({ Statement = { Effect = "Allow", Action = "s3:*", Resource = "*", Condition = { StringEquals = { "aws:SourceVpc" = data.aws_vpc.v.id } } } })`,
			`{"Statement":{"Action":"s3:*","Condition":{"StringEquals":{"aws:SourceVpc":"«data.aws_vpc.v.id»"}},"Effect":"Allow","Resource":"*"}}`},
		{"a list that is not known", `jsonencode({ Statement = { Effect = "Allow", Action = "s3:*", Resource = data.aws_vpc.v.arns[*] } })`,
			`{"Statement":{"Action":"s3:*","Effect":"Allow","Resource":"«data.aws_vpc.v.arns»"}}`},
		{"a heredoc", "<<EOT\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"${data.aws_vpc.v.arn}\"}}\nEOT\n",
			`{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "«data.aws_vpc.v.arn»"}}` + "\n"},
		{"a local", `local.doc`, `{"Statement":{"Action":"s3:*","Effect":"Allow","Resource":"«data.aws_vpc.v.arn»"}}`},
		{"a document", `data.aws_iam_policy_document.d.minified_json`,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["«data.aws_vpc.v.arn»/*","x"]}]}`},
		{"an action that is not known", `jsonencode({ Statement = { Effect = "Allow", Action = data.aws_vpc.v.x, Resource = "*" } })`, "unknown"},
		{"statements that are not known", `jsonencode({ Statement = concat([{ Effect = "Allow" }], data.aws_vpc.v.statements) })`, "unknown"},
		{"a choice that is not known", `jsonencode({ Statement = { Effect = "Allow", Action = "s3:*", Resource = data.aws_vpc.v.main ? "*" : "a" } })`, "unknown"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := read(t, tf.Options{Region: "us-east-1"}, map[string]string{"main.tf": `
data "aws_vpc" "v" {}
resource "aws_kms_key" "k" {}
locals {
  statement = { Effect = "Allow", Action = "s3:*", Resource = data.aws_vpc.v.arn }
  doc       = jsonencode({ Statement = local.statement })
}
data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["s3:*"]
    resources = ["x", "${data.aws_vpc.v.arn}/*"]
  }
}
resource "aws_iam_policy" "p" {
  policy = ` + x.policy + `
}`})
			if got := attr(resource(t, w, "aws_iam_policy.p"), "policy"); got != x.want {
				t.Errorf("policy is\n%s\nwant\n%s", got, x.want)
			}
		})
	}
}

// TestPlaces: policies and their statements have places, however they are
// written. A place is given as the text that begins there.
func TestPlaces(t *testing.T) {
	const first, second = `{ Effect = "Allow", Action = "a:A", Resource = "*" }`, `{ Effect = "Deny", Action = "b:B", Resource = "*" }`
	for _, x := range []struct {
		name, policy, address string
		want                  []string
	}{
		{"jsonencode", `jsonencode({ Statement = [` + first + `, ` + second + `] })`, "aws_iam_policy.p", []string{first, second}},
		{"one", `jsonencode({ Statement = ` + first + ` })`, "aws_iam_policy.p", []string{first}},
		{"concat", `jsonencode({ Statement = concat([` + first + `], local.more) })`, "aws_iam_policy.p", []string{first, `{ Effect = "Allow", Action = "c:C"`}},
		{"local", `local.doc`, "aws_iam_policy.p", []string{`{ Effect = "Allow", Action = "c:C"`}},
		{"document", `data.aws_iam_policy_document.d.json`, "data.aws_iam_policy_document.d", []string{"statement {\n    actions   = [\"d:D\"]", "statement {\n    actions   = [\"e:E\"]"}},
		{"instance", `data.aws_iam_policy_document.n["two"].json`, `data.aws_iam_policy_document.n["two"]`, []string{"statement {\n    actions   = [each.key]"}},
		{"heredoc", "<<-EOT\n    {\n      \"Version\": \"${local.version}\",\n      \"Statement\": [\n        {\"Effect\": \"Allow\", \"Action\": \"a:A\", \"Resource\": \"${aws_kms_key.k.arn}\"},\n        {\"Effect\": \"Deny\", \"Action\": \"b:B\", \"Resource\": \"*\"}\n      ]\n    }\n  EOT\n",
			"aws_iam_policy.p", []string{`{"Effect": "Allow", "Action": "a:A"`, `{"Effect": "Deny"`}},
		{"file", `file("${path.module}/p.json")`, "aws_iam_policy.p", []string{`{"Effect": "Allow", "Action": "f:F", "Resource": "*"}`}},
		{"templatefile", `templatefile("t.tftpl", { who = "*" })`, "aws_iam_policy.p", []string{`{"Effect": "Allow", "Action": "g:G"`}},
		{"module", `module.m.policy`, "aws_iam_policy.p", []string{`{ Effect = "Allow", Action = "h:H"`}},
		{"condition", `true ? data.aws_iam_policy_document.d.json : ""`, "data.aws_iam_policy_document.d", []string{"statement {\n    actions   = [\"d:D\"]", "statement {\n    actions   = [\"e:E\"]"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := read(t, tf.Options{}, map[string]string{"main.tf": `
resource "aws_kms_key" "k" {}
locals {
  version = "2012-10-17"
  more    = [{ Effect = "Allow", Action = "c:C", Resource = "*" }]
  doc     = jsonencode({ Statement = local.more })
}
data "aws_iam_policy_document" "d" {
  statement {
    actions   = ["d:D"]
    resources = ["*"]
  }
  statement {
    actions   = ["e:E"]
    resources = ["*"]
  }
}
data "aws_iam_policy_document" "n" {
  for_each = toset(["one", "two"])
  statement {
    actions   = [each.key]
    resources = ["*"]
  }
}
module "m" { source = "./m" }
resource "aws_iam_policy" "p" {
  policy = ` + x.policy + `
}`,
				"p.json":    "{\n  \"Statement\":\n    {\"Effect\": \"Allow\", \"Action\": \"f:F\", \"Resource\": \"*\"}\n}\n",
				"t.tftpl":   "{\"Version\": \"2012-10-17\",\n%{ if true ~}\n\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"g:G\", \"Resource\": \"${who}\"}]\n%{ endif ~}\n}\n",
				"m/main.tf": `output "policy" { value = jsonencode({ Statement = [{ Effect = "Allow", Action = "h:H", Resource = "*" }] }) }`,
			})
			d := resource(t, w, "aws_iam_policy.p").Documents["policy"]
			if d.Address != x.address {
				t.Errorf("the document is that of %s, want %s", d.Address, x.address)
			}
			if len(d.Statements) != len(x.want) {
				t.Fatalf("%d statements have places, want %d", len(d.Statements), len(x.want))
			}
			for i, s := range d.Statements {
				text := w.Files[s.File]
				if s.Start > s.End || s.End > len(text) || !strings.HasPrefix(string(text[s.Start:s.End]), x.want[i]) {
					t.Errorf("statement %d is at %s:%d:%d, bytes %d to %d; want what begins with %s", i, s.File, s.Line, s.Column, s.Start, s.End, x.want[i])
					continue
				}
				line := 1 + strings.Count(string(text[:s.Start]), "\n")
				column := s.Start - strings.LastIndexByte(string(text[:s.Start]), '\n')
				if s.Line != line || s.Column != column {
					t.Errorf("statement %d is at %d:%d, want %d:%d", i, s.Line, s.Column, line, column)
				}
			}
		})
	}
}

// TestReferences: what an attribute mentions, through locals, variables and
// outputs.
func TestReferences(t *testing.T) {
	w := read(t, tf.Options{}, map[string]string{"main.tf": `
# mantle:ignore T107 the account is ours
# and a second line
resource "aws_iam_role" "r" { name = "r" }

locals { role = aws_iam_role.r.name }

resource "aws_instance" "i" { # mantle:ignore I304, I306 no containers here
  role = local.role
  metadata_options {
    http_tokens = "required" // mantle:ignore I305 see the script
  }
  depends_on = [aws_iam_role.r]
}
module "m" {
  source = "./m"
  role   = local.role
}
resource "x" "y" { v = module.m.role }
`, "m/main.tf": `
variable "role" {}
resource "x" "z" { v = var.role }
output "role" { value = x.z.v }
`})
	i := resource(t, w, "aws_instance.i")
	if got, want := i.References["role"], []string{"local.role", "aws_iam_role.r"}; !slices.Equal(got, want) {
		t.Errorf("role mentions %v, want %v", got, want)
	}
	if got := i.Attributes["metadata_options.http_tokens"]; got.Line != 11 || string(w.Files[got.File][got.Start:got.End]) != `http_tokens = "required"` {
		t.Errorf("http_tokens is at %+v", got)
	}
	if got, want := i.DependsOn, []string{"aws_iam_role.r"}; !slices.Equal(got, want) {
		t.Errorf("it depends on %v, want %v", got, want)
	}
	if got, want := len(i.Ignored), 3; got != want || i.Ignored["I306"] != "no containers here" || i.Ignored["I305"] != "see the script" {
		t.Errorf("ignored are %v", i.Ignored)
	}
	if got := resource(t, w, "aws_iam_role.r").Ignored; got["T107"] != "the account is ours" || len(got) != 1 {
		t.Errorf("ignored are %v", got)
	}
	if got, want := resource(t, w, "module.m.x.z").References["v"], []string{"module.m.var.role", "local.role", "aws_iam_role.r"}; !slices.Equal(got, want) {
		t.Errorf("x.z mentions %v, want %v", got, want)
	}
	if got, want := resource(t, w, "x.y").References["v"], []string{"module.m", "module.m.x.z"}; !slices.Equal(got, want) {
		t.Errorf("x.y mentions %v, want %v", got, want)
	}
}

// TestInstalledModules: what terraform init fetched is read where it put it.
func TestInstalledModules(t *testing.T) {
	w := read(t, tf.Options{}, map[string]string{
		"main.tf":                         `module "m" { source = "example/m/aws" }`,
		".terraform/modules/modules.json": `{"Modules": [{"Key": "", "Source": "", "Dir": "."}, {"Key": "m", "Source": "registry.terraform.io/example/m/aws", "Dir": ".terraform/modules/m"}, {"Key": "m.n", "Dir": ".terraform/modules/m.n"}]}`,
		".terraform/modules/m/main.tf":    "module \"n\" { source = \"example/n/aws\" }\nmodule \"o\" { source = \"./o\" }\n",
		".terraform/modules/m/o/main.tf":  `resource "aws_iam_role" "o" { name = "o" }`,
		".terraform/modules/m.n/main.tf":  `resource "aws_iam_role" "n" { name = "n" }`,
	})
	for _, address := range []string{"module.m.module.n.aws_iam_role.n", "module.m.module.o.aws_iam_role.o"} {
		resource(t, w, address)
	}
	if len(w.Unknown) > 0 {
		t.Errorf("unknown are %q", whys(w))
	}
}

// TestVariables: where values come from, and which of them wins.
func TestVariables(t *testing.T) {
	files := map[string]string{
		"main.tf": `variable "a" { type = string }
variable "l" {
  type    = list(string)
  default = ["d"]
}
resource "x" "y" {
  v = var.a
  l = join(",", var.l)
}`,
		"other.tfvars": `a = "file"`,
	}
	dir := folder(t, files)
	for _, x := range []struct {
		name, v, l string
		o          tf.Options
	}{
		{"environment", "env", "x,y", tf.Options{Environ: []string{"TF_VAR_a=env", `TF_VAR_l=["x", "y"]`}}},
		{"--var over the environment", "flag", "d", tf.Options{Environ: []string{"TF_VAR_a=env"}, Vars: []tf.Assignment{{Name: "a", Value: "flag"}}}},
		{"the later of two", "file", "d", tf.Options{Vars: []tf.Assignment{{Name: "a", Value: "flag"}, {File: filepath.Join(dir, "other.tfvars")}}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.o.Dir = dir
			w, err := tf.Read(x.o)
			if err != nil {
				t.Fatal(err)
			}
			r := resource(t, w, "x.y")
			if attr(r, "v") != x.v || attr(r, "l") != x.l {
				t.Errorf("v = %s, l = %s; want %s, %s", attr(r, "v"), attr(r, "l"), x.v, x.l)
			}
		})
	}
}

// TestErrors: what cannot be read is an error with its place.
func TestErrors(t *testing.T) {
	for _, x := range []struct {
		name, want string
		o          tf.Options
		files      map[string]string
	}{
		{"syntax", "main.tf:1:16: Invalid multi-line string", tf.Options{}, map[string]string{"main.tf": "resource \"a\" \"b\n"}},
		{"twice", "main.tf:2:1: aws_x.y is declared twice, first at DIR/main.tf:1", tf.Options{}, map[string]string{"main.tf": "resource \"aws_x\" \"y\" {}\nresource \"aws_x\" \"y\" {}\n"}},
		{"labels", "main.tf:1:1: a resource block takes 2 labels, and this one has 1", tf.Options{}, map[string]string{"main.tf": "resource \"aws_x\" {}\n"}},
		{"nothing", "DIR: there is no Terraform configuration (*.tf) in this folder", tf.Options{}, map[string]string{"x.txt": ""}},
		{"no such variable", "--var z: the configuration in DIR has no variable of that name", tf.Options{Vars: []tf.Assignment{{Name: "z"}}}, map[string]string{"main.tf": `variable "a" {}`}},
		{"no such module", "module m: there is no folder DIR/none", tf.Options{}, map[string]string{"main.tf": `module "m" { source = "./none" }`}},
		{"modules without end", "modules call one another more than 32 deep", tf.Options{}, map[string]string{"main.tf": `module "m" { source = "./." }`}},
		{"nesting", "main.tf: expressions are nested more than 200 deep", tf.Options{}, map[string]string{"main.tf": "locals {\n  a = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n}\n"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.o.Dir = folder(t, x.files)
			_, err := tf.Read(x.o)
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), x.o.Dir, "DIR"); !strings.Contains(got, x.want) {
				t.Errorf("error is %q, want %q", got, x.want)
			}
		})
	}
}

// TestNotAPlan: what is given for a plan or state and is none is refused with
// what to do.
func TestNotAPlan(t *testing.T) {
	for _, x := range []struct {
		name, data, want string
		read             func([]byte, string, tf.Options) (*tf.World, error)
	}{
		{"a binary plan", "PK\x03\x04…", "terraform show -json p", tf.ReadPlan},
		{"a state for a plan", `{"format_version": "1.0", "values": {}}`, "it has no planned_values", tf.ReadPlan},
		{"a plan for a state", `{"format_version": "1.0", "planned_values": {}}`, "it is a plan; name it with --plan", tf.ReadState},
		{"other JSON", `{"a": 1}`, "it has no format_version", tf.ReadState},
		{"an old state file", `{"version": 3, "lineage": "x"}`, "the state is of version 3", tf.ReadState},
		{"no JSON", `hello`, "it is no state of Terraform in JSON", tf.ReadState},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := x.read([]byte(x.data), "p", tf.Options{})
			e, ok := errors.AsType[*tf.Error](err)
			if !ok || !strings.Contains(e.Error(), x.want) {
				t.Errorf("error is %v, want %q", err, x.want)
			}
		})
	}
}

// FuzzRead reads anything as a configuration: it may be refused, and nothing
// else.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob("testdata/like/*/*.tf")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("resource \"aws_iam_role\" \"r\" {\n  count = 2\n  assume_role_policy = <<-EOT\n  {\"Statement\": [${jsonencode(aws_iam_role.r[0].arn)}]}\n  EOT\n}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := tf.Read(tf.Options{Dir: folder(t, map[string]string{"main.tf": string(text)})})
		if err != nil {
			return
		}
		for _, r := range w.Resources {
			if r.Address == "" || !r.Values.IsKnown() {
				t.Errorf("resource %q has the values %#v", r.Address, r.Values)
			}
			for _, d := range r.Documents {
				for _, s := range d.Statements {
					if s.Start > s.End || s.End > len(w.Files[s.File]) {
						t.Errorf("%s: statement at %+v, in a file of %d bytes", r.Address, s, len(w.Files[s.File]))
					}
				}
			}
		}
	})
}

// TestCalls: what goes into a module and comes out of it, and where what each
// holds is written.
func TestCalls(t *testing.T) {
	w := read(t, tf.Options{Account: "111122223333"}, map[string]string{
		"main.tf": `module "web" {
  source   = "./m"
  for_each = { a = "first", b = "second" }
  name     = each.value
  policies = { own = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }] }) }
}
module "next" {
  source   = "./m"
  name     = "next"
  policies = merge({}, { taken = module.web["b"].document })
}
module "some" {
  source = "./m"
  count  = module.web["a"].nothing
  name   = "some"
}
`,
		"m/main.tf": `variable "name" {
  type = string
}
variable "policies" {
  type = map(string)
}
resource "aws_iam_role" "this" {
  name = var.name
}
resource "aws_iam_role_policy" "this" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.this.name
  policy   = each.value
}
resource "aws_s3_bucket" "logs" {}
output "arn" {
  value = aws_iam_role.this.arn
}
output "document" {
  value = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "s3:*", Resource = "*" }] })
}
output "nothing" {
  value = aws_s3_bucket.logs.force_destroy
}
`,
	})
	var got []string
	for _, c := range w.Calls {
		arn := c.Outputs["arn"]
		got = append(got, fmt.Sprint(c.Address, " ", c.Name, " ", c.Dir, " ", c.Where.Line, " ", c.Arguments["name"].AsString(), " ", arn.Value.AsString(), " ", arn.References))
	}
	want := []string{
		`module.next next m 7 next arn:aws:iam::111122223333:role/next [module.next.aws_iam_role.this]`,
		`module.web["a"] web m 1 first arn:aws:iam::111122223333:role/first [module.web.aws_iam_role.this]`,
		`module.web["b"] web m 1 second arn:aws:iam::111122223333:role/second [module.web.aws_iam_role.this]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for address, line := range map[string]string{
		`module.web["a"].aws_iam_role_policy.this["own"]`: "main.tf:5",
		`module.next.aws_iam_role_policy.this["taken"]`:   "m/main.tf:21",
	} {
		d := resource(t, w, address).Documents["policy"]
		rel, err := filepath.Rel(w.Dir, d.File)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(filepath.ToSlash(rel), ":", d.Line); got != line || len(d.Statements) != 1 {
			t.Errorf("the policy of %s is at %s with %d statements, want %s with 1", address, got, len(d.Statements), line)
		}
	}
}
