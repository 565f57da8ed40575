package sigv4

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Browser-based uploads: "Authenticating Requests: Browser-Based Uploads
// Using POST" and "POST Policy" of the Amazon S3 API Reference.

// maxPolicy bounds the base64 text of a POST policy; S3 limits all form
// fields before the file to 20 KB.
const maxPolicy = 20 << 10

// lowered copies form fields under lower-case names; S3 ignores their case.
func lowered(fields map[string]string) (map[string]string, *Error) {
	out := make(map[string]string, len(fields))
	for k, v := range fields {
		k = strings.ToLower(k)
		if _, dup := out[k]; dup {
			return nil, &Error{Kind: Malformed, Header: k, Message: "the form field " + clip(k) + " stands twice; send it once"}
		}
		out[k] = v
	}
	return out, nil
}

// ParseForm finds the signature in the fields of an S3 POST form, whose names
// it takes without regard to case. It returns nil and nil if the form is not
// signed.
func ParseForm(fields map[string]string) (*Auth, *Error) {
	f, err := lowered(fields)
	if err != nil {
		return nil, err
	}
	v4 := f["x-amz-signature"] != "" || f["x-amz-algorithm"] != "" || f["x-amz-credential"] != ""
	v2 := f["signature"] != "" || f["awsaccesskeyid"] != ""
	if !v4 && !v2 {
		return nil, nil
	}
	if v4 && v2 {
		return nil, &Error{Kind: TwoAuths, Header: "AWSAccessKeyId", Message: "the form is signed with version 2 and version 4; send one signature"}
	}
	need := []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
	if v2 {
		need = []string{"policy", "AWSAccessKeyId", "signature"}
	}
	for _, n := range need {
		if f[strings.ToLower(n)] == "" {
			return nil, &Error{Kind: Malformed, Header: n, Message: "Bucket POST must contain a field named '" + n + "'.  If it is specified, please check the order of the fields."}
		}
	}
	if len(f["policy"]) > maxPolicy {
		return nil, &Error{Kind: MalformedPolicy, Header: "policy", Message: fmt.Sprintf("the policy is longer than %d bytes", maxPolicy)}
	}
	a := &Auth{Method: Form, Signature: f["x-amz-signature"], Token: f["x-amz-security-token"], policy: f["policy"]}
	if v2 {
		a.Method, a.Signature = FormV2, f["signature"]
		a.Scope = Scope{AccessKeyID: f["awsaccesskeyid"], Service: "s3"}
		return a, nil
	}
	switch alg := f["x-amz-algorithm"]; alg {
	case Algorithm:
	case AlgorithmV4A:
		return nil, &Error{Kind: Unsupported, Header: "x-amz-algorithm", Message: "SigV4A (AWS4-ECDSA-P256-SHA256) signatures are not supported; configure the client to sign with AWS4-HMAC-SHA256"}
	default:
		return nil, &Error{Kind: Malformed, Header: "x-amz-algorithm", Message: "x-amz-algorithm must be AWS4-HMAC-SHA256, not " + clip(alg)}
	}
	if a.Scope, err = parseCredential(f["x-amz-credential"], Malformed); err != nil {
		return nil, err
	}
	a.stamp = f["x-amz-date"]
	t, perr := time.Parse(timeFormat, a.stamp)
	if perr != nil {
		return nil, &Error{Kind: Malformed, Header: "x-amz-date", Message: "X-Amz-Date must be formatted via ISO8601 Long format"}
	}
	a.Time = t
	return a, nil
}

// CheckForm verifies the signature of a form: it covers the base64 text of
// the policy. The policy's own demands, its end among them, are checked by
// [PostPolicy.Check].
func (a *Auth) CheckForm(secret string) *Error {
	ok := false
	switch a.Method {
	case Form:
		if day := a.Time.Format(dateFormat); day != a.Scope.Date {
			return fail(BadScope, "the date of x-amz-credential, %s, is not that of x-amz-date, %s", a.Scope.Date, day)
		}
		ok = equalHex(a.Signature, mac(a.signingKey(secret), []byte(a.policy)))
	case FormV2:
		ok = equalV2(secret, a.policy, a.Signature)
	default:
		return fail(Malformed, "a request is checked with Check")
	}
	if !ok {
		return a.badSignature(a.policy, "")
	}
	return nil
}

// PostPolicy is what the signer of a form allows its bearer to upload.
type PostPolicy struct {
	// Expiration is when the form ends.
	Expiration time.Time
	conditions []condition
}

// condition is one demand. Of match and the range, one is used.
type condition struct {
	op, field, value string // op is "eq" or "starts-with"
	min, max         int64
	source           string // as written, for messages
}

