package iam

import (
	"fmt"
	"strings"
)

// An ARN is an Amazon Resource Name in its six parts:
//
//	arn:partition:service:region:account:resource
//
// Region and Account are empty where the service leaves them out (S3 buckets
// carry neither, IAM carries no region). Resource is everything after the fifth
// colon, colons and slashes included.
//
// See "Identify AWS resources with Amazon Resource Names (ARNs)" in the IAM
// User Guide.
type ARN struct {
	Partition string // aws, aws-cn, aws-us-gov, …
	Service   string
	Region    string
	Account   string // 12 digits, "aws" for what AWS owns, or empty
	Resource  string
}

// ParseARN splits s into the parts of an ARN. It fails if s has fewer than six
// fields or does not start with "arn:".
func ParseARN(s string) (ARN, error) {
	f := strings.SplitN(s, ":", 6)
	if len(f) != 6 || f[0] != "arn" {
		return ARN{}, fmt.Errorf("%q is not an ARN: want arn:partition:service:region:account:resource", s)
	}
	return ARN{Partition: f[1], Service: f[2], Region: f[3], Account: f[4], Resource: f[5]}, nil
}

// String is the ARN as AWS writes it. The zero ARN is the empty string.
func (a ARN) String() string {
	if a == (ARN{}) {
		return ""
	}
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// colons holds the byte offsets of the first five colons of an ARN.
type colons [5]int32

// splitARN finds the first five colons of s, reporting false if there are fewer.
func splitARN(s string, c *colons) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] == ':' {
			c[n] = int32(i)
			if n++; n == len(c) {
				return true
			}
		}
	}
	return false
}

// field is field i (0–5) of the ARN s whose colons are c.
func (c *colons) field(s string, i int) string {
	switch i {
	case 0:
		return s[:c[0]]
	case 5:
		return s[c[4]+1:]
	}
	return s[c[i-1]+1 : c[i]]
}
