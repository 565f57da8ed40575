package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

const ec2Role = `resource "aws_iam_role" "web" {
  name = "web"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}
`

// host is a container instance whose answers to a PUT travel one hop.
const host = `resource "aws_iam_instance_profile" "web" {
  name = "web"
  role = aws_iam_role.web.name
}
resource "aws_iam_role_policy_attachment" "a" {
  role       = aws_iam_role.web.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}
resource "aws_instance" "a" {
  ami                  = "ami-1"
  instance_type        = "t3.micro"
  iam_instance_profile = aws_iam_instance_profile.web.name
  user_data            = "echo ECS_CLUSTER=x >> /etc/ecs/ecs.config"
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
}
`

// TestCases holds rules to cases beside those of their archives. want lists
// what is found, as RULE LINE, findings that are only worth knowing included;
// "?RULE" is a rule that could not be decided.
func TestCases(t *testing.T) {
	for _, c := range []struct{ name, files, want string }{
		{"what is not known yet is not wrong", `
-- main.tf --
provider "aws" {}
data "aws_organizations_organization" "o" {}
data "aws_ssm_parameter" "p" { name = "x" }
variable "who" { type = string }
resource "aws_kms_key" "k" {}
resource "aws_iam_role" "a" {
  name = "a"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::${data.aws_organizations_organization.o.master_account_id}:role/x" } },
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = data.aws_ssm_parameter.p.value } },
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = var.who } },
  ] })
}
resource "aws_iam_role_policy" "p" {
  role   = aws_iam_role.a.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["kms:Decrypt", "s3:GetObject"], Resource = [aws_kms_key.k.arn, data.aws_ssm_parameter.p.value, "${var.who}/*"] },
    { Effect = "Allow", Action = "ec2:${var.who}", Resource = "*" },
  ] })
}
`, ""},
		{"inline policies and statements of a data source have their own places", `
-- main.tf --
resource "aws_iam_role" "b" {
  name               = "b"
  assume_role_policy = data.aws_iam_policy_document.b.json
  inline_policy {
    name   = "x"
    policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::b/*" }] })
  }
  inline_policy {
    name   = "y"
    policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:HeadObject", Resource = "arn:aws:s3:::b/*" }] })
  }
}
data "aws_iam_policy_document" "b" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com", "lamda.amazonaws.com"]
    }
  }
}
`, "P205 6, P206 10, T105 18"},
		{"a statement about several services", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
  "Action": ["s3:GetObject", "dynamodb:GetItem"],
  "Resource": ["arn:aws:s3:::b", "arn:aws:dynamodb:eu-west-1:111122223333:table/t"]}]}
`, "P205 2"},
		{"a wildcard bucket covers objects", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b*"}]}
`, ""},
		{"ARNs that have no account", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:RunInstances",
  "Resource": ["arn:aws:ec2:eu-west-1::image/ami-1", "arn:aws:ec2:*:*:instance/*", "arn:aws:iam::aws:policy/x"]}]}
`, ""},
		{"an action that is new or wrong", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:FlyToTheMoon", "Resource": "*"}]}
`, "P206 1"},
		{"what is not JSON", "\n-- p.json --\n{\"Version\": \n", "A002 1"},
		{"NotPrincipal in a trust policy", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/x"}, "Action": "sts:AssumeRole"}]}
`, "T109 1"},
		{"a resource policy for everybody is not a trust policy", `
-- p.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}
`, ""},
		{"tokens", `
-- any.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/id.example.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {"StringLike": {"id.example.com:sub": "*", "id.example.com:aud": "x"}}}]}
-- foreach.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/id.example.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {"ForAllValues:StringEquals": {"id.example.com:sub": "app", "id.example.com:aud": "x"}}}]}
-- star.json --
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/id.example.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {"StringEquals": {"id.example.com:sub": "repo:a/*", "id.example.com:aud": "x"}}}]}
`, "K801 2, K801 2, K801 2, K801 2"},
		{"the profile of a container is mounted where its user is not at home", `
-- compose.yaml --
services:
  web:
    image: app:1
    user: app
    environment:
      AWS_PROFILE: web
    volumes:
      - ./aws:/root/.aws:ro
