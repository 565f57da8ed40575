package check

import (
	"regexp"
	"strings"
)

// A program is what a go.mod or package.json says of the AWS SDK in use.
type program struct {
	path    string
	sdk     string // "aws-sdk-go v1", "aws-sdk v2 for JavaScript"
	version string
}

var goSDK = regexp.MustCompile(`(?m)^\s*(?:require\s+)?github\.com/aws/aws-sdk-go\s+v([0-9.]+)`)

func (f *facts) readPrograms() {
	for _, x := range f.files {
		switch x.Kind {
		case GoModule:
			if m := goSDK.FindSubmatch(x.Data); m != nil {
				f.programs = append(f.programs, program{x.Path, sdkGo, string(m[1])})
			}
		case NodePackage:
			root, err := readNode(x.Data)
			if err != nil {
				continue
			}
			if v := root.get("dependencies").str("aws-sdk"); v != "" {
				f.programs = append(f.programs, program{x.Path, sdkJS, strings.TrimLeft(v, "^~>=v ")})
			}
		}
	}
}

const (
	sdkGo = "aws-sdk-go v1"
	sdkJS = "aws-sdk v2 for JavaScript"
)

// older compares dotted versions.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if len(x[i]) != len(y[i]) {
			return len(x[i]) < len(y[i])
		}
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
