package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Call is one API call: the operation that it names and what it carries.
type Call struct {
	// Model describes the service.
	Model *Model
	// Op is the operation; nil if the service has none of the name, see
	// Unknown.
	Op *Op
	// OpName is what the request calls its operation. Where the path decides
	// it is empty if Op is nil.
	OpName string
	// HTTP is the request.
	HTTP *http.Request
	// Form holds the parameters of the query protocols; nil for others.
	Form url.Values
	// Body is the whole body. For S3, whose bodies are streams, it is nil
	// until Input has read a document.
	Body []byte
	// Vars are the variables of the path, each decoded once and otherwise
	// verbatim. For S3 they are Bucket and Key.
	Vars map[string]string
	// ID is the request id that the answer carries.
	ID string

	query url.Values // of the request line; rest protocols only
	limit int64
}

// String names the call. Parameters and bodies hold secrets and are never
// part of it.
func (c *Call) String() string { return c.Model.service + ":" + c.OpName + " " + c.ID }

// GoString is String.
func (c *Call) GoString() string { return c.String() }

// LogValue is String.
func (c *Call) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Decode reads a request to the service that m describes. It reads the body,
// up to limit bytes, unless the service is S3; the request keeps a body that
// can be read again.
//
// The call is never nil, so that it can always answer: an error is to be
// passed to its Fail. An operation that the service does not have is no
// error here, because AWS authenticates a call before it says so.
func Decode(m *Model, r *http.Request, limit int64) (*Call, *Error) {
	c := &Call{Model: m, HTTP: r, ID: newID(m), limit: limit}
	if m.service != "s3" {
		if e := c.readBody(); e != nil {
			return c, e
		}
		r.Body = io.NopCloser(bytes.NewReader(c.Body))
	}
	switch m.protocol {
	case "query", "ec2":
		return c, c.findAction()
	case "json":
		c.findTarget()
		return c, nil
	}
	return c, c.findRoute()
}

// readBody reads the body whole.
func (c *Call) readBody() *Error {
	r := c.HTTP
	if r.Body == nil || r.Body == http.NoBody {
		c.Body = []byte{}
		return nil
	}
	if r.ContentLength > c.limit {
		return c.tooLarge()
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r.Body, c.limit+1))
	var tooLong *http.MaxBytesError
	switch {
	case n > c.limit, errors.As(err, &tooLong):
		return c.tooLarge()
	case err != nil:
		// The client hung up or broke the transfer coding.
		return Fail("IncompleteBody", 400, "The request body could not be read to its end.")
	}
	c.Body = b.Bytes()
	if c.Body == nil {
		c.Body = []byte{}
	}
	return nil
}

func (c *Call) tooLarge() *Error {
	if c.Model.service == "s3" {
		// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
		return Fail("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size.")
	}
	return Fail("RequestEntityTooLarge", http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", c.limit)
}

// findAction reads the parameters of a query request, from the request line
// and the body; what the body says counts.
func (c *Call) findAction() *Error {
	r := c.HTTP
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil && len(c.Body) > 0 {
		var body url.Values
		body, err = url.ParseQuery(string(c.Body))
		for k, v := range body {
			form[k] = v
		}
	}
	if err != nil {
		return Fail("MalformedQueryString", 400, "The query string contains a syntax error.")
	}
	for k, v := range form {
		if !utf8.ValidString(k) || !utf8.ValidString(v[0]) {
			return Fail("MalformedQueryString", 400, "The query string is not UTF-8.")
		}
	}
	c.Form = form
	c.OpName = form.Get("Action")
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil
	}
	// EC2 serves many versions by the same operations; the others one each.
	if c.Model.protocol == "ec2" || form.Get("Version") == c.Model.version {
		c.Op = c.Model.operations[c.OpName]
	}
	return nil
}

// findTarget reads the operation of a JSON request from X-Amz-Target.
func (c *Call) findTarget() {
	target := c.HTTP.Header.Get("X-Amz-Target")
	prefix, name, ok := strings.Cut(target, ".")
	if !ok {
		c.OpName = target
		return
	}
	c.OpName = name
	if prefix == c.Model.target && c.HTTP.Method == http.MethodPost {
		c.Op = c.Model.operations[name]
	}
}

// Unknown is the error for a call whose operation the service does not have.
func (c *Call) Unknown() *Error {
	switch c.Model.protocol {
	case "query":
		name, version := c.Form.Get("Action"), c.Form.Get("Version")
		if name == "" {
			// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
			return Fail("MissingAction", 400, "The request is missing an action or a required parameter.")
		}
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return Fail("InvalidAction", 400, "Could not find operation %s for version %s", name, version)
	case "ec2":
		if c.OpName == "" {
			return Fail("MissingAction", 400, "The request must contain the parameter Action")
		}
		return Fail("InvalidAction", 400, "The action %s is not valid for this web service.", c.OpName)
	case "rest-xml":
		return Fail("MethodNotAllowed", 405, "The specified method is not allowed against this resource.").
			With("Method", c.HTTP.Method).With("ResourceType", c.resourceType())
	}
	return Fail("UnknownOperationException", 400, "")
}

// resourceType is S3's word for what a path addresses.
func (c *Call) resourceType() string {
	switch {
	case c.Vars["Key"] != "":
		return "OBJECT"
	case c.Vars["Bucket"] != "":
		return "BUCKET"
	}
	return "SERVICE"
}

// newID makes a request id in the form of the service's: 16 capitals and
// digits for S3, a UUID for the others.
func newID(m *Model) string {
	var b [16]byte
	rand.Read(b[:])
	if m.service == "s3" {
		const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
		for i := range b {
			b[i] = digits[b[i]&31]
		}
		return string(b[:])
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[:], b[:4])
	hex.Encode(s[9:], b[4:6])
	hex.Encode(s[14:], b[6:8])
	hex.Encode(s[19:], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
