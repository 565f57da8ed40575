package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRoute(t *testing.T) {
	form := "application/x-www-form-urlencoded; charset=utf-8"
	for _, test := range []struct {
		name, method, url, scope string
		header                   http.Header
		body, want               string
	}{
		{"scope", "POST", "http://127.0.0.1/", "iam", nil, "", "iam"},
		{"unknown scope is kept", "POST", "http://127.0.0.1/", "monitoring", nil, "", "monitoring"},
		{"express", "GET", "http://127.0.0.1/b/k", "s3express", nil, "", "s3"},
		{"version 2 query", "GET", "http://127.0.0.1/b/k?AWSAccessKeyId=A&Signature=S&Expires=1", "", nil, "", "s3"},
		{"target", "POST", "http://127.0.0.1/", "", http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}}, "{}", "dynamodb"},
		{"form in body", "POST", "http://127.0.0.1/", "", http.Header{"Content-Type": {form}}, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "sts"},
		{"form of ec2", "POST", "http://127.0.0.1/", "", http.Header{"Content-Type": {form}}, "Action=DescribeVpcs&Version=2016-11-15", "ec2"},
		{"form in query", "GET", "http://127.0.0.1/?Action=GetUser&Version=2010-05-08", "", nil, "", "iam"},
		{"form without version", "POST", "http://sts.localhost/", "", http.Header{"Content-Type": {form}}, "Action=GetCallerIdentity", "sts"},
		{"host", "POST", "http://api.ecr.eu-west-1.amazonaws.com/", "", nil, "", "ecr"},
		{"host of a partition", "POST", "http://sts.us-iso-east-1.c2s.ic.gov/", "", nil, "", "sts"},
		{"host with FIPS", "POST", "http://sts-fips.us-east-1.amazonaws.com/", "", nil, "", "sts"},
		{"host of an account", "POST", "http://111122223333.ddb.eu-west-1.amazonaws.com/", "", nil, "", "dynamodb"},
		{"host of dual stack", "POST", "http://ec2.eusc-de-east-1.api.amazonwebservices.eu/", "", nil, "", "ec2"},
		{"host of a service that nobody has", "POST", "http://sqs.eu-west-1.amazonaws.com/", "", nil, "", "sqs"},
		{"host of a gateway", "GET", "http://a1b2.execute-api.us-isob-east-1.sc2s.sgov.gov/prod/k", "", nil, "", "a1b2.execute-api"},
		{"host of a bucket", "GET", "http://iam.photos.s3.eu-west-1.amazonaws.com/k", "", nil, "", "s3"},
		{"host of a bucket here", "GET", "http://iam.photos.s3.localhost/k", "", nil, "", "s3"},
		{"host of a server", "GET", "http://s3.us-isof-south-1.csp.hci.ic.gov/b/k", "", nil, "", "s3"},
		{"pod identity", "POST", "http://127.0.0.1/clusters/c/assume-role-for-pod-identity", "", nil, "{}", "eks-auth"},
		{"bucket", "GET", "http://127.0.0.1/bucket/key", "", nil, "", "s3"},
		{"nothing", "GET", "http://127.0.0.1/", "", nil, "", "s3"},
		{"action on a bucket is no form", "GET", "http://127.0.0.1/b?Action=GetUser&Version=2010-05-08", "", nil, "", "s3"},
	} {
		r := httptest.NewRequest(test.method, test.url, strings.NewReader(test.body))
		for k, v := range test.header {
			r.Header[k] = v
		}
		if got := Route(r, test.scope); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != test.body {
			t.Errorf("%s: the body became %q (%v)", test.name, b, err)
		}
	}
}

func TestRouteLongForm(t *testing.T) {
	body := "Action=X&Token=" + strings.Repeat("t", 3*peekLimit)
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := Route(r, ""); got != "s3" {
		t.Errorf("got %s, want s3", got)
	}
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != body {
		t.Errorf("the body lost %d bytes (%v)", len(body)-len(b), err)
	}
}

// TestSignatures compares the routing table with the models.
func TestSignatures(t *testing.T) {
	for _, s := range signatures {
		m := mustLoad(t, s.service)
		if s.target != m.target {
			t.Errorf("%s: got target %q, the model has %q", s.service, s.target, m.target)
		}
		if s.version != "" && s.version != m.version {
			t.Errorf("%s: got version %q, the model has %q", s.service, s.version, m.version)
		}
	}
}

