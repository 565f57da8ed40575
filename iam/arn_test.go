package iam

import (
	"fmt"
	"testing"
)

func TestParseARN(t *testing.T) {
	tests := []struct {
		in   string
		want ARN
		ok   bool
	}{
		{"arn:aws:s3:::bucket/a:b/c", ARN{"aws", "s3", "", "", "bucket/a:b/c"}, true},
		{"arn:aws-cn:iam::111122223333:role/p/r", ARN{"aws-cn", "iam", "", "111122223333", "role/p/r"}, true},
		{"arn:aws:sqs", ARN{}, false},
		{"aws:s3:::bucket:x", ARN{}, false},
		{"", ARN{}, false},
	}
	for _, test := range tests {
		got, err := ParseARN(test.in)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %+v, %v; want %+v", test.in, got, err, test.want)
		}
		if test.ok && got.String() != test.in {
			t.Errorf("%q printed as %q", test.in, got)
		}
	}
	if got := (ARN{}).String(); got != "" {
		t.Errorf("the zero ARN is %q", got)
	}
}

func ExampleParseARN() {
	a, err := ParseARN("arn:aws:iam::111122223333:role/ops/Builder")
	fmt.Println(a.Account, a.Resource, err)
	// Output: 111122223333 role/ops/Builder <nil>
}