-- aws/config --
[profile web]
region = eu-west-1
`, "C501 8"},
		{"the profile of a container is not in its file", `
-- compose.yaml --
services:
  web:
    image: app:1
    user: root
    environment:
      - AWS_PROFILE=web
    volumes:
      - { type: bind, source: ./aws, target: /root/.aws }
-- aws/config --
[profile dev]
region = eu-west-1
credential_process = /bin/true
`, "C501 6"},
		{"a container without a container endpoint", `
-- compose.yaml --
services:
  web: &web
    image: app:1
    environment:
      AWS_PROFILE: web
    volumes:
      - ./aws:/root/.aws
-- aws/credentials --
[web]
role_arn = arn:aws:iam::111122223333:role/web
credential_source = EcsContainer
region = eu-west-1
role_session_name = web
`, "C503 5"},
		{"Pod Identity and an old SDK", `
-- compose.yaml --
services:
  web:
    environment:
      AWS_CONTAINER_CREDENTIALS_FULL_URI: http://169.254.170.23/v1/credentials
-- go.mod --
module example.com/web

require github.com/aws/aws-sdk-go v1.44.3
`, "C508 4"},
		{"loopback and HTTPS are fine", `
-- compose.yaml --
services:
  a:
    environment: { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:8080/" }
  b:
    environment: { AWS_CONTAINER_CREDENTIALS_FULL_URI: "https://creds:8080/" }
  c:
    environment: { AWS_CONTAINER_CREDENTIALS_FULL_URI: "${CREDS}" }
`, ""},
		{"both kinds of source, and none", `
-- config --
[profile a]
role_arn = arn:aws:iam::111122223333:role/a
credential_source = Environment
source_profile = b
region = eu-west-1
role_session_name = aa
[profile b]
role_arn = arn:aws:iam::111122223333:role/b
region = eu-west-1
role_session_name = bb
[sso-session corp]
sso_start_url = https://example.com
[services local]
s3 =
  endpoint_url = http://127.0.0.1:4566
`, "C504 3, C504 8"},
		{"a chain of profiles", `
-- config --
[profile a]
role_arn = arn:aws:iam::111122223333:role/a
credential_source = Environment
duration_seconds = 7200
region = eu-west-1
role_session_name = aa
[profile b]
role_arn = arn:aws:iam::111122223333:role/b
source_profile = a
duration_seconds = 7200
region = eu-west-1
role_session_name = bb
`, "S601 10"},
		{"the other file of a folder is missing", `
-- config --
[profile b]
role_arn = arn:aws:iam::111122223333:role/b
source_profile = keys
region = eu-west-1
role_session_name = bb
`, "?C501"},
		{"MaxSessionDuration of the role", `
-- main.tf --
` + strings.Replace(ec2Role, `"web"
  assume`, `"web"
  max_session_duration = 7200
  assume`, 1) + `
-- aws/config --
[profile a]
role_arn = arn:aws:iam::111122223333:role/web
credential_source = Environment
duration_seconds = 10800
region = eu-west-1
role_session_name = aa
[profile b]
role_arn = arn:aws:iam::111122223333:role/web
credential_source = Environment
duration_seconds = 7200
region = eu-west-1
role_session_name = aa
`, "S601 4"},
		{"a pod on the host's network", `
-- pod.yaml --
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations:
    iam.amazonaws.com/role: a
spec:
  hostNetwork: true
---
apiVersion: v1
kind: Pod
metadata:
  name: b
spec:
  hostNetwork: true
`, "K803 8"},
		{"a task definition as the API describes it", `
-- task.json --
{"taskDefinition": {"family": "app", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
  "containerDefinitions": [
    {"name": "a", "image": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1"}]}}
`, "E402 3"},
		{"a profile baked into an image", `
-- task.json --
{"family": "app", "taskRoleArn": "arn:aws:iam::111122223333:role/app", "containerDefinitions": [
  {"name": "a", "image": "a:1", "environment": [{"name": "AWS_PROFILE", "value": "x"}]},
  {"name": "b", "image": "a:1", "environment": [{"name": "AWS_PROFILE", "value": "x"}], "mountPoints": [{"containerPath": "/root/.aws"}]}]}
`, "E406 2"},
		{"secrets of a role that is not known", `
-- task.json --
{"family": "app", "executionRoleArn": "arn:aws:iam::111122223333:role/agent", "containerDefinitions": [
  {"name": "a", "image": "a:1", "secrets": [{"name": "DB", "valueFrom": "db"}]}]}
`, "?E404"},
		{"a role by its name where nothing else says it", `
-- main.tf --
` + ec2Role + `
resource "aws_iam_instance_profile" "web" {
  name       = "web"
  role       = "web"
  depends_on = [aws_iam_role.web]
}
resource "aws_instance" "a" {
  ami                  = "ami-1"
  instance_type        = "t3.micro"
  iam_instance_profile = "web"
  metadata_options {
    http_tokens = "required"
  }
}
`, "F703 17"},
		{"the role of a function", `
-- main.tf --
` + ec2Role + `
resource "aws_lambda_function" "f" {
  function_name = "f"
  role          = aws_iam_role.web.arn
}
`, "T104 5"},
		{"a parameter by its name is in some region", `
-- main.tf --
provider "aws" {}
resource "aws_iam_role" "agent" {
  name = "agent"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" },
      Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } } }]
  })
}
resource "aws_iam_role_policy" "agent" {
  name = "read"
  role = aws_iam_role.agent.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "ssm:GetParameters", Resource = "arn:aws:ssm:eu-west-1:111122223333:parameter/db" },
  ] })
}
-- task.json --
{"family": "app", "executionRoleArn": "arn:aws:iam::111122223333:role/agent", "containerDefinitions": [
  {"name": "a", "image": "a:1", "secrets": [{"name": "DB", "valueFrom": "db"}]},
  {"name": "b", "image": "b:1", "secrets": [{"name": "DB", "valueFrom": "other"}]}]}
