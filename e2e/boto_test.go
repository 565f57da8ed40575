//go:build e2e

package e2e

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestBoto3 runs a Python program with boto3 as the account's administrator.
func TestBoto3(t *testing.T) {
	python := tool(t, "python3")
	a := start(t)
	var got map[string]any
	out := must(t, a.env("dev"), "python", python, "storage.py")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	want := map[string]any{
		"trust":                            true,
		"without external id":              "AccessDenied",
		"wrong external id":                "AccessDenied",
		"identity":                         "arn:aws:sts::111122223333:assumed-role/py/x1",
		"put own prefix":                   "ok",
		"put other prefix":                 "AccessDenied",
		"list own prefix":                  []any{"a/1"},
		"list all":                         "AccessDenied",
		"missing key without ListBucket":   "AccessDenied",
		"missing key with ListBucket":      "NoSuchKey",
		"tag over the role's":              "ok",
		"session policy get":               "ok",
		"session policy put":               "AccessDenied",
		"multipart":                        true,
		"range":                            true,
		"presigned by the default version": true,
		"presigned":                        "one",
		"if-none-match":                    "PreconditionFailed",
		"delete bucket in use":             "BucketNotEmpty",
		"versions":                         []any{"1", "2"},
		"deleted":                          "NoSuchKey",
		"pages of roles":                   true,
		"details":                          []any{"py"},
		"key info":                         "111122223333",
		"session token":                    "ok",
	}
	for k, w := range want {
		if !reflect.DeepEqual(got[k], w) {
			t.Errorf("%s: got %v, want %v", k, got[k], w)
		}
	}
	for k := range got {
		if _, known := want[k]; !known {
			t.Errorf("%s: the program checks it and this test does not", k)
		}
	}
}
