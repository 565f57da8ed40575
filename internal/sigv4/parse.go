package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on what a client may send. AWS publishes none of them but refuses
// far smaller requests by its limit on the sum of all headers (8 KiB to
// 16 KiB); these only keep work bounded.
const (
	maxAuthorization = 16 << 10
	maxCredential    = 1 << 10
	maxQuery         = 64 << 10
	maxParams        = 1 << 10
	maxSignedHeaders = 1 << 8
)

// Parse finds the signature of a request. It returns nil and nil if the
// request carries none. It reads headers and query only, never the body, and
// looks at no clock.
//
// Errors are of kind Malformed, MalformedQuery, TwoAuths, MissingDate and
// Unsupported.
func Parse(r *http.Request) (*Auth, *Error) {
	rawQuery := requestQuery(r)
	if len(rawQuery) > maxQuery {
		return nil, fail(MalformedQuery, "query string longer than %d bytes", maxQuery)
	}
	q, err := findQueryAuth(rawQuery)
	if err != nil {
		return nil, err
	}
	h := r.Header["Authorization"]
	switch {
	case len(h) > 1:
		return nil, fail(Malformed, "%d Authorization headers; send one", len(h))
	case len(h) == 1 && q.any():
		return nil, &Error{Kind: TwoAuths, Header: "Authorization", Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case len(h) == 1:
		return parseHeader(r, h[0])
	case q.v4() && q.v2():
		return nil, &Error{Kind: TwoAuths, Header: "AWSAccessKeyId", Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case q.v4():
		return parseQuery(r, q)
	case q.v2():
		return parseQueryV2(q)
	}
	return nil, nil
}

func parseHeader(r *http.Request, h string) (*Auth, *Error) {
	if len(h) > maxAuthorization {
		return nil, fail(Malformed, "Authorization header longer than %d bytes", maxAuthorization)
	}
	algorithm, rest, _ := strings.Cut(strings.TrimLeft(h, " \t"), " ")
	switch algorithm {
	case Algorithm:
	case AlgorithmV2:
		return parseHeaderV2(r, rest)
	case AlgorithmV4A:
		return nil, &Error{Kind: Unsupported, Header: "Authorization", Message: "SigV4A (AWS4-ECDSA-P256-SHA256) signatures are not supported; configure the client to sign with AWS4-HMAC-SHA256"}
	default:
		return nil, &Error{Kind: Malformed, Header: "Authorization", Message: "Unsupported Authorization Type; sign with AWS4-HMAC-SHA256"}
	}

	a := &Auth{Method: Header}
	var credential, signed string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.Trim(part, " \t")
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fail(Malformed, "%q not a valid key=value pair (missing equal-sign) in Authorization header", clip(part))
		}
		var to *string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &signed
		case "Signature":
			to = &a.Signature
		default:
			continue
		}
		if *to != "" {
			return nil, fail(Malformed, "Authorization header has two '%s' parameters; send one", name)
		}
		*to = value
	}
	var missing []string
	for _, p := range []struct{ name, value string }{{"Credential", credential}, {"Signature", a.Signature}, {"SignedHeaders", signed}} {
		if p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.name+"' parameter.")
		}
	}
	if missing != nil {
		return nil, fail(Malformed, "%s", strings.Join(missing, " "))
	}
	var err *Error
	if a.Scope, err = parseCredential(credential, Malformed); err != nil {
		return nil, err
	}
	if a.SignedHeaders, err = parseSignedHeaders(signed, Malformed); err != nil {
		return nil, err
	}
	if err := a.setHeaderTime(r); err != nil {
		return nil, err
	}
	if a.Token, err = single(r, "X-Amz-Security-Token"); err != nil {
		return nil, err
	}
	a.PayloadHash, err = single(r, "X-Amz-Content-Sha256")
	return a, err
}

// setHeaderTime reads X-Amz-Date, or Date if that is absent.
func (a *Auth) setHeaderTime(r *http.Request) *Error {
	s, err := single(r, "X-Amz-Date")
	if err != nil {
		return err
	}
	if s != "" {
		t, perr := time.Parse(timeFormat, s)
		if perr != nil {
			return &Error{Kind: Malformed, Header: "X-Amz-Date", Message: "Date must be in ISO-8601 'basic format'. Got '" + clip(s) + "'. See http://en.wikipedia.org/wiki/ISO_8601"}
		}
		a.Time, a.stamp = t, s
		return nil
	}
	if s, err = single(r, "Date"); err != nil {
		return err
	}
	if s == "" {
		return &Error{Kind: MissingDate, Header: "X-Amz-Date", Message: "AWS authentication requires a valid Date or x-amz-date header"}
	}
	t, perr := time.Parse(timeFormat, s)
	if perr != nil {
		if t, perr = http.ParseTime(s); perr != nil {
			return &Error{Kind: MissingDate, Header: "Date", Message: "AWS authentication requires a valid Date or x-amz-date header"}
		}
	}
	a.Time = t.UTC()
	a.stamp = a.Time.Format(timeFormat)
	return nil
}

