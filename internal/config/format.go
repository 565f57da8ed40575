package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns the file in its canonical layout, which is that of
// `terraform fmt`; a file is formatted if Format returns what it was given.
// The JSON form is returned as it is. The error is *[Error], for a file whose
// syntax is broken.
func Format(name string, src []byte) ([]byte, error) {
	if isJSON(name) {
		return src, nil
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		ps := problems{files: map[string][]byte{name: src}, first: name}
		ps.addHCL(diags)
		return nil, ps.err()
	}
	return hclwrite.Format(src), nil
}
