package wire

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// closer is a body that remembers that it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

func TestReplyBodies(t *testing.T) {
	m := mustLoad(t, "s3")
	for _, test := range []struct {
		method, target string
		out            any
		status         int
		contentType    string
		body           string
	}{
		{"GET", "/b?policy", &s3.GetBucketPolicyOutput{Policy: aws.String(`{"a":"<"}`)}, 200, "application/json", `{"a":"<"}`},
		{"PUT", "/b/k", &s3.PutObjectOutput{ETag: aws.String(`"e"`)}, 200, "", ""},
		{"PUT", "/b?policy", nil, 200, "", ""},
		{"PUT", "/b?policy", (*s3.PutBucketPolicyOutput)(nil), 200, "", ""},
		{"DELETE", "/b", nil, 204, "", ""},
		{"GET", "/b?retention", nil, 405, "application/xml", "MethodNotAllowed"},
		{"GET", "/b?tagging", nil, 200, "application/xml", `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></Tagging>`},
		{"GET", "/b?location", &s3.GetBucketLocationOutput{}, 200, "application/xml", `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`},
	} {
		c, e := Decode(m, httptest.NewRequest(test.method, test.target, nil), 100)
		if e != nil {
			t.Fatal(e)
		}
		w := httptest.NewRecorder()
		c.Reply(w, test.out)
		if w.Code != test.status || w.Header().Get("Content-Type") != test.contentType || !strings.Contains(w.Body.String(), test.body) || test.body == "" && w.Body.Len() > 0 {
			t.Errorf("%s %s: got %d %q %s, want %d %q %s", test.method, test.target, w.Code, w.Header().Get("Content-Type"), w.Body, test.status, test.contentType, test.body)
		}
		if w.Header().Get("X-Amz-Request-Id") != c.ID || len(c.ID) != 16 || w.Header().Get("X-Amz-Id-2") == "" {
			t.Errorf("%s %s: got headers %v, want both ids", test.method, test.target, w.Header())
		}
	}
}

func TestReplyStream(t *testing.T) {
	body := &closer{Reader: strings.NewReader("hello")}
	c, _ := Decode(mustLoad(t, "s3"), httptest.NewRequest("GET", "/b/k", nil), 100)
	w := httptest.NewRecorder()
	c.Reply(w, &s3.GetObjectOutput{Body: body, ContentLength: aws.Int64(5), ExpiresString: aws.String("never")})
	if w.Body.String() != "hello" || !body.closed || w.Header().Get("Content-Length") != "5" || w.Header().Get("Expires") != "never" {
		t.Errorf("got %q %v, closed %t", w.Body, w.Header(), body.closed)
	}
}

func TestReplyWrongType(t *testing.T) {
	c, e := post(mustLoad(t, "sts"), "Action=GetCallerIdentity&Version=2011-06-15")
	if e != nil {
		t.Fatal(e)
	}
	for _, out := range []any{"text", struct{}{}, &struct{ Account *int }{}} {
		w := httptest.NewRecorder()
		c.Reply(w, out)
		if w.Code != 500 || !strings.Contains(w.Body.String(), "<Code>InternalFailure</Code>") {
			t.Errorf("%T: got %d %s, want InternalFailure", out, w.Code, w.Body)
		}
	}
	if e := c.Input(sts.GetCallerIdentityInput{}); e == nil || e.Status != 500 {
		t.Errorf("got %v, want InternalFailure", e)
	}
}

