// Package metapath knows which paths of EC2's instance metadata may be handed
// on from a real instance to the workloads on it.
//
// Most of what is there describes the instance and is harmless. Some of it is a
// key to something: the credentials of the instance's role, of the instance
// itself and of every ECS task on it, and signatures that prove to others that
// their bearer is this instance. Those are never handed on, whatever a
// configuration says; and a category that this package has never heard of is
// taken for one of them, since AWS adds new ones.
//
//	https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
package metapath

import (
	"fmt"
	"slices"
	"strings"
)

// categories are those of meta-data/ that describe and do not authorize.
var categories = [...]string{
	"ami-id", "ami-launch-index", "ami-manifest-path", "ancestor-ami-ids", "autoscaling", "block-device-mapping",
	"events", "hostname", "instance-action", "instance-id", "instance-life-cycle", "instance-type", "ipv6",
	"kernel-id", "local-hostname", "local-ipv4", "mac", "metrics", "network", "placement", "product-codes",
	"profile", "public-hostname", "public-ipv4", "public-keys", "ramdisk-id", "reservation-id", "security-groups",
	"services", "spot", "system", "tags",
}

// Blocked says why a path may not be handed on, and is "" if it may. The path
// starts after the version: "meta-data/placement/region".
func Blocked(path string) string {
	seg := strings.Split(strings.TrimSuffix(path, "/"), "/")
	at := func(i int) string {
		if i < len(seg) {
			return seg[i]
		}
		return ""
	}
	if slices.ContainsFunc(seg, func(s string) bool { return s == "" || s == "." || s == ".." || strings.ContainsFunc(s, odd) }) {
		return "it is not spelled canonically"
	}
	switch at(0) {
	case "user-data":
		return "user data often holds secrets of the whole host"
	case "meta-data":
	case "dynamic":
		switch {
		case at(1) == "fws" && len(seg) > 2, at(1) == "instance-identity" && at(2) == "document" && len(seg) == 3:
			return ""
		case at(1) == "instance-identity" && len(seg) > 2:
			return "it proves to others that its bearer is this instance"
		}
		return "of dynamic/, only instance-identity/document and fws/ are known to be harmless"
	default:
		if strings.HasPrefix(at(0), "iam") {
			return "it holds the credentials of the host's ECS tasks"
		}
		return "only meta-data/ and dynamic/ are known"
	}
	switch c := at(1); {
	case c == "iam":
		return "it holds the credentials of the host's own role"
	case c == "identity-credentials":
		return "it holds credentials of the instance itself"
	case c == "":
		return "it is not one category"
	case !slices.Contains(categories[:], c):
		return fmt.Sprintf("meta-data/%s is not known to be harmless", c)
	}
	return ""
}

// odd reports whether c could be read differently by another parser.
func odd(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~:@+=,", c))
}

// List is a set of patterns of paths that may be handed on.
type List [][]string

// Parse reads patterns: paths after the version in which a segment "*" stands
// for any one segment. The error says what is wrong with the first bad one.
func Parse(patterns ...string) (List, error) {
	var l List
	for _, p := range patterns {
		seg := strings.Split(p, "/")
		for i, s := range seg {
			if s != "*" && strings.Contains(s, "*") {
				return nil, fmt.Errorf("%q: * stands for a whole segment of the path", p)
			}
			if s == "*" && i < 2 {
				return nil, fmt.Errorf("%q: name the category, as in meta-data/placement/*", p)
			}
		}
		if strings.HasSuffix(p, "/") {
			return nil, fmt.Errorf("%q: name what is below it, as in %s*", p, p)
		}
		// A star is as harmless as the harmless name in its place; where it
		// could be something else too, the path decides again.
		if why := Blocked(strings.ReplaceAll(p, "*", "x")); why != "" {
			return nil, fmt.Errorf("%q is never handed on: %s", p, why)
		}
		l = append(l, seg)
	}
	return l, nil
}

// Allows reports whether a path may be handed on: a pattern covers it, or it is
// the listing of a folder of which a pattern covers every entry; and it is not
// blocked.
func (l List) Allows(path string) bool {
	if Blocked(path) != "" {
		return false
	}
	bare, folder := strings.CutSuffix(path, "/")
	seg := strings.Split(bare, "/")
	return slices.ContainsFunc(l, func(p []string) bool {
		if folder && len(p) == len(seg)+1 && p[len(seg)] == "*" {
			p = p[:len(seg)]
		}
		return slices.EqualFunc(p, seg, func(want, have string) bool { return want == "*" || want == have })
	})
}
