package ask

import (
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

func fixes(t *testing.T, a *Asker, q Question) (*Answer, *Fixes) {
	t.Helper()
	x := ask(t, a, q)
	f, err := a.Fix(x)
	if err != nil {
		t.Fatal(err)
	}
	return x, f
}

// holds asks again after a fix, through the documents that the fix would store.
func holds(t *testing.T, b *builder, f *Fix, q Question) bool {
	t.Helper()
	e, err := changed(b.e, f.Changes)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(e)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, a, q).Verdict == Allowed
}

func TestFixes(t *testing.T) {
	list := `{"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}`
	for _, c := range []struct {
		name  string
		build func(b *builder)
		q     Question
		want  []string // what the titles say, in order
		wider []bool
	}{
		{"trust is missing", func(b *builder) {
			b.role(dev, "role1", ec2, may2)
			b.role(dev, "role2", ec2)
		}, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"}, []string{"role2's trust policy: + sts:AssumeRole for role/role1"}, []bool{false}},
		{"both sides are missing", func(b *builder) {
			b.role(dev, "task", ec2)
			b.role(shared, "access", ec2)
		}, Question{Principal: "task", Action: "sts:AssumeRole", Resource: "access"}, []string{"trust policy: + sts:AssumeRole for role/task (dev); give role/task (dev) sts:AssumeRole"}, []bool{false}},
		{"the caller is missing", func(b *builder) {
			b.role(dev, "task", ec2)
			b.role(shared, "access", `{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/task"}, "Action": "sts:AssumeRole"}`)
		}, Question{Principal: "task", Action: "sts:AssumeRole", Resource: "access"}, []string{"give role/task (dev) sts:AssumeRole"}, []bool{false}},
		{"a role can, and another could be it", func(b *builder) {
			b.role(dev, "role1", ec2)
			b.role(dev, "role2", ec2, list)
			b.bucket(dev, "b", "")
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "arn:aws:s3:::b"}, []string{"let role/role1 assume role/role2", "give role/role1 s3:ListBucket", "b's policy"}, []bool{false, false, false}},
		{"it can already be the other", func(b *builder) {
			b.role(dev, "role1", ec2)
			b.role(dev, "role2", trusts1, list)
			b.bucket(dev, "b", "")
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"}, []string{"may already assume role/role2", "give role/role1", "b's policy"}, nil},
		{"a deny of its own", func(b *builder) {
			b.role(dev, "role1", ec2, list, `{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`)
			b.bucket(dev, "b", "")
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"}, []string{"spare b in the deny", "remove the deny"}, []bool{true, true}},
		{"a deny of just this", func(b *builder) {
			b.role(dev, "role1", ec2, list, `{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}`)
			b.bucket(dev, "b", "")
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"}, []string{"remove the deny"}, []bool{false}},
		{"a deny in a bucket policy", func(b *builder) {
			b.role(dev, "role1", ec2, list)
			b.role(dev, "role3", ec2, list)
			b.bucket(dev, "b", `{"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}`)
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"}, []string{"spare role/role1 in the deny", "remove the deny"}, []bool{false, true}},
		{"the external id", func(b *builder) {
			b.role(dev, "role1", ec2)
			b.role(dev, "role2", external)
		}, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"}, []string{"send what the policy asks for", "trust policy: +"}, []bool{false, false}},
		{"session tags", func(b *builder) {
			b.role(dev, "role1", ec2)
			b.role(dev, "role2", trusts1)
		}, Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2", Tags: true}, []string{"trust policy: + sts:TagSession"}, []bool{false}},
		{"an administrator is no way", func(b *builder) {
			b.role(dev, "role1", ec2)
			b.role(dev, "admin", ec2, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`)
			b.bucket(dev, "b", "")
		}, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"}, []string{"give role/role1", "b's policy"}, []bool{false, false}},
		{"cross-account bucket", func(b *builder) {
			b.role(dev, "task", ec2)
			b.account(shared)
			b.role(shared, "x", ec2)
			b.bucket(shared, "b", "")
		}, Question{Principal: "task", Action: "s3:GetObject", Resource: "s3://b/k"}, []string{"give role/task (dev) s3:GetObject on b/k: 1 statement; b's policy"}, []bool{false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t)
			c.build(b)
			_, got := fixes(t, b.asker(), c.q)
			var titles []string
			for i := range got.List {
				f := &got.List[i]
				titles = append(titles, f.Title)
				if len(f.Changes) > 0 && f.Via == "" && !holds(t, b, f, c.q) {
					t.Errorf("fix %s (%s) does not help", f.Label, f.Title)
				}
				if i < len(c.wider) && f.Wider != c.wider[i] {
					t.Errorf("fix %q: opens more = %v (%s), want %v", f.Title, f.Wider, f.Why, c.wider[i])
				}
			}
			if len(titles) != len(c.want) {
				t.Fatalf("fixes\n%s\nwant\n%s", strings.Join(titles, "\n"), strings.Join(c.want, "\n"))
			}
			for i, want := range c.want {
				if !strings.Contains(titles[i], want) {
					t.Errorf("fix %d is %q, want %q", i, titles[i], want)
				}
			}
		})
	}
}

func TestFixOpens(t *testing.T) {
	b := build(t)
	b.role(dev, "role1", ec2)
	b.role(dev, "role2", ec2)
	_, f := fixes(t, b.asker(), Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"})
	var got []string
	for _, o := range f.List[0].Opened {
		got = append(got, short(o.Principal)+" "+o.Via)
	}
	if want := []string{"role/role1 "}; !slices.Equal(got, want) {
		t.Errorf("opens %q, want %q", got, want)
	}
}

func TestBoundaryIsNotTouched(t *testing.T) {
	b := build(t)
	r := b.role(dev, "role1", ec2, `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	r.Boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	b.e.SCPs = map[string][][]*iam.Policy{dev: {{b.parse(iam.SCP, "no puts", `{"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}`)}}}
	b.bucket(dev, "b", "")
	_, f := fixes(t, b.asker(), Question{Principal: "role1", Action: "s3:PutObject", Resource: "s3://b/k"})
	if len(f.List) != 0 {
		t.Errorf("offers %q", f.List[0].Title)
	}
	text := strings.Join(f.Advice, "\n")
	for _, want := range []string{"service control policy", "permissions boundary"} {
		if !strings.Contains(text, want) {
			t.Errorf("advice %q does not name the %s", text, want)
		}
	}
}

// configuration adds the Terraform that the roles of an estate come from.
func (b *builder) configuration(text string, resources ...*tf.Resource) {
	w := &tf.World{Dir: ".", Files: map[string][]byte{"main.tf": []byte(text)}, Resources: resources}
	b.e.Terraform = append(b.e.Terraform, w)
	b.e.Entities = map[string]tf.Range{}
	for i, r := range resources {
		r.Where = tf.Range{Position: tf.Position{File: "main.tf", Line: i + 1}}
		r.Mode = "managed"
		r.Address = r.Type + "." + r.Name
		switch r.Type {
		case "aws_iam_role":
			b.e.Entities["arn:aws:iam::"+dev+":role/"+r.Name] = r.Where
		case "aws_s3_bucket":
			for i := range b.e.Resources {
				b.e.Resources[i].Where = r.Where
			}
		}
	}
}

func TestTerraformPatch(t *testing.T) {
	role := func(name, policy string) string {
		return "resource \"aws_iam_role\" \"" + name + "\" {\n  name               = \"" + name + "\"\n  assume_role_policy = " + policy + "\n}\n"
	}
	data := `data "aws_iam_policy_document" "ec2" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}
`
	encoded := `jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })`
	for _, c := range []struct {
		name, text string
		action     string
		want       []string
	}{
		{"a document of its own", data + role("role1", `"{}"`) + role("role2", "data.aws_iam_policy_document.ec2.json"), "", []string{
			"+  statement {", "+    actions = [\"sts:AssumeRole\"]", "+      identifiers = [aws_iam_role.role1.arn]"}},
		{"a shared document", data + role("role1", "data.aws_iam_policy_document.ec2.json") + role("role2", "data.aws_iam_policy_document.ec2.json"), "", []string{
			"-  assume_role_policy = data.aws_iam_policy_document.ec2.json", "+  assume_role_policy = data.aws_iam_policy_document.role2_with_trust.json",
			"+data \"aws_iam_policy_document\" \"role2_with_trust\" {", "+  source_policy_documents = [data.aws_iam_policy_document.ec2.json]"}},
		{"jsonencode", role("role1", `"{}"`) + role("role2", encoded), "", []string{
			"+      Principal = { AWS = aws_iam_role.role1.arn }"}},
		{"heredoc", role("role1", `"{}"`) + role("role2", "<<EOF\n{\"Statement\": [{\"Sid\": \"${\"]\"}\"}]}\nEOF"), "", []string{
			`+{"Statement": [{"Sid": "${"]"}"}, {"Effect": "Allow", "Principal": {"AWS": "${aws_iam_role.role1.arn}"}, "Action": ["sts:AssumeRole"]}]}`}},
		{"heredoc of one statement", role("role1", `"{}"`) + role("role2", "<<EOF\n{\"Statement\": {\"Sid\": \"x\"}}\nEOF"), "", []string{
			`+{"Statement": [{"Sid": "x"}, {"Effect": "Allow", "Principal": {"AWS": "${aws_iam_role.role1.arn}"}, "Action": ["sts:AssumeRole"]}]}`}},
		{"a file", role("role1", `"{}"`) + role("role2", `file("trust.json")`), "", []string{
			`+ source_policy_documents = [file("trust.json")]`}},
		{"jsonencode of one statement", role("role1", `"{}"`) + role("role2", "jsonencode({\n    Statement = { Sid = \"x\" }\n  })"), "", []string{
			`+ Statement = [{ Sid = "x" }, {`}},
		{"a policy that is new", role("role1", `"{}"`) + "resource \"aws_s3_bucket\" \"b\" {\n  bucket = \"b\"\n}\n", "s3:GetObject", []string{
			`+resource "aws_iam_role_policy" "role1_s3getobject" {`, "+  role = aws_iam_role.role1.name", `+        Resource = "${aws_s3_bucket.b.arn}/k"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t)
			b.role(dev, "role1", ec2)
			q := Question{Principal: "role1", Action: "sts:AssumeRole", Resource: "role2"}
			resources := []*tf.Resource{{Type: "aws_iam_role", Name: "role1"}, {Type: "aws_iam_role", Name: "role2"}}
			if c.action != "" {
				b.bucket(dev, "b", "")
				q.Action, q.Resource = c.action, "s3://b/k"
				resources[1] = &tf.Resource{Type: "aws_s3_bucket", Name: "b"}
			} else {
				b.role(dev, "role2", ec2)
			}
			b.configuration(c.text, resources...)
			a := b.asker()
			_, f := fixes(t, a, q)
			p, err := a.Patch(&f.List[0])
			if err != nil {
				t.Fatal(err)
			}
			if p.Not != "" {
				t.Fatal(p.Not)
			}
			for _, want := range c.want {
				if !strings.Contains(squeeze(p.Diff), squeeze(want)) {
					t.Errorf("the diff has no %q:\n%s", want, p.Diff)
				}
			}
		})
	}
}

// squeeze makes runs of spaces one.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestTerraformPatchOfDeny(t *testing.T) {
	text := `resource "aws_iam_role" "role1" {
  name = "role1"
}
resource "aws_iam_role_policy" "p" {
  role = aws_iam_role.role1.name
  policy = jsonencode({
    Statement = [
      { Effect = "Allow", Action = "s3:*", Resource = "*" },
      { Effect = "Deny", Action = "s3:ListBucket", Resource = "*" },
    ]
  })
}
resource "aws_s3_bucket" "b" {
  bucket = "b"
}
`
	b := build(t)
	r := b.role(dev, "role1", ec2, `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"}`)
	b.bucket(dev, "b", "")
	b.configuration(text, &tf.Resource{Type: "aws_iam_role", Name: "role1"}, &tf.Resource{Type: "aws_s3_bucket", Name: "b"}, &tf.Resource{Type: "aws_iam_role_policy", Name: "p"})
	b.e.Written[r.Inline[0].Document] = estate.Written{Address: "aws_iam_role_policy.p", Attribute: "policy"}
	a := b.asker()
	_, f := fixes(t, a, Question{Principal: "role1", Action: "s3:ListBucket", Resource: "b"})
	for i, want := range []string{"+ { Effect = \"Deny\", Action = \"s3:ListBucket\", NotResource = aws_s3_bucket.b.arn },", "- { Effect = \"Deny\", Action = \"s3:ListBucket\", Resource = \"*\" },"} {
		p, err := a.Patch(&f.List[i])
		if err != nil || p.Not != "" {
			t.Fatalf("fix %d: %v %s", i, err, p.Not)
		}
		if !strings.Contains(squeeze(p.Diff), squeeze(want)) {
			t.Errorf("fix %d: the diff has no %q:\n%s", i, want, p.Diff)
		}
	}
}
