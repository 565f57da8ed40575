package config

import (
	"strings"
	"testing"
)

// Text that nests as deep as memory allows is refused before it can fill the
// stack, which no recover could help.
func TestNesting(t *testing.T) {
	const n = 1 << 12
	for name, src := range map[string]string{
		"brackets":     "base {\n  region = " + strings.Repeat("[", n),
		"blocks":       strings.Repeat("a {\n", n),
		"templates":    `base { region = "` + strings.Repeat(`${"`, n),
		"unary":        "base {\n  region = " + strings.Repeat("!", n) + "true\n}\n",
		"sum":          "base {\n  region = 1" + strings.Repeat("+1", n) + "\n}\n",
		"conditionals": "base {\n  region = " + strings.Repeat("true ? 1 : ", n) + "1\n}\n",
		"index":        "base {\n  region = path" + strings.Repeat("[0]", n) + "\n}\n",
		"directives":   `base { region = "` + strings.Repeat(`%{if true}`, n) + `" }`,
		"parentheses":  "base {\n  region = (\n" + strings.Repeat("!\n", n) + "true)\n}\n",
	} {
		_, err := Parse("mantle.hcl", []byte(src), sealed())
		if err == nil || !strings.Contains(err.Error(), "levels deep") {
			t.Errorf("%s: got %v, want a refusal for depth", name, err)
		}
	}
	for name, src := range map[string]string{
		"brackets": strings.Repeat("[", n),
		"objects":  strings.Repeat(`{"a":`, n),
		"string":   `{"base": {"region": "${` + strings.Repeat("[", n) + `"}}`,
	} {
		_, err := Parse("mantle.hcl.json", []byte(src), sealed())
		if err == nil || !strings.Contains(err.Error(), "levels deep") {
			t.Errorf("JSON %s: got %v, want a refusal for depth", name, err)
		}
	}
	var many strings.Builder
	many.WriteString("role \"a\" { arn = \"arn:aws:iam::111122223333:role/a\" }\n")
	for i := range 1000 {
		many.WriteString("workload \"w" + strings.Repeat("x", i%50) + "-" + string(rune('a'+i/50)) + "\" {\n  role = true ? role.a : role.a\n}\n")
	}
	c, err := Parse("mantle.hcl", []byte(many.String()), sealed())
	if err != nil {
		t.Fatalf("a long file is refused: %v", err)
	}
	if len(c.Workloads) != 1000 {
		t.Errorf("got %d workloads, want 1000", len(c.Workloads))
	}
}