func TestS3Operations(t *testing.T) {
	m := mustLoad(t, "s3")
	for _, test := range []struct {
		method, target, want string
		header               []string
	}{
		{"GET", "/", "ListBuckets", nil},
		{"GET", "/?x-id=ListBuckets", "ListBuckets", nil},
		{"GET", "/?max-buckets=5&prefix=", "ListBuckets", nil},
		{"PUT", "/b", "CreateBucket", nil},
		{"PUT", "/b/", "CreateBucket", nil},
		{"HEAD", "/b", "HeadBucket", nil},
		{"DELETE", "/b", "DeleteBucket", nil},
		{"GET", "/b", "ListObjects", nil},
		{"GET", "/b?prefix=&delimiter=%2F", "ListObjects", nil},
		{"GET", "/b/?prefix=&delimiter=&encoding-type=url", "ListObjects", nil},
		{"GET", "/b?list-type=2&prefix=", "ListObjectsV2", nil},
		{"GET", "/b?versions", "ListObjectVersions", nil},
		{"GET", "/b?versions=", "ListObjectVersions", nil},
		{"GET", "/b?uploads", "ListMultipartUploads", nil},
		{"GET", "/b?policy", "GetBucketPolicy", nil},
		{"GET", "/b?policyStatus", "GetBucketPolicyStatus", nil},
		{"PUT", "/b?policy=", "PutBucketPolicy", nil},
		{"DELETE", "/b?policy", "DeleteBucketPolicy", nil},
		{"GET", "/b?location", "GetBucketLocation", nil},
		{"GET", "/b?lifecycle", "GetBucketLifecycleConfiguration", nil},
		{"GET", "/b?notification", "GetBucketNotificationConfiguration", nil},
		{"GET", "/b?analytics", "ListBucketAnalyticsConfigurations", nil},
		{"GET", "/b?analytics&id=1", "GetBucketAnalyticsConfiguration", nil},
		{"GET", "/b?object-lock", "GetObjectLockConfiguration", nil},
		{"POST", "/b?delete", "DeleteObjects", nil},
		{"GET", "/b/k", "GetObject", nil},
		{"GET", "/b/k?versionId=v&partNumber=1&response-content-type=a", "GetObject", nil},
		{"GET", "/b/k?X-Amz-Signature=a&X-Amz-Algorithm=b", "GetObject", nil},
		{"GET", "/b/k?AWSAccessKeyId=A&Signature=&Expires=1", "GetObject", nil},
		{"HEAD", "/b/k", "HeadObject", nil},
		{"PUT", "/b/k?x-id=PutObject", "PutObject", nil},
		{"PUT", "/b/k", "CopyObject", []string{"X-Amz-Copy-Source", "/b/j"}},
		{"PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", nil},
		{"PUT", "/b/k?partNumber=1&uploadId=u", "UploadPartCopy", []string{"X-Amz-Copy-Source", "/b/j"}},
		{"POST", "/b/k?uploads", "CreateMultipartUpload", nil},
		{"POST", "/b/k?uploadId=u", "CompleteMultipartUpload", nil},
		{"DELETE", "/b/k?uploadId=u", "AbortMultipartUpload", nil},
		{"GET", "/b/k?uploadId=u", "ListParts", nil},
		{"DELETE", "/b/k?versionId=v", "DeleteObject", nil},
		{"GET", "/b/k?acl", "GetObjectAcl", nil},
		{"GET", "/b/k?tagging", "GetObjectTagging", nil},
		{"PUT", "/b/k?retention", "PutObjectRetention", nil},
		{"GET", "/b/k?attributes", "GetObjectAttributes", nil},
		{"GET", "/b/k?torrent", "GetObjectTorrent", nil},
		{"POST", "/b/k?restore", "RestoreObject", nil},
		{"POST", "/b/k?select&select-type=2", "SelectObjectContent", nil},
		// A sub-resource never falls through to the resource.
		{"DELETE", "/b/k?acl", "", nil},
		{"DELETE", "/b?acl", "", nil},
		{"DELETE", "/b?versioning", "", nil},
		{"HEAD", "/b?policy", "", nil},
		{"GET", "/b?uploadId=u", "", nil},
		{"PUT", "/b/k?uploadId=u", "", nil},
		{"PUT", "/b/k?partNumber=1", "", nil},
		{"PUT", "/b/k?versioning", "", nil},
		{"GET", "/b?policy&acl", "", nil},
		{"GET", "/b?list-type=3", "", nil},
		{"GET", "/b?tomorrow", "", nil},
		{"PUT", "/b/k?tomorrow=", "", nil},
		{"PUT", "/b?analytics", "", nil},
		{"POST", "/b/k", "", nil},
		{"POST", "/b", "", nil},
		{"PATCH", "/b/k", "", nil},
		{"OPTIONS", "/b/k", "", nil},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Host = "127.0.0.1:4566"
		if test.header != nil {
			r.Header.Set(test.header[0], test.header[1])
		}
		c, e := Decode(m, r, 100)
		if e != nil {
			t.Errorf("%s %s: %v", test.method, test.target, e)
			continue
		}
		if c.OpName != test.want || (c.Op == nil) != (test.want == "") {
			t.Errorf("%s %s: got %q, want %q", test.method, test.target, c.OpName, test.want)
		}
		if e := c.Unknown(); test.want == "" && e.Code != "MethodNotAllowed" {
			t.Errorf("%s %s: got %v, want MethodNotAllowed", test.method, test.target, e)
		}
	}
}