`, "E404 3"},
		{"an unknown managed policy", `
-- main.tf --
` + ec2Role + `
resource "aws_iam_instance_profile" "web" {
  name = "web"
  role = aws_iam_role.web.name
}
resource "aws_iam_role_policy_attachment" "a" {
  role       = aws_iam_role.web.name
  policy_arn = "arn:aws:iam::aws:policy/NobodyKnows"
}
resource "aws_instance" "a" {
  ami                  = "ami-1"
  instance_type        = "t3.micro"
  iam_instance_profile = aws_iam_instance_profile.web.name
  user_data            = "echo ECS_CLUSTER=x >> /etc/ecs/ecs.config"
  metadata_options {
    http_tokens = "required"
  }
}
`, "?E407"},
		{"what a module is given is where it is written, and has a dependency", `
-- main.tf --
module "a" {
  source = "./m"
  callers = { b = module.b.name }
  policies = {
    all = jsonencode({ Version = "2012-10-17", Statement = [
      { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::b/*" },
    ] })
  }
}
module "b" {
  source = "./m"
  name   = "b"
}
-- m/main.tf --
variable "name" {
  type    = string
  default = "a"
}
variable "policies" {
  type    = map(string)
  default = {}
}
variable "callers" {
  type    = map(string)
  default = {}
}
resource "aws_iam_role" "this" {
  name = var.name
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
resource "aws_iam_role_policy" "this" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.this.name
  policy   = each.value
}
resource "aws_iam_role_policy" "callers" {
  for_each = var.callers
  name     = "wear"
  role     = each.value
  policy   = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Resource = aws_iam_role.this.arn }] })
}
output "name" {
  value = aws_iam_role.this.name
}
`, "P205 6"},
		{"tasks of the host's network are one hop away", `
-- main.tf --
` + ec2Role + host + `
resource "aws_ecs_task_definition" "t" {
  family                = "t"
  network_mode          = "host"
  container_definitions = jsonencode([{ name = "t", image = "t", memory = 64 }])
}
`, ""},
		{"those of the bridge are two", `
-- main.tf --
` + ec2Role + host + `
resource "aws_ecs_task_definition" "t" {
  family                = "t"
  container_definitions = jsonencode([{ name = "t", image = "t", memory = 64 }])
}
`, "I304 23"},
		{"a condition may be met, so it is no reason", `
-- main.tf --
` + ec2Role + `
resource "aws_iam_role_policy" "p" {
  name = "p"
  role = aws_iam_role.web.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::b/*" },
    { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::b", Condition = { StringLike = { "s3:prefix" = "a/*" } } },
    { Effect = "Deny", Action = "s3:*", Resource = "*", Condition = { Bool = { "aws:SecureTransport" = "false" } } },
  ] })
}
`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			a := txtar.Parse([]byte(strings.TrimPrefix(c.files, "\n")))
			unpack(t, a)
			var sections []Section
			for _, f := range a.Files {
				// Policies are taken when they are named.
				if data, _ := os.ReadFile(f.Name); filepath.Ext(f.Name) == ".json" && !strings.Contains(string(data), "containerDefinitions") {
					g, err := Collect(f.Name)
					if err != nil {
						t.Fatal(err)
					}
					sections = append(sections, Section{f.Name, Run(&Input{Files: g[0].Files})})
				}
			}
			if len(sections) == 0 {
				sections = checkDir(t, ".")
			}
			var got []string
			for _, f := range findings(sections) {
				got = append(got, f.Rule+" "+lineOf(f))
			}
			for _, s := range sections {
				for _, u := range s.Result.Unchecked {
					got = append(got, "?"+u.Rule)
				}
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.want)
				for _, f := range findings(sections) {
					t.Logf("%s %s %s", f.Rule, placeOf(f.Where, f.Address), f.Message)
				}
				for _, s := range sections {
					t.Logf("%+v", s.Result.Unchecked)
				}
			}
		})
	}
}

func lineOf(f Finding) string {
	_, after, _ := strings.Cut(placeOf(f.Where, f.Address), ":")
	line, _, _ := strings.Cut(after, ":")
	return line
}

// TestCollect says what of a folder is taken, and by which group.
func TestCollect(t *testing.T) {
	t.Chdir(t.TempDir())
	unpack(t, txtar.Parse([]byte(`
-- app/main.tf --
module "role" {
  source = "../modules/role"
}
-- app/profile/credentials --
[web]
role_arn = arn:aws:iam::111122223333:role/web
-- modules/role/main.tf --
-- compose.yaml --
services: {}
-- .git/config --
[profile x]
role_arn = y
-- node_modules/a/package.json --
{"dependencies": {"aws-sdk": "2.0.0"}}
-- tool/config --
[core]
editor = vi
-- tool/policy.json --
{"Statement": []}
-- plan.json --
{"format_version": "1.2", "planned_values": {}}
-- deploy/mantle.hcl --
-- deploy/values.yaml --
a: b
-- deploy/pod.yml --
apiVersion: v1
kind: Pod
`)))
	groups, err := Collect(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		line := g.Dir + ":"
		for _, f := range g.Files {
			line += " " + filepath.ToSlash(f.Path) + "=" + f.Kind.String()
		}
		for _, p := range slices.Concat(g.Plans, g.Configs) {
			line += " " + filepath.ToSlash(p)
		}
		got = append(got, line)
	}
	want := []string{
		"app: app/profile/credentials=AWS credentials",
		".: compose.yaml=compose file deploy/pod.yml=Kubernetes manifest plan.json deploy/mantle.hcl",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Collect("tool/config"); err == nil {
		t.Error("a file that is nothing to check was taken")
	}
}

// TestLeaving: what a plan takes away is not checked.
func TestLeaving(t *testing.T) {
	for _, change := range []string{"no-op", "delete"} {
		r := &tf.Resource{Address: "aws_iam_policy_attachment.all", Mode: "managed", Type: "aws_iam_policy_attachment", Name: "all", Change: change, Values: cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal("all"), "roles": cty.TupleVal([]cty.Value{cty.StringVal("web")}), "policy_arn": cty.StringVal("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		})}
		p := &tf.Resource{Address: "aws_iam_policy.p", Mode: "managed", Type: "aws_iam_policy", Name: "p", Change: change, Values: cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal("p"), "policy": cty.StringVal(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "*"}]}`),
		})}
		found := Run(&Input{Estate: estate.FromWorld(&tf.World{Resources: []*tf.Resource{r, p}}, "plan.json")}).Findings
		if got, want := len(found) > 0, change != "delete"; got != want {
			t.Errorf("%s: findings %v", change, found)
		}
	}
}
