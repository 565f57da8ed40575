package ecr

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func request(method, host, path string) *http.Request {
	return &http.Request{Method: method, Host: host, URL: &url.URL{Path: path}, Header: http.Header{}}
}

// TestAsk: which operation, of which repository, a request stands for.
func TestAsk(t *testing.T) {
	const named = "/v2/111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/"
	digest := "sha256:" + strings.Repeat("0", 64)
	s := New(nil, Options{})
	for _, c := range []struct{ method, host, path, want string }{
		{"GET", "", "/v2", ""},
		{"GET", "", "/v2/", ""},
		{"GET", "127.0.0.1:4566", named + "app/manifests/v1", "BatchGetImage 111122223333/cn-north-1/app v1"},
		{"HEAD", "", named + "a/b/manifests/" + digest, "BatchGetImage 111122223333/cn-north-1/a/b " + digest},
		{"PUT", "111122223333.dkr.ecr.us-west-2.amazonaws.com", "/v2/a/b/manifests/v1", "PutImage 111122223333/us-west-2/a/b v1"},
		{"PUT", "111122223333.DKR.ecr.us-west-2.localhost:4566", "/v2/a/b/manifests/v1", "PutImage 111122223333/us-west-2/a/b v1"},
		{"HEAD", "", named + "app/blobs/" + digest, "BatchCheckLayerAvailability 111122223333/cn-north-1/app " + digest},
		{"GET", "", named + "app/blobs/" + digest, "GetDownloadUrlForLayer 111122223333/cn-north-1/app " + digest},
		{"POST", "", named + "app/blobs/uploads/", "InitiateLayerUpload 111122223333/cn-north-1/app uploads"},
		{"POST", "", named + "app/blobs/uploads", "InitiateLayerUpload 111122223333/cn-north-1/app uploads"},
		{"PATCH", "", named + "blobs/uploads/blobs/uploads/x", "UploadLayerPart 111122223333/cn-north-1/blobs/uploads x"},
		{"GET", "", named + "app/blobs/uploads/x", "UploadLayerPart 111122223333/cn-north-1/app x"},
		{"PUT", "", named + "app/blobs/uploads/x", "CompleteLayerUpload 111122223333/cn-north-1/app x"},
		{"GET", "", named + "app/tags/list", "ListImages 111122223333/cn-north-1/app list"},
		{"GET", "", named + "app/blobs/sha256:0", "DIGEST_INVALID"},
		{"GET", "", named + "app/referrers/" + digest, "UNSUPPORTED"},
		{"DELETE", "", named + "app/blobs/" + digest, "UNSUPPORTED"},
		{"GET", "", "/v2/_catalog", "UNSUPPORTED"},
		{"GET", "", "/v2/manifests/v1", "UNSUPPORTED"},
		{"GET", "", "/v2/app/manifests/v1", "NAME_UNKNOWN"},
		{"GET", "", strings.TrimSuffix(named, "/") + "/manifests/v1", "NAME_UNKNOWN"},
		{"GET", "", named + "app:x/manifests/v1", "NAME_INVALID"},
		{"PUT", "111122223333.dkr.ecr.us-west-2.amazonaws.com", "/v2//blobs/uploads/0", "NAME_INVALID"},
		{"PUT", "", named + "app/manifests/-", "TAG_INVALID"},
		{"PUT", "", named + "app/manifests/sha512:0", "TAG_INVALID"},
		{"GET", "", "/v2/111122223333.dkr.ecr.us-west-2.example.com/app/manifests/v1", "NAME_UNKNOWN"},
	} {
		a, fault := s.Ask(request(c.method, c.host, c.path))
		got := a.Operation.Name
		if fault != nil {
			got = fault.Code
		} else if to, ok := a.Input.(*target); ok {
			got += " " + to.key() + " " + to.ref
		}
		if got != c.want {
			t.Errorf("%s %s%s: got %s, want %s", c.method, c.host, c.path, got, c.want)
		}
	}
}

func TestIsRegistry(t *testing.T) {
	for _, c := range []struct {
		host, path, auth, query string
		want                    bool
	}{
		{"127.0.0.1:4566", "/v2/", "", "", true},
		{"127.0.0.1:4566", "/v2", "basic eDp5", "", true},
		{"host.docker.internal:4566", "/v2/x", "", "", true},
		{"111122223333.dkr.ecr.us-west-2.amazonaws.com", "/v2/x", "", "", true},
		{"127.0.0.1:4566", "/v20/", "", "", false},
		{"127.0.0.1:4566", "/bucket/v2/", "", "", false},
		{"127.0.0.1:4566", "/v2/x", "AWS4-HMAC-SHA256 Credential=…", "", false},
		{"127.0.0.1:4566", "/v2/x", "", "X-Amz-Signature=x", false},
		{"127.0.0.1:4566", "/v2/x", "", "AWSAccessKeyId=x", false},
		{"bucket.s3.localhost:4566", "/v2/x", "", "", false},
		{"bucket.s3-us-west-2.amazonaws.com", "/v2/x", "", "", false},
		{"bucket.s3.us-west-2.api.aws", "/v2/x", "", "", false},
		{"lambda.us-west-2.amazonaws.com", "/v2/x", "", "", false},
	} {
		r := request("GET", c.host, c.path)
		r.URL.RawQuery = c.query
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
		}
		if got := IsRegistry(r); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// FuzzAsk: no path is answered with anything but an operation of a named
// repository or an error of the protocol.
func FuzzAsk(f *testing.F) {
	f.Add("GET", "", "/v2/111122223333.dkr.ecr.us-west-2.amazonaws.com/app/manifests/v1")
	f.Add("PUT", "111122223333.dkr.ecr.us-west-2.x", "/v2/app/blobs/uploads/1")
	f.Add("GET", "", "/v2//blobs/")
	s := New(nil, Options{})
	f.Fuzz(func(t *testing.T, method, host, path string) {
		r := request(method, host, path)
		if !IsRegistry(r) {
			return
		}
		a, fault := s.Ask(r)
		switch {
		case fault != nil:
			w := httptest.NewRecorder()
			FailRegistry(w, r, fault)
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s %q: status %d", method, path, w.Code)
			}
		case a.Operation.Name != "":
			to := a.Input.(*target)
			if len(to.account) != 12 || to.region == "" || !names.MatchString(to.name) || to.ref == "" || a.Operation.Serve == nil || a.Operation.Checks == nil {
				t.Errorf("%s %q: %s of %+v", method, path, a.Operation.Name, to)
			}
		}
	})
}
