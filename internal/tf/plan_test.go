package tf_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/internal/tf"
)

// TestReadPlan reads a plan of Terraform 1.11.4 for things that are not there
// yet. Alone it leaves open every policy that names one of them; with its
// configuration it is as good as that, and knows what will change.
func TestReadPlan(t *testing.T) {
	data, err := os.ReadFile("testdata/plan/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	o := tf.Options{Account: "111122223333"}
	alone, err := tf.ReadPlan(data, "", o)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = "testdata/plan"
	config, err := tf.Read(o)
	if err != nil {
		t.Fatal(err)
	}
	both, err := tf.ReadPlan(data, "", o)
	if err != nil {
		t.Fatal(err)
	}
	beside, err := tf.ReadPlan(data, "testdata/plan/plan.json", tf.Options{Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}

	for _, x := range []struct{ address, name, alone, both string }{
		{"aws_iam_role.host", "arn", "arn:aws:iam::111122223333:role/host", "arn:aws:iam::111122223333:role/host"},
		{`aws_iam_role.job["a"]`, "arn", "arn:aws:iam::111122223333:role/job-a", "arn:aws:iam::111122223333:role/job-a"},
		{`aws_iam_role.job["a"]`, "assume_role_policy", "unknown", attr(resource(t, config, `aws_iam_role.job["a"]`), "assume_role_policy")},
		{"aws_iam_role_policy.rise", "policy", "unknown", `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":["arn:aws:iam::111122223333:role/job-a","arn:aws:iam::111122223333:role/job-b"]}],"Version":"2012-10-17"}`},
		{"module.store.aws_s3_bucket_policy.data", "policy", "unknown", `{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/host"},"Resource":"arn:aws:s3:::data/*"}],"Version":"2012-10-17"}`},
	} {
		if got := attr(resource(t, alone, x.address), x.name); got != x.alone {
			t.Errorf("alone, %s.%s = %s, want %s", x.address, x.name, got, x.alone)
		}
		for _, w := range []*tf.World{both, beside} {
			if got := attr(resource(t, w, x.address), x.name); got != x.both || got == "unknown" {
				t.Errorf("with the configuration, %s.%s = %s, want %s", x.address, x.name, got, x.both)
			}
		}
	}
	if want := "aws_iam_role_policy.rise policy: it is known after apply: it comes from aws_iam_role.job"; !slices.Contains(whys(alone), want) {
		t.Errorf("alone, unknown are\n%s\nwant\n%s", strings.Join(whys(alone), "\n"), want)
	}
	if len(both.Unknown) > 0 {
		t.Errorf("with the configuration, unknown are\n%s", strings.Join(whys(both), "\n"))
	}
	r := resource(t, both, "aws_iam_role_policy.rise")
	if r.Change != "create" || r.Where.File != "testdata/plan/main.tf" || len(r.Documents["policy"].Statements) != 1 {
		t.Errorf("change %q, at %s, document at %+v", r.Change, r.Where.File, r.Documents["policy"])
	}
	for _, w := range []*tf.World{config, both} {
		var have []string
		for _, r := range w.Resources {
			have = append(have, r.Address)
		}
		if want := []string{`aws_iam_role.host`, `aws_iam_role.job["a"]`, `aws_iam_role.job["b"]`, `aws_iam_role_policy.rise`, `data.aws_iam_policy_document.trust`, `module.store.aws_s3_bucket.data`, `module.store.aws_s3_bucket_policy.data`}; !slices.Equal(have, want) {
			t.Errorf("resources are %v, want %v", have, want)
		}
	}
}

// TestReadStateFile: a state as Terraform keeps it tells of providers what
// terraform show does not.
func TestReadStateFile(t *testing.T) {
	w, err := tf.ReadState([]byte(`{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x", "outputs": {}, "resources": [
		{"mode": "managed", "type": "aws_iam_role", "name": "r", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"].shared", "instances": [
			{"index_key": "a", "schema_version": 0, "attributes": {"arn": "arn:aws:iam::444455556666:role/r", "name": "r", "path": "/"}},
			{"index_key": "b", "deposed": "1234", "attributes": {"name": "old"}}]},
		{"module": "module.m[0]", "mode": "managed", "type": "aws_iam_role_policy", "name": "p", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"].shared", "instances": [
			{"attributes": {"role": "r", "name": "p", "policy": "{}"}, "dependencies": ["aws_iam_role.r"]}]}
	]}`), "", tf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Resources) != 2 {
		t.Fatalf("%d resources, want 2", len(w.Resources))
	}
	p := resource(t, w, "module.m[0].aws_iam_role_policy.p")
	if p.Provider != "aws.shared" || p.Account != "444455556666" || !slices.Equal(p.DependsOn, []string{"aws_iam_role.r"}) {
		t.Errorf("the policy is of provider %q in account %q and depends on %v", p.Provider, p.Account, p.DependsOn)
	}
	if got := attr(resource(t, w, `aws_iam_role.r["a"]`), "name"); got != "r" {
		t.Errorf("name is %s", got)
	}
}

// FuzzReadJSON reads anything as a plan and as a state: it may be refused, and
// nothing else.
func FuzzReadJSON(f *testing.F) {
	for _, name := range []string{"testdata/plan/plan.json", "testdata/like/language/state.json", "testdata/like/documents/state.json"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"version": 4, "lineage": "x", "resources": [{"mode": "managed", "type": "a", "name": "b", "instances": [{"index_key": 1, "attributes": {"arn": "x"}}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte, string, tf.Options) (*tf.World, error){tf.ReadPlan, tf.ReadState} {
			w, err := read(data, "", tf.Options{})
			if err != nil {
				continue
			}
			for _, r := range w.Resources {
				if !r.Values.Type().IsObjectType() {
					t.Errorf("%s has the values %#v", r.Address, r.Values)
				}
			}
		}
	})
}

// TestPlanParts: what is planned without a change counts too, once, and a part
// that is broken is an error.
func TestPlanParts(t *testing.T) {
	const plan = `{"format_version": "1.2", "resource_changes": [
  {"address": "aws_iam_role.a", "mode": "managed", "type": "aws_iam_role", "name": "a", "change": {"actions": ["no-op"], "after": {"name": "changed", "max_session_duration": 3600}}}],
 "planned_values": {"root_module": {"resources": [
  {"address": "aws_iam_role.a", "mode": "managed", "type": "aws_iam_role", "name": "a", "values": {"name": "planned"}}, null],
  "child_modules": [{"resources": [{"address": "module.m.aws_iam_role.b", "mode": "managed", "type": "aws_iam_role", "name": "b", "values": {"name": "b"}}]}]}},
 "prior_state": %s}`
	w, err := tf.ReadPlan([]byte(strings.Replace(plan, "%s", "null", 1)), filepath.Join(t.TempDir(), "plan.json"), tf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Resources) != 2 || attr(resource(t, w, "aws_iam_role.a"), "name") != "changed" || attr(resource(t, w, "module.m.aws_iam_role.b"), "name") != "b" {
		t.Errorf("resources %v", w.Resources)
	}
	for _, broken := range []string{"7", `{"format_version": "9.0"}`} {
		if _, err := tf.ReadPlan([]byte(strings.Replace(plan, "%s", broken, 1)), "plan.json", tf.Options{}); err == nil || !strings.Contains(err.Error(), "it is no plan of Terraform") {
			t.Errorf("prior state %s: %v", broken, err)
		}
	}
}
