package metapath

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for p, want := range map[string]string{
		"meta-data/placement/*":                           "",
		"meta-data/instance-id":                           "",
		"meta-data/network/interfaces/macs/*/subnet-id":   "",
		"meta-data/tags/instance/*":                       "",
		"dynamic/instance-identity/document":              "",
		"dynamic/fws/instance-monitoring":                 "",
		"meta-data/*":                                     "name the category",
		"*":                                               "name the category",
		"meta-data/place*":                                "whole segment",
		"meta-data/placement/":                            "name what is below",
		"user-data":                                       "never handed on",
		"user-data/x":                                     "never handed on",
		"meta-data/iam/info":                              "never handed on",
		"meta-data/iam/security-credentials/*":            "never handed on",
		"meta-data/identity-credentials/ec2/info":         "never handed on",
		"iam-ecs-4ab1/security-credentials/*":             "never handed on",
		"iam/security-credentials/*":                      "never handed on",
		"dynamic/instance-identity/pkcs7":                 "never handed on",
		"dynamic/instance-identity/*":                     "never handed on",
		"dynamic/*/document":                              "name the category",
		"meta-data/something-new":                         "not known to be harmless",
		"api/token":                                       "only meta-data/ and dynamic/",
		"meta-data/placement/../iam/security-credentials": "canonically",
		"meta-data//placement/region":                     "canonically",
		"meta-data/placement/%2e%2e":                      "canonically",
		"meta-data/iam;x/info":                            "canonically",
		"/meta-data/placement/region":                     "canonically",
		"":                                                "canonically",
	} {
		_, err := Parse(p)
		if got := ""; want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			if err != nil {
				got = err.Error()
			}
			t.Errorf("%q: got %q, want %q", p, got, want)
		}
	}
}

func TestAllows(t *testing.T) {
	l, err := Parse("meta-data/placement/*", "meta-data/instance-id", "meta-data/network/interfaces/macs/*/subnet-id")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"meta-data/placement/region":                                    true,
		"meta-data/placement/availability-zone/":                        true,
		"meta-data/placement/":                                          true,
		"meta-data/placement":                                           false, // IMDS redirects to the folder
		"meta-data/instance-id":                                         true,
		"meta-data/instance-id/":                                        true,
		"meta-data/network/interfaces/macs/02:29:96:8f:6a:2d/subnet-id": true,
		"meta-data/network/interfaces/macs/02:29:96:8f:6a:2d/vpc-id":    false,
		"meta-data/network/interfaces/macs/":                            false,
		"meta-data/":                                                    false,
		"meta-data/placement/region/x":                                  false,
		"meta-data/placement/../iam/info":                               false,
		"meta-data/placement/..":                                        false,
		"meta-data/iam/security-credentials/":                           false,
		"user-data":                                                     false,
		"":                                                              false,
	} {
		if got := l.Allows(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

// Whatever the patterns and the path, what is a key stays here.
func FuzzAllows(f *testing.F) {
	f.Add("meta-data/placement/*", "meta-data/placement/region")
	f.Add("meta-data/*/x", "meta-data/iam/x")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		l, err := Parse(pattern)
		if err != nil || !l.Allows(path) {
			return
		}
		for _, bad := range []string{"user-data", "iam", "identity-credentials", "..", "%", ";", "//", "\x00", "pkcs7", "signature", "rsa2048"} {
			if strings.HasPrefix(path, bad) || strings.Contains(path, "/"+bad) {
				first := strings.Split(path, "/")
				// A tag or a zone may be called anything: only the first two
				// segments and what is no name count.
				if len(first) > 2 && !strings.ContainsAny(path, "%;\x00") && !strings.Contains(path, "..") && !strings.Contains(path, "//") &&
					first[0] == "meta-data" && !strings.HasPrefix(first[1], "iam") && first[1] != "identity-credentials" {
					continue
				}
				t.Errorf("pattern %q hands on %q", pattern, path)
			}
		}
	})
}
