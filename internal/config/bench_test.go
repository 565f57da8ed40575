package config

import (
	"fmt"
	"strings"
	"testing"
)

// A host with as many workloads as a large machine has processes.
func BenchmarkParse10k(b *testing.B) {
	var src strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&src, "role \"r%d\" {\n  arn = \"arn:aws:iam::111122223333:role/r%[1]d\"\n}\nworkload \"w%[1]d\" {\n  role = role.r%[1]d\n  match {\n    uid = %[1]d\n  }\n}\n", i)
	}
	text := []byte(src.String())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		c, err := Parse("mantle.hcl", text, sealed())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Rules(); err != nil {
			b.Fatal(err)
		}
	}
}