func TestS3Address(t *testing.T) {
	m := mustLoad(t, "s3").With(Options{Hosts: []string{"Sandbox.test", "aws.sandbox.test"}})
	for _, test := range []struct{ host, target, bucket, key string }{
		{"127.0.0.1:80", "/b/k", "b", "k"},
		{"[::1]:80", "/b/k", "b", "k"},
		{"sandbox.test:80", "/b/k", "b", "k"},
		{"localhost", "/b/k", "b", "k"},
		{"elsewhere.example", "/b/k", "b", "k"},
		{"s3.amazonaws.com", "/b/k", "b", "k"},
		{"s3.eu-west-1.amazonaws.com", "/b/k", "b", "k"},
		{"s3-eu-west-1.amazonaws.com", "/b/k", "b", "k"},
		{"s3.dualstack.eu-west-1.amazonaws.com", "/b/k", "b", "k"},
		{"s3.sandbox.test", "/b/k", "b", "k"},
		{"s3.localhost", "/b/k", "b", "k"},
		{"b.s3.amazonaws.com", "/k", "b", "k"},
		{"b.s3.eu-west-1.amazonaws.com", "/k/l", "b", "k/l"},
		{"b.s3.dualstack.eu-west-1.amazonaws.com", "/k", "b", "k"},
		{"b.s3-eu-west-1.amazonaws.com", "/k", "b", "k"},
		{"b.s3-accelerate.amazonaws.com", "/k", "b", "k"},
		{"a.b.c.s3.cn-north-1.amazonaws.com.cn", "/k", "a.b.c", "k"},
		{"s3.b.s3.eu-west-1.amazonaws.com", "/k", "s3.b", "k"},
		{"s3-b.s3.amazonaws.com", "/k", "s3-b", "k"},
		{"s3-b.s3.eu-west-1.amazonaws.com", "/k", "s3-b", "k"},
		{"s3-b.s3-eu-west-1.amazonaws.com", "/k", "s3-b", "k"},
		{"s3-fips.us-east-1.amazonaws.com", "/b/k", "b", "k"},
		{"b.s3-fips.dualstack.us-gov-west-1.amazonaws.com", "/k", "b", "k"},
		{"b.s3.us-iso-east-1.c2s.ic.gov", "/k", "b", "k"},
		{"s3.us-isob-east-1.sc2s.sgov.gov", "/b/k", "b", "k"},
		{"b.s3.eu-isoe-west-1.cloud.adc-e.uk", "/k", "b", "k"},
		{"b.s3.us-isof-south-1.csp.hci.ic.gov", "/k", "b", "k"},
		{"a.b.s3.eusc-de-east-1.amazonaws.eu", "/k", "a.b", "k"},
		{"sqs.eu-west-1.amazonaws.com", "/b/k", "b", "k"},
		{"s3-b.localhost", "/k", "s3-b", "k"},
		{"s3-b.sandbox.test", "/k", "s3-b", "k"},
		{"s3-b.s3.localhost:80", "/k", "s3-b", "k"},
		{"B.Sandbox.test:80", "/k", "b", "k"},
		{"b.aws.sandbox.test", "/k", "b", "k"},
		{"a.b.s3.sandbox.test", "/k", "a.b", "k"},
		{"b.localhost:4566", "/", "b", ""},
		{"b.s3.localhost", "//k", "b", "/k"},
		{"b.s3.amazonaws.com.", "/k", "b", "k"},
		// Keys are verbatim, decoded once.
		{"localhost", "/b//k", "b", "/k"},
		{"localhost", "/b/a/../c", "b", "a/../c"},
		{"localhost", "/b/a/./c//", "b", "a/./c//"},
		{"localhost", "/b/%2e%2e/c", "b", "../c"},
		{"localhost", "/b/a%2Fc", "b", "a/c"},
		{"localhost", "/b/a%252Fc", "b", "a%2Fc"},
		{"localhost", "/b/a+b", "b", "a+b"},
		{"localhost", "/b/a%20b%2B", "b", "a b+"},
		{"localhost", "/b/%F0%9F%98%80", "b", "😀"},
		{"localhost", "/b/", "b", ""},
	} {
		r := httptest.NewRequest("GET", test.target, nil)
		r.Host = test.host
		c, e := Decode(m, r, 100)
		if e != nil || c.Vars["Bucket"] != test.bucket || c.Vars["Key"] != test.key {
			t.Errorf("%s %s: got %q %q (%v), want %q %q", test.host, test.target, c.Vars["Bucket"], c.Vars["Key"], e, test.bucket, test.key)
		}
	}
	for target, want := range map[string]string{"/b/%ff": "InvalidURI", "/b?prefix=%ff": "InvalidURI", "/b?a=%zz": "InvalidURI",
		"//k": "InvalidBucketName", "///": "InvalidBucketName"} {
		r := httptest.NewRequest("GET", target, nil)
		if _, e := Decode(m, r, 100); e == nil || e.Code != want {
			t.Errorf("%s: got %v, want %s", target, e, want)
		}
	}
}
