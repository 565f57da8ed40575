package wire

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// signature of a model on the wire, for requests that do not say which
// service they are for. Kept apart from the models so that routing one
// request does not parse nine; a test compares the two.
var signatures = []struct{ service, target, version, host string }{
	{"sts", "", "2011-06-15", "sts."},
	{"iam", "", "2010-05-08", "iam."},
	{"ec2", "", "2016-11-15", "ec2."},
	{"autoscaling", "", "2011-01-01", "autoscaling."},
	{"dynamodb", "DynamoDB_20120810", "", "dynamodb."},
	{"ecs", "AmazonEC2ContainerServiceV20141113", "", "ecs."},
	{"ecr", "AmazonEC2ContainerRegistry_V20150921", "", "api.ecr."},
	{"eks-auth", "", "", "eks-auth."},
}

// peekLimit bounds how much of an unsigned form is read to find its version.
// AssumeRoleWithWebIdentity carries a token of up to 20,000 characters, a
// SAML assertion has up to 100,000.
const peekLimit = 256 << 10

// Route names the service that a request is for, as the first of these
// tells: the service of its credential scope (scopeService, "" if the
// request is not signed), parameters of signature version 2 in the query
// (S3), the prefix of X-Amz-Target, Action and Version of a form, the host
// name, the path. What nothing claims is for S3. The name need not be one
// that Load knows.
func Route(r *http.Request, scopeService string) string {
	switch scopeService {
	case "":
	case "s3express", "s3-object-lambda":
		return "s3"
	default:
		return scopeService
	}
	query := r.URL.Query()
	if query.Has("AWSAccessKeyId") && query.Has("Signature") {
		return "s3"
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, _, _ := strings.Cut(target, ".")
		for _, s := range signatures {
			if s.target == prefix {
				return s.service
			}
		}
	}
	if r.URL.Path == "/" || r.URL.Path == "" {
		if s := routeForm(r, query); s != "" {
			return s
		}
	}
	if s := serviceOfHost(r.Host); s != "" {
		return s
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/clusters/") && strings.HasSuffix(r.URL.Path, "/assume-role-for-pod-identity") {
		return "eks-auth"
	}
	return "s3"
}

// routeForm looks for Action and Version in the query or in a form, whose
// body it puts back.
func routeForm(r *http.Request, query url.Values) string {
	form := query
	if !form.Has("Action") && r.Method == http.MethodPost && r.Body != nil &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		var b bytes.Buffer
		_, err := b.ReadFrom(io.LimitReader(r.Body, peekLimit))
		rest := io.Reader(r.Body)
		if err != nil {
			rest = failing{err}
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(b.Bytes()), rest), r.Body}
		// What follows a syntax error or the limit is Decode's to judge.
		form, _ = url.ParseQuery(b.String())
	}
	if !form.Has("Action") {
		return ""
	}
	for _, s := range signatures {
		if s.version != "" && s.version == form.Get("Version") {
			return s.service
		}
	}
	return ""
}

// failing repeats a read error for the reader that comes after Route.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