func TestFail(t *testing.T) {
	for _, test := range []struct {
		service, operation string
		e                  *Error
		status             int
		body               []string
	}{
		{"iam", "GetRole", Fail("NoSuchEntity", 0, "x"), 404, []string{"<Type>Sender</Type>", "<Code>NoSuchEntity</Code>"}},
		{"iam", "GetRole", Fail("ServiceFailure", 0, "x"), 500, []string{"<Type>Receiver</Type>"}},
		{"iam", "GetRole", Fail("Odd", 0, "<%s>", "&"), 400, []string{"<Message>&lt;&amp;&gt;</Message>"}},
		{"iam", "GetRole", Fail("AccessDenied", 403, "100% no"), 403, []string{"<Message>100% no</Message>"}},
		{"dynamodb", "GetItem", Fail("ValidationException", 0, "x"), 400, []string{`{"__type":"com.amazon.coral.validate#ValidationException","message":"x"}`}},
		{"dynamodb", "GetItem", Fail("AccessDeniedException", 0, "x"), 400, []string{`{"__type":"com.amazon.coral.service#AccessDeniedException","message":"x"}`}},
		{"ecs", "RunTask", Fail("ClientException", 0, "x"), 400, []string{`{"__type":"ClientException","message":"x"}`}},
		{"ecs", "RunTask", Fail("UnknownOperationException", 0, ""), 400, []string{`{"__type":"UnknownOperationException"}`}},
		{"ecr", "DescribeImages", Fail("ServerException", 0, "x").With("a", "b"), 500, []string{`,"a":"b"}`}},
	} {
		m := mustLoad(t, test.service)
		var c *Call
		if m.Protocol() == "json" {
			c, _ = target(m, test.operation, "{}")
		} else {
			c, _ = post(m, "Action="+test.operation+"&Version="+m.Version())
		}
		w := httptest.NewRecorder()
		w.Header().Set("ETag", "stale")
		c.Fail(w, test.e)
		if w.Code != test.status || w.Header().Get("ETag") != "" {
			t.Errorf("%v: got %d %v, want %d", test.e, w.Code, w.Header(), test.status)
		}
		for _, s := range test.body {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%v: got %s, want %s", test.e, w.Body, s)
			}
		}
		if id := w.Header().Get("X-Amzn-Requestid"); id != c.ID || len(id) != 36 {
			t.Errorf("got request id %q, want %q", id, c.ID)
		}
	}
	r := httptest.NewRequest("HEAD", "/b/k", nil)
	c, _ := Decode(mustLoad(t, "s3"), r, 100)
	w := httptest.NewRecorder()
	c.Fail(w, Fail("NoSuchKey", 404, "x"))
	if w.Code != 404 || w.Body.Len() != 0 {
		t.Errorf("HEAD: got %d %q, want 404 without body", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	c.Fail(w, Fail("NotModified", 304, "x"))
	if w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("got %d %q, want 304 without body", w.Code, w.Body)
	}
}

func TestErrorWith(t *testing.T) {
	e := Fail("C", 400, "m")
	f := e.With("a", "1").With("b", "2")
	if len(e.Detail) != 0 || len(f.Detail) != 2 || f.Error() != "C: m" {
		t.Errorf("got %v and %v", e, f)
	}
	var w *Error
	if !errors.As(error(f), &w) || w != f {
		t.Error("an Error is not found by errors.As")
	}
}

// broken is a connection that ends in the middle of a body.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBrokenBody(t *testing.T) {
	r := httptest.NewRequest("POST", "/", broken{})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	Route(r, "")
	if _, e := Decode(mustLoad(t, "iam"), r, 100); e == nil || e.Code != "IncompleteBody" || e.Status != http.StatusBadRequest {
		t.Errorf("got %v, want IncompleteBody", e)
	}
}

// TestEmptyLists tells nil from empty, as IAM's lists need.
func TestEmptyLists(t *testing.T) {
	c, _ := post(mustLoad(t, "iam"), "Action=ListUsers&Version=2010-05-08")
	for _, test := range []struct {
		out  *iam.ListUsersOutput
		want string
	}{
		{&iam.ListUsersOutput{}, `<ListUsersResult><IsTruncated>false</IsTruncated></ListUsersResult>`},
		{nil, `<ListUsersResult></ListUsersResult>`},
	} {
		w := httptest.NewRecorder()
		c.Reply(w, test.out)
		if !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("got %s, want %s", w.Body, test.want)
		}
	}
}
