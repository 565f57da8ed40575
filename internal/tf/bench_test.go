package tf_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/internal/tf"
)

// large writes a configuration of n resources, in files of a thousand: roles,
// their policies in both spellings, and buckets that they name.
func large(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	for i := range n / 4 {
		fmt.Fprintf(&b, `
resource "aws_s3_bucket" "b%[1]d" {
  bucket = "${local.prefix}-%[1]d"
}

data "aws_iam_policy_document" "p%[1]d" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.b%[1]d.arn}/*"]
  }
}

resource "aws_iam_role" "r%[1]d" {
  name = "role-%[1]d"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "i%[1]d" {
  name   = "read"
  role   = aws_iam_role.r%[1]d.name
  policy = data.aws_iam_policy_document.p%[1]d.json
}

resource "aws_iam_role_policy" "j%[1]d" {
  name   = "list"
  role   = aws_iam_role.r%[1]d.id
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": [{ "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "${aws_s3_bucket.b%[1]d.arn}" }]
    }
  EOT
}
`, i)
		if (i+1)%250 == 0 || i == n/4-1 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.tf", i)), []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte("locals {\n  prefix = \"data\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// BenchmarkRead reads a configuration of 10,000 managed resources and 2,500
// policy documents.
func BenchmarkRead(b *testing.B) {
	dir := large(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		w, err := tf.Read(tf.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if len(w.Resources) != 12_500 || len(w.Unknown) != 0 {
			b.Fatalf("%d resources and %d things unknown, want 12500 and 0", len(w.Resources), len(w.Unknown))
		}
	}
}

// largePlan is a plan of n resources, as terraform show -json prints it.
func largePlan(t testing.TB, n int) []byte {
	t.Helper()
	type object = map[string]any
	var changes, planned, written []object
	add := func(kind, name string, values object) {
		head := func(more object) object {
			more["address"], more["mode"], more["type"], more["name"] = kind+"."+name, "managed", kind, name
			return more
		}
		expressions := object{}
		for k, v := range values {
			expressions[k] = object{"constant_value": v}
		}
		changes = append(changes, head(object{"change": object{"actions": []string{"create"}, "after": values, "after_unknown": object{"id": true}}}))
		planned = append(planned, head(object{"values": values, "sensitive_values": object{}}))
		written = append(written, head(object{"provider_config_key": "aws", "expressions": expressions}))
	}
	for i := range n / 4 {
		name := fmt.Sprintf("r%d", i)
		add("aws_iam_role", name, object{"name": name, "path": "/", "description": nil, "max_session_duration": 3600,
			"assume_role_policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`})
		add("aws_iam_role_policy", name, object{"name": "p", "role": name,
			"policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::conf-` + name + `/*"}]}`})
		add("aws_iam_instance_profile", name, object{"name": name + "-profile", "role": name, "path": "/"})
		add("aws_instance", name, object{"ami": "ami-1", "instance_type": "t3.micro", "iam_instance_profile": name + "-profile", "metadata_options": []object{{"http_tokens": "required"}}})
	}
	out, err := json.Marshal(object{
		"format_version": "1.2", "planned_values": object{"root_module": object{"resources": planned}}, "resource_changes": changes,
		"configuration": object{"provider_config": object{"aws": object{"name": "aws"}}, "root_module": object{"resources": written}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BenchmarkReadPlan reads a plan of 10,000 resources.
func BenchmarkReadPlan(b *testing.B) {
	data := largePlan(b, 10_000)
	dir := b.TempDir()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		w, err := tf.ReadPlan(data, filepath.Join(dir, "plan.json"), tf.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if len(w.Resources) != 10_000 {
			b.Fatalf("%d resources, want 10000", len(w.Resources))
		}
	}
}
