package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// intended are findings that an example is about.
var intended = map[string][]string{
	"examples/ec2-elevate": {"P208"}, // the story's expansive role
}

// TestNoFalseAlarms holds the rules to the examples and modules of this
// repository, in which nothing is wrong.
func TestNoFalseAlarms(t *testing.T) {
	for _, top := range []string{"examples", "modules"} {
		if _, err := os.Stat(filepath.Join("..", "..", top)); err != nil {
			continue
		}
		t.Run(top, func(t *testing.T) {
			t.Chdir(filepath.Join("..", ".."))
			sections := checkDir(t, top)
			if len(sections) < 3 {
				t.Fatalf("%d folders were checked", len(sections))
			}
			for _, s := range sections {
				for _, f := range s.Result.Findings {
					if f.Severity > Info && !slices.Contains(intended[filepath.ToSlash(s.Name)], f.Rule) {
						t.Errorf("%s: %s %s %s %s", s.Name, f.Severity, f.Rule, placeOf(f.Where, f.Address), f.Message)
					}
				}
			}
		})
	}
}

// sample is a result with everything that reports show.
func sample() []Section {
	at := tf.Range{Position: tf.Position{File: "iam.tf", Line: 60, Column: 21}, Start: 100, End: 110}
	return []Section{{"web", Result{
		Findings: []Finding{
			{Rule: "T101", Severity: Error, Where: at, Address: "aws_iam_role.web", Message: `"arn:aws::iam": one colon too many & <more>`, Cure: "write it right",
				Edit: &Edit{"iam.tf", 100, 110, "arn:aws:iam::"}, Related: []Related{{tf.Range{Position: tf.Position{File: "b.tf", Line: 2, Column: 1}}, "used here"}}},
			{Rule: "P209", Severity: Info, Address: "role web", Message: "m", Cure: "c"},
		},
		Unchecked: []Unchecked{{"E404", "the policies of role agent", "task.json:3:1"}},
		Idle:      map[string][]string{"AWS profiles": {"C502", "C504"}},
		Counts:    Counts{Roles: 1, Profiles: 2, Attachments: 1},
	}}}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := WriteText(&b, sample()); err != nil {
		t.Fatal(err)
	}
	want := `E T101 iam.tf:60:21 "arn:aws::iam": one colon too many & <more>
       cure: write it right
       b.tf:2:1: used here
I P209 role web m
       cure: c
? E404 task.json:3:1 not checked: needs the policies of role agent
web: 1 role, 2 instance profiles, 1 attachment – 1 error, 1 worth knowing, 1 not checked
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

// TestSARIF holds the log to what SARIF 2.1.0 demands (3.13, 3.14, 3.18, 3.27,
// 3.29 and 3.30 of the standard) and to what code scanning reads of it.
func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSARIF(&b, "1.2.3", sample()); err != nil {
		t.Fatal(err)
	}
	var log map[string]any
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	at := func(path ...any) any {
		var v any = log
		for _, p := range path {
			switch k := p.(type) {
			case string:
				m, ok := v.(map[string]any)
				if !ok {
					t.Fatalf("%v: no object at %v", path, k)
				}
				v = m[k]
			case int:
				l, ok := v.([]any)
				if !ok || k >= len(l) {
					t.Fatalf("%v: no element %d", path, k)
				}
				v = l[k]
			}
		}
		return v
	}
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"version"}, "2.1.0"},
		{[]any{"runs", 0, "tool", "driver", "name"}, "mantle"},
		{[]any{"runs", 0, "columnKind"}, "unicodeCodePoints"},
		{[]any{"runs", 0, "invocations", 0, "executionSuccessful"}, true},
		{[]any{"runs", 0, "invocations", 0, "toolExecutionNotifications", 0, "associatedRule", "id"}, "E404"},
		{[]any{"runs", 0, "results", 0, "ruleId"}, "T101"},
		{[]any{"runs", 0, "results", 0, "level"}, "error"},
		{[]any{"runs", 0, "results", 0, "locations", 0, "physicalLocation", "artifactLocation", "uri"}, "iam.tf"},
		{[]any{"runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"}, 60.0},
		{[]any{"runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startColumn"}, 21.0},
		{[]any{"runs", 0, "results", 0, "relatedLocations", 0, "message", "text"}, "used here"},
		{[]any{"runs", 0, "results", 0, "fixes", 0, "artifactChanges", 0, "replacements", 0, "deletedRegion", "byteOffset"}, 100.0},
		{[]any{"runs", 0, "results", 0, "fixes", 0, "artifactChanges", 0, "replacements", 0, "insertedContent", "text"}, "arn:aws:iam::"},
		{[]any{"runs", 0, "results", 1, "level"}, "note"},
		{[]any{"runs", 0, "results", 1, "locations", 0, "logicalLocations", 0, "fullyQualifiedName"}, "role web"},
	} {
		if got := at(c.path...); got != c.want {
			t.Errorf("%v: got %v, want %v", c.path, got, c.want)
		}
	}
	rules := at("runs", 0, "tool", "driver", "rules").([]any)
	for i := range at("runs", 0, "results").([]any) {
		index := int(at("runs", 0, "results", i, "ruleIndex").(float64))
		if got, want := rules[index].(map[string]any)["id"], at("runs", 0, "results", i, "ruleId"); got != want {
			t.Errorf("result %d: ruleIndex is of %v, want %v", i, got, want)
		}
		if at("runs", 0, "results", i, "message", "text") == "" {
			t.Errorf("result %d has no message", i)
		}
	}
	for _, r := range rules {
		m := r.(map[string]any)
		if l := m["defaultConfiguration"].(map[string]any)["level"]; l != "error" && l != "warning" && l != "note" {
			t.Errorf("%v: level %v", m["id"], l)
		}
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJUnit(&b, sample(), Warning); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Failures != 1 || got.Skipped != 1 || len(got.Suites) != 1 || got.Tests != len(got.Suites[0].Cases) {
		t.Fatalf("%d tests, %d failures, %d skipped", got.Tests, got.Failures, got.Skipped)
	}
	for _, c := range got.Suites[0].Cases {
		id, _, _ := strings.Cut(c.Name, " ")
		if (c.Failure != nil) != (id == "T101") || (c.Skipped != nil) != (id == "E404") {
			t.Errorf("%s: failure %v, skipped %v", id, c.Failure, c.Skipped)
		}
		if id == "C502" || id == "C504" {
			t.Errorf("%s had nothing to look at and is listed", id)
		}
		if id == "P209" && !strings.Contains(c.Out, "role web m") {
			t.Errorf("P209 is below the threshold, and its output is %q", c.Out)
		}
	}
}

func TestEdits(t *testing.T) {
	src := []byte("one\ntwo\nthree\nfour\n")
	edits := Edits([]Finding{
		{Edit: &Edit{"f", 8, 13, "THREE"}},
		{Edit: &Edit{"f", 0, 3, "ONE"}},
		{Edit: &Edit{"f", 1, 5, "overlaps"}},
		{},
	})
	got, err := Apply(src, edits["f"])
	if err != nil || string(got) != "ONE\ntwo\nTHREE\nfour\n" {
		t.Errorf("got %q, %v", got, err)
	}
	diff, err := Diff("f", src, edits["f"])
	want := "--- f\n+++ f\n@@ -1,4 +1,4 @@\n-one\n+ONE\n two\n-three\n+THREE\n four\n"
	if err != nil || diff != want {
		t.Errorf("got:\n%s\n%v\nwant:\n%s", diff, err, want)
	}
	if _, err := Apply(src[:5], edits["f"]); err == nil {
		t.Error("an edit beyond the end of the file was made")
	}
}

// TestWriteKeeps says what a repair leaves alone: the permissions of a file, a
// link to it, and a file that has changed in between.
func TestWriteKeeps(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.tf"), filepath.Join(dir, "link.tf")
	if err := os.WriteFile(real, []byte("abc"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.tf", link); err != nil {
		t.Fatal(err)
	}
	edits := map[string][]Edit{link: {{link, 1, 2, "B"}}}
	if err := Write(edits, map[string][]byte{link: []byte("xyz")}); err == nil {
		t.Error("a file that changed was written")
	}
	if err := Write(edits, map[string][]byte{link: []byte("abc")}); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(real)
	info, _ := os.Stat(real)
	target, err := os.Readlink(link)
	if string(data) != "aBc" || info.Mode().Perm() != 0o640 || err != nil || target != "real.tf" {
		t.Errorf("got %q, mode %v, link to %q (%v)", data, info.Mode(), target, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".mantle-fix-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestIgnore(t *testing.T) {
	const trust = `resource "aws_iam_role" "web" {
  name = "web"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::111122223333:root" }%s
    }]
  })
}
`
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"nothing", fmt.Sprintf(trust, ""), []string{"T107"}},
		{"above the block", "# mantle:ignore T107 nobody else is there\n" + fmt.Sprintf(trust, ""), nil},
		{"several rules", "# mantle:ignore T106, T107 nobody else is there\n" + fmt.Sprintf(trust, ""), nil},
		{"another rule", "# mantle:ignore T106 nobody else is there\n" + fmt.Sprintf(trust, ""), []string{"T107"}},
		{"beside the line", fmt.Sprintf(trust, " # mantle:ignore T107 nobody else is there"), nil},
		{"no reason", "# mantle:ignore T107\n" + fmt.Sprintf(trust, ""), []string{"A001", "T107"}},
		{"no such rule", "# mantle:ignore T999 because\n" + fmt.Sprintf(trust, ""), []string{"A001", "T107"}},
		{"another block", "# mantle:ignore T107 nobody else is there\nlocals {}\n" + fmt.Sprintf(trust, ""), []string{"T107"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("main.tf", []byte(c.src), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings(checkDir(t, ".")) {
				got = append(got, f.Rule)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// bigWorld is a plan of n resources: roles with policies, profiles, instances
// and tasks.
func bigWorld(n int) *tf.World {
	w := &tf.World{Files: map[string][]byte{}}
	add := func(kind, name string, values map[string]cty.Value, refs map[string][]string) {
		w.Resources = append(w.Resources, &tf.Resource{
			Address: kind + "." + name, Mode: "managed", Type: kind, Name: name, Values: cty.ObjectVal(values), References: refs,
			Account: "111122223333", Region: "us-west-2", Partition: "aws",
		})
	}
	s := cty.StringVal
	for i := range n / 5 {
		name := fmt.Sprintf("r%d", i)
		arn := "arn:aws:iam::111122223333:role/" + name
		service := "ec2.amazonaws.com"
		if i%2 == 0 {
			service = "ecs-tasks.amazonaws.com"
		}
		add("aws_iam_role", name, map[string]cty.Value{"name": s(name), "arn": s(arn),
			"assume_role_policy": s(`{"Version":"2012-10-17","Statement":[{"Sid":"` + name + `","Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `","AWS":"arn:aws:iam::111122223333:root"},"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}`)}, nil)
		add("aws_iam_role_policy", name, map[string]cty.Value{"name": s("p"), "role": s(name),
			"policy": s(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:HeadObject"],"Resource":"arn:aws:s3:::conf-` + name + `/*"},{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/r` + fmt.Sprint(i/2) + `"}]}`)},
			map[string][]string{"role": {"aws_iam_role." + name}})
		add("aws_iam_instance_profile", name, map[string]cty.Value{"name": s(name + "-profile"), "role": s(name)}, map[string][]string{"role": {"aws_iam_role." + name}})
		add("aws_instance", name, map[string]cty.Value{"iam_instance_profile": s(name + "-profile"), "user_data": s("#!/bin/sh\necho ECS_CLUSTER=x"),
			"metadata_options": cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"http_tokens": s("optional")})})}, nil)
		add("aws_ecs_task_definition", name, map[string]cty.Value{"family": s(name), "task_role_arn": s(arn), "execution_role_arn": s(arn),
			"container_definitions": s(`[{"name":"a","image":"i","secrets":[{"name":"DB","valueFrom":"arn:aws:ssm:us-west-2:111122223333:parameter/db"}],"environment":[{"name":"AWS_ACCESS_KEY_ID","value":"x"}]}]`)}, nil)
	}
	return w
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		e := estate.FromWorld(bigWorld(n), "plan")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			found := 0
			for b.Loop() {
				res := Run(&Input{Estate: e})
				found = len(res.Findings)
			}
			b.ReportMetric(float64(found), "findings")
		})
	}
}

func FuzzFiles(f *testing.F) {
	for _, s := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws::iam::1:root"},"Action":"sts:AssumeRole"}]}`,
		`{"Statement":{"Effect":"Allow","Action":["s3:HeadObject"],"Resource":"arn:aws:dynamodb:::table/"}}`,
		"[profile web]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = ECSContainer\n s3 =\n  a = b\n[",
		"services:\n  a:\n    environment: {AWS_PROFILE: x}\n    volumes: [./a:/root/.aws]\n",
		"apiVersion: v1\nkind: Pod\nmetadata: &a {annotations: {iam.amazonaws.com/role: x}}\nspec: {hostNetwork: true}\n",
		`{"containerDefinitions":[{"secrets":[{"valueFrom":"a"}],"environment":[{"name":"AWS_PROFILE"}]}],"networkMode":"host","taskRoleArn":"x"}`,
		"require github.com/aws/aws-sdk-go v1.44",
	} {
		for k := Policy; k <= NodePackage; k++ {
			f.Add(uint8(k), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		res := Run(&Input{Files: []File{{Path: "f", Kind: Kind(kind), Data: data}}})
		for _, x := range res.Findings {
			if x.Message == "" || x.Rule == "" {
				t.Errorf("an empty finding: %+v", x)
			}
		}
		for _, edits := range Edits(res.Findings) {
			if _, err := Apply(data, edits); err != nil {
				t.Error(err)
			}
		}
	})
}
