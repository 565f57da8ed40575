package hostroles

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/mantle-iam/mantle/broker"
)

var update = flag.Bool("update", false, "write the configurations that are wanted")

func TestTerraform(t *testing.T) {
	for name, s := range map[string]Setup{
		"made":   {Host: host, Source: "../modules", Region: "eu-west-1"},
		"exists": {Host: host, Exists: true, Source: "git::https://example.org/mantle.git//modules"},
	} {
		got, err := Terraform(Steps(loans()), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, diags := hclparse.NewParser().ParseHCL(got, name+".tf"); diags.HasErrors() {
			t.Errorf("%s: %v\n%s", name, diags, got)
		}
		file := "testdata/" + name + ".tf"
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestTerraformRefuses(t *testing.T) {
	a, b := role("111122223333", "a"), role("111122223333", "b")
	for _, c := range []struct {
		host  string
		loans []broker.Loan
		want  string
	}{
		{"devbox", loans(), `"devbox" is not the ARN of a role`},
		{host, []broker.Loan{{Role: a, Chain: []broker.Hop{{Role: b}}}, {Role: b, Chain: []broker.Hop{{Role: a}}}}, "in a circle"},
	} {
		_, err := Terraform(Steps(c.loans), Setup{Host: c.host, Source: "../modules"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestQuoted: nothing in a name is taken for Terraform's own.
func TestQuoted(t *testing.T) {
	for s, want := range map[string]string{`a"b`: `"a\"b"`, "${x}": `"$${x}"`, "%{x}": `"%%{x}"`} {
		if got := quoted(s); got != want {
			t.Errorf("quoted(%s) = %s, want %s", s, got, want)
		}
	}
}