// single returns the value of a header that may stand only once.
func single(r *http.Request, name string) (string, *Error) {
	v := r.Header[name]
	switch len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	}
	return "", &Error{Kind: Malformed, Header: name, Message: name + " stands " + strconv.Itoa(len(v)) + " times in the request; send it once"}
}

func parseCredential(s string, kind Kind) (Scope, *Error) {
	if len(s) > maxCredential {
		return Scope{}, fail(kind, "the Credential is longer than %d bytes", maxCredential)
	}
	// Split from the right: nothing but the access key may hold a slash.
	f := strings.Split(s, "/")
	if len(f) != 5 {
		if len(f) == 4 && f[3] == terminator {
			return Scope{}, fail(Unsupported, "the Credential names no region, as in SigV4A, which is not supported; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
		}
		return Scope{}, fail(kind, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	sc := Scope{AccessKeyID: f[0], Date: f[1], Region: f[2], Service: f[3]}
	switch {
	case sc.AccessKeyID == "" || sc.Service == "":
		return Scope{}, fail(kind, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	case f[4] != terminator:
		return Scope{}, fail(BadScope, "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", clip(f[4]))
	case !isDate(sc.Date):
		return Scope{}, fail(kind, "incorrect date format \"%s\". This date in the credential must be in the format \"yyyyMMdd\".", clip(sc.Date))
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return Scope{}, fail(kind, "the Credential holds a byte that is not printable ASCII")
		}
	}
	return sc, nil
}

func isDate(s string) bool {
	if len(s) != 8 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseSignedHeaders splits the list and brings it into the order that the
// canonical request needs.
func parseSignedHeaders(s string, kind Kind) ([]string, *Error) {
	names := strings.Split(s, ";")
	if len(names) > maxSignedHeaders {
		return nil, fail(kind, "SignedHeaders names more than %d headers", maxSignedHeaders)
	}
	for i, n := range names {
		if n == "" {
			return nil, fail(kind, "SignedHeaders holds an empty name")
		}
		for _, c := range []byte(n) {
			if c <= ' ' || c >= 0x7f {
				return nil, fail(kind, "SignedHeaders holds a byte that no header name can have")
			}
		}
		names[i] = strings.ToLower(n)
	}
	if !slices.IsSorted(names) {
		slices.Sort(names)
	}
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return nil, fail(kind, "SignedHeaders names '%s' twice", clip(names[i]))
		}
	}
	return names, nil
}

// queryAuth holds the decoded authentication parameters of a query string.
type queryAuth struct {
	algorithm, credential, date, expires, signed, signature, token, hash string
	hasAlgorithm, hasCredential, hasDate, hasExpires, hasSigned, hasSig  bool
	hasToken, hasHash                                                    bool

	keyV2, sigV2, expiresV2          string
	hasKeyV2, hasSigV2, hasExpiresV2 bool
	signatureVersion                 bool
}

func (q *queryAuth) v4() bool  { return q.hasAlgorithm || q.hasCredential || q.hasSig }
func (q *queryAuth) v2() bool  { return q.hasKeyV2 }
func (q *queryAuth) any() bool { return q.v4() || q.v2() }

// slot is where the value of an authentication parameter goes, nil for any
// other parameter. S3 takes the names without regard to case, so a second
// spelling must count as a duplicate.
func (q *queryAuth) slot(name string) (*string, *bool) {
	if len(name) < 7 || len(name) > 20 {
		return nil, nil
	}
	switch strings.ToLower(name) {
	case "x-amz-algorithm":
		return &q.algorithm, &q.hasAlgorithm
	case "x-amz-credential":
		return &q.credential, &q.hasCredential
	case "x-amz-date":
		return &q.date, &q.hasDate
	case "x-amz-expires":
		return &q.expires, &q.hasExpires
	case "x-amz-signedheaders":
		return &q.signed, &q.hasSigned
	case "x-amz-signature":
		return &q.signature, &q.hasSig
	case "x-amz-security-token":
		return &q.token, &q.hasToken
	case "x-amz-content-sha256":
		return &q.hash, &q.hasHash
	}
	// Version 2's names are plain words that any request may use, so they
	// are taken as written.
	switch name {
	case "AWSAccessKeyId":
		return &q.keyV2, &q.hasKeyV2
	case "Signature":
		return &q.sigV2, &q.hasSigV2
	case "Expires":
		return &q.expiresV2, &q.hasExpiresV2
	case "SignatureVersion":
		var ignored string
		return &ignored, &q.signatureVersion
	}
	return nil, nil
}

func findQueryAuth(raw string) (*queryAuth, *Error) {
	q := &queryAuth{}
	if raw == "" {
		return q, nil
	}
	n := 0
	var dup string
	for part := range strings.SplitSeq(raw, "&") {
		if n++; n > maxParams {
			return nil, fail(MalformedQuery, "more than %d query parameters", maxParams)
		}
		name, value, _ := strings.Cut(part, "=")
		if strings.ContainsAny(name, "%+") {
			name = unescape(name)
		}
		to, has := q.slot(name)
		if to == nil {
			continue
		}
		if *has && dup == "" {
			dup = name
		}
		*to, *has = unescape(value), true
	}
	// Without a signature in the query the names mean nothing to us.
	if dup != "" && q.any() {
		return nil, &Error{Kind: MalformedQuery, Header: dup, Message: "the query parameter " + dup + " stands twice; send it once"}
	}
	return q, nil
}

func parseQuery(r *http.Request, q *queryAuth) (*Auth, *Error) {
	switch q.algorithm {
	case Algorithm:
	case AlgorithmV4A:
		return nil, &Error{Kind: Unsupported, Header: "X-Amz-Algorithm", Message: "SigV4A (AWS4-ECDSA-P256-SHA256) signatures are not supported; configure the client to sign with AWS4-HMAC-SHA256"}
	default:
		return nil, &Error{Kind: MalformedQuery, Header: "X-Amz-Algorithm", Message: "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""}
	}
	if q.credential == "" || q.date == "" || q.signed == "" || q.signature == "" {
		return nil, fail(MalformedQuery, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	}
	a := &Auth{Method: Query, Signature: q.signature, Token: q.token, PayloadHash: q.hash}
	var err *Error
	if a.Scope, err = parseCredential(q.credential, MalformedQuery); err != nil {
		if err.Kind == MalformedQuery {
			err.Message = "Error parsing the X-Amz-Credential parameter; " + err.Message
			err.Header = "X-Amz-Credential"
		}
		return nil, err
	}
	if a.SignedHeaders, err = parseSignedHeaders(q.signed, MalformedQuery); err != nil {
		return nil, err
	}
	t, perr := time.Parse(timeFormat, q.date)
	if perr != nil {
		return nil, &Error{Kind: MalformedQuery, Header: "X-Amz-Date", Message: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""}
	}
	a.Time, a.stamp = t, q.date
	if a.Expires, err = parseExpires(q, a.Scope.s3()); err != nil {
		return nil, err
	}
	a.Expiry = a.Time.Add(a.Expires)
	if !a.Scope.s3() {
		a.Expiry = a.Time.Add(servicePresign)
	}
	if h, err := single(r, "X-Amz-Content-Sha256"); err != nil {
		return nil, err
	} else if h != "" {
		a.PayloadHash = h
	}
	if h, err := single(r, "X-Amz-Security-Token"); err != nil {
		return nil, err
	} else if h != "" && q.hasToken && h != q.token {
		return nil, &Error{Kind: MalformedQuery, Header: "X-Amz-Security-Token", Message: "the header and the query carry different session tokens; send one"}
	} else if a.Token == "" {
		a.Token = h
	}
	return a, nil
}

// parseExpires reads X-Amz-Expires, which S3 requires and others do not.
func parseExpires(q *queryAuth, s3 bool) (time.Duration, *Error) {
	bad := func(format string, args ...any) (time.Duration, *Error) {
		e := fail(MalformedQuery, format, args...)
		e.Header = "X-Amz-Expires"
		return 0, e
	}
	if !q.hasExpires {
		if s3 {
			return bad("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
		return 0, nil
	}
	n, err := strconv.ParseInt(q.expires, 10, 64)
	switch {
	case err != nil:
		return bad("X-Amz-Expires should be a number")
	case n < 0:
		return bad("X-Amz-Expires must be non-negative")
	case n > int64(MaxPresign/time.Second):
		return bad("X-Amz-Expires must be less than a week (in seconds); the given X-Amz-Expires must be less than 604800 seconds")
	case n == 0 && s3:
		return bad("X-Amz-Expires must be at least 1 second")
	}
	return time.Duration(n) * time.Second, nil
}

// clip keeps a client's text in a message to a readable length.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