// Policy reads the policy of a form.
func (a *Auth) Policy() (*PostPolicy, *Error) {
	bad := func(format string, args ...any) (*PostPolicy, *Error) {
		return nil, &Error{Kind: MalformedPolicy, Header: "policy", Message: "Invalid Policy: " + fmt.Sprintf(format, args...)}
	}
	text, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, a.policy))
	if err != nil {
		return bad("the policy is not base64: %v", err)
	}
	var doc struct {
		Expiration string            `json:"expiration"`
		Conditions []json.RawMessage `json:"conditions"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return bad("Invalid JSON: %v", err)
	}
	p := &PostPolicy{}
	if doc.Expiration == "" {
		return bad("Policy missing expiration.")
	}
	if p.Expiration, err = time.Parse(time.RFC3339, doc.Expiration); err != nil {
		return bad("Invalid 'expiration' value: '%s'", clip(doc.Expiration))
	}
	if doc.Conditions == nil {
		return bad("Policy missing conditions.")
	}
	for _, raw := range doc.Conditions {
		cs, err := parseCondition(raw)
		if err != nil {
			return bad("%v", err)
		}
		p.conditions = append(p.conditions, cs...)
	}
	return p, nil
}

func parseCondition(raw json.RawMessage) ([]condition, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, err
	}
	src := compact.String()
	if strings.HasPrefix(src, "{") {
		var m map[string]string
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("invalid simple-condition: value must be a string: %s", clip(src))
		}
		var out []condition
		for _, k := range slices.Sorted(maps.Keys(m)) {
			k, v := strings.ToLower(k), m[k]
			out = append(out, condition{op: "eq", field: k, value: v, source: fmt.Sprintf("[\"eq\", \"$%s\", %q]", k, v)})
		}
		return out, nil
	}
	var l []any
	if err := json.Unmarshal(raw, &l); err != nil || len(l) != 3 {
		return nil, fmt.Errorf("invalid condition: expecting an object or a list of three: %s", clip(src))
	}
	op, _ := l[0].(string)
	c := condition{op: strings.ToLower(op), source: src}
	switch c.op {
	case "content-length-range":
		var err1, err2 error
		c.min, err1 = wholeNumber(l[1])
		c.max, err2 = wholeNumber(l[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("invalid condition: content-length-range needs two whole numbers: %s", clip(src))
		}
	case "eq", "starts-with":
		field, ok1 := l[1].(string)
		value, ok2 := l[2].(string)
		if !ok1 || !ok2 || !strings.HasPrefix(field, "$") {
			return nil, fmt.Errorf("invalid condition: %s needs \"$field\" and a string: %s", c.op, clip(src))
		}
		c.field, c.value = strings.ToLower(field[1:]), value
	default:
		return nil, fmt.Errorf("invalid condition: unknown operation '%s'", clip(op))
	}
	return []condition{c}, nil
}

func wholeNumber(v any) (int64, error) {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) && v >= 0 {
			return int64(v), nil
		}
	case string:
		return strconv.ParseInt(v, 10, 64)
	}
	return 0, strconv.ErrSyntax
}

// Check tells whether a form may be accepted at the given time: fields are
// those of the form, without the file, and bucket is the one addressed. Every
// field that the policy does not mention is refused, but for the signature's
// own and those that begin with x-ignore-.
func (p *PostPolicy) Check(bucket string, fields map[string]string, now time.Time) *Error {
	refused := func(header, format string, args ...any) *Error {
		return &Error{Kind: PolicyRefused, Header: header, Message: "Invalid according to Policy: " + fmt.Sprintf(format, args...)}
	}
	if !now.Before(p.Expiration) {
		return refused("policy", "Policy expired.")
	}
	f, err := lowered(fields)
	if err != nil {
		return err
	}
	f["bucket"] = bucket
	known := map[string]bool{"policy": true, "x-amz-signature": true, "signature": true, "awsaccesskeyid": true, "file": true, "bucket": true}
	for _, c := range p.conditions {
		if c.op == "content-length-range" {
			continue
		}
		known[c.field] = true
		if !c.holds(f[c.field]) {
			return refused(c.field, "Policy Condition failed: %s", c.source)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !known[name] && !strings.HasPrefix(name, "x-ignore-") {
			return refused(name, "Extra input fields: %s", clip(name))
		}
	}
	return nil
}

func (c *condition) holds(got string) bool {
	if c.op == "eq" {
		return got == c.value
	}
	if c.field != "content-type" {
		return strings.HasPrefix(got, c.value)
	}
	// A list of content types is matched one by one.
	for t := range strings.SplitSeq(got, ",") {
		if !strings.HasPrefix(strings.TrimSpace(t), c.value) {
			return false
		}
	}
	return true
}

// CheckLength tells whether a file of size bytes lies within the policy's
// content-length-range, if it has one.
func (p *PostPolicy) CheckLength(size int64) *Error {
	for _, c := range p.conditions {
		switch {
		case c.op != "content-length-range":
		case size < c.min:
			return &Error{Kind: EntityTooSmall, Message: "Your proposed upload is smaller than the minimum allowed size", Declared: strconv.FormatInt(c.min, 10), Computed: strconv.FormatInt(size, 10)}
		case size > c.max:
			return &Error{Kind: EntityTooLarge, Message: "Your proposed upload exceeds the maximum allowed size", Declared: strconv.FormatInt(c.max, 10), Computed: strconv.FormatInt(size, 10)}
		}
	}
	return nil
}
