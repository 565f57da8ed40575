package wire

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

func mustLoad(t testing.TB, service string) *Model {
	t.Helper()
	m, err := Load(service)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		service, protocol, version, operation string
	}{
		{"sts", "query", "2011-06-15", "AssumeRole"},
		{"iam", "query", "2010-05-08", "CreateRole"},
		{"autoscaling", "query", "2011-01-01", "DescribeAutoScalingGroups"},
		{"ec2", "ec2", "2016-11-15", "RunInstances"},
		{"ecs", "json", "2014-11-13", "RunTask"},
		{"ecr", "json", "2015-09-21", "GetAuthorizationToken"},
		{"dynamodb", "json", "2012-08-10", "PutItem"},
		{"eks-auth", "rest-json", "2023-11-26", "AssumeRoleForPodIdentity"},
		{"s3", "rest-xml", "2006-03-01", "PutObject"},
	} {
		m := mustLoad(t, test.service)
		if m.Name() != test.service || m.Protocol() != test.protocol || m.Version() != test.version || m.Operation(test.operation) == nil {
			t.Errorf("got %s %s %s, want %v", m.Name(), m.Protocol(), m.Version(), test)
		}
		if again := mustLoad(t, test.service); again != m {
			t.Errorf("%s was parsed twice", test.service)
		}
		if m.Operation("NoSuchOperation") != nil {
			t.Errorf("%s has an operation that AWS has not", test.service)
		}
	}
	if _, err := Load("nosuch"); err == nil || !strings.Contains(err.Error(), "dynamodb") {
		t.Errorf("got %v, want an error that lists the services", err)
	}
}

// TestModelSums compares the embedded models with what the generator wrote.
func TestModelSums(t *testing.T) {
	f, err := os.Open("models/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		want[name] = sum
	}
	for _, s := range Services() {
		z, err := modelFiles.Open("models/" + s + ".json.gz")
		if err != nil {
			t.Fatal(err)
		}
		g, err := gzip.NewReader(z)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, g); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)); got != want[s+".json"] {
			t.Errorf("%s: the model's checksum is %s, SHA256SUMS has %q: run go generate", s, got, want[s+".json"])
		}
	}
}

// TestFields compares the SDK's structs with the models: a member that one
// side lacks is a member that is lost on the way. What came to the API after
// the models is listed in testdata/newer.txt.
func TestFields(t *testing.T) {
	text, err := os.ReadFile("testdata/newer.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	var got []string
	for service, client := range map[string]any{"sts": &sts.Client{}, "iam": &iam.Client{}, "s3": &s3.Client{}} {
		m := mustLoad(t, service)
		v := reflect.TypeOf(client)
		for i := range v.NumMethod() {
			f := v.Method(i)
			op := m.Operation(f.Name)
			if op == nil {
				if f.Type.NumIn() == 4 { // receiver, context, input, options
					got = append(got, service+" "+f.Name)
				}
				continue
			}
			for _, p := range []struct {
				s *shape
				t reflect.Type
			}{{op.input, f.Type.In(2).Elem()}, {op.output, f.Type.Out(0).Elem()}} {
				for j := range p.t.NumField() {
					field := p.t.Field(j)
					if !field.IsExported() || field.Type == reflect.TypeFor[middleware.Metadata]() || field.Name == "ExpiresString" {
						continue
					}
					if p.s == nil || p.s.byName[field.Name] == nil && p.s.byName[strings.ToLower(field.Name[:1])+field.Name[1:]] == nil {
						got = append(got, service+" "+p.t.Name()+"."+field.Name)
					}
				}
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the models lack:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheck(t *testing.T) {
	m := mustLoad(t, "sts")
	if err := m.Check("AssumeRole", &sts.AssumeRoleInput{}, &sts.AssumeRoleOutput{}); err != nil {
		t.Error(err)
	}
	type wrong struct{ RoleArn *int }
	for _, test := range []struct {
		operation string
		in        any
		want      string
	}{
		{"AssumeRole", &wrong{}, "RoleArn: *int does not hold shape arnType"},
		{"AssumeRole", sts.AssumeRoleInput{}, "want a pointer to a struct"},
		{"Nothing", nil, "sts has no operation Nothing"},
	} {
		if err := m.Check(test.operation, test.in, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
