package record

import (
	"fmt"
	"strings"
)

// pattern is a glob over ARNs: "*" stands for any characters, slashes and
// colons included, as in a policy's Resource.
type pattern struct {
	text  string
	parts []string // between the stars
}

// newPattern refuses a pattern that would say more than the user can mean: one
// that leaves the service open, or that has no star.
func newPattern(text string) (pattern, error) {
	f := strings.SplitN(text, ":", 6)
	switch {
	case len(f) != 6 || f[0] != "arn":
		return pattern{}, fmt.Errorf("%q is no pattern of ARNs; write one such as arn:aws:s3:::uploads-*/*", text)
	case strings.Contains(f[1]+f[2], "*") || f[1] == "" || f[2] == "":
		return pattern{}, fmt.Errorf("%q leaves the partition or the service open; name them", text)
	case !strings.Contains(text, "*"):
		return pattern{}, fmt.Errorf("%q has no *, so it generalises nothing", text)
	case strings.ContainsAny(text, "?$"):
		return pattern{}, fmt.Errorf("%q has a ? or a $; only * is known here", text)
	}
	return pattern{text, strings.Split(text, "*")}, nil
}

// wildcard is a resource of a policy as a pattern.
func wildcard(resource string) pattern { return pattern{resource, strings.Split(resource, "*")} }

func (p pattern) covers(s string) bool {
	if len(p.parts) == 1 {
		return s == p.text
	}
	rest, ok := strings.CutPrefix(s, p.parts[0])
	if !ok {
		return false
	}
	for _, part := range p.parts[1 : len(p.parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, p.parts[len(p.parts)-1])
}

// generalize is the first pattern that covers the resource, or the resource.
// What is in it already ("*" and the like in a name) is taken literally nowhere,
// since resources of calls hold none.
func generalize(resource string, patterns []pattern) string {
	for _, p := range patterns {
		if p.covers(resource) {
			return p.text
		}
	}
	return resource
}
