// Package sigv4 signs requests with AWS Signature Version 4 and verifies
// requests that others signed.
//
// A verification has three steps, each a file:
//
//   - [Parse] (parse.go) finds the signature: in the Authorization header, in
//     the query string of a presigned URL, or nowhere. [ParseForm] (form.go)
//     does the same for the fields of an S3 POST form.
//   - [Auth.Check] (check.go, over canonical.go and v2.go) computes the
//     signature again and compares. The caller looks the secret up in
//     between, because only the request says whose key signed it.
//   - [Auth.Body] (body.go, chunk.go, checksum.go) wraps the body of an S3
//     request, which is too large to hash beforehand: what it reads is
//     verified while it is read.
//
// [Sign] and [Presign] (sign.go) are the other direction.
//
// Signature Version 2 is verified where clients still send it: S3 headers,
// S3 presigned URLs (the default of boto3 in older regions) and S3 POST forms.
// SigV4A (AWS4-ECDSA-P256-SHA256) is recognised and refused with
// [Unsupported].
//
// The package decides; it looks up no key and writes no response. Failures
// are [*Error] values whose [Kind] the caller maps to the error code of the
// service that was addressed.
//
// The algorithm is documented in "Create a signed AWS API request" of the IAM
// User Guide and in "Authenticating Requests (AWS Signature Version 4)" of the
// Amazon S3 API Reference.
package sigv4

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Algorithm names, as they stand in an Authorization header or in the
// X-Amz-Algorithm parameter.
const (
	// Algorithm is Signature Version 4.
	Algorithm = "AWS4-HMAC-SHA256"
	// AlgorithmV2 is Signature Version 2 as S3 spells it.
	AlgorithmV2 = "AWS"
	// AlgorithmV4A is asymmetric Signature Version 4, which this package
	// recognises but cannot verify.
	AlgorithmV4A = "AWS4-ECDSA-P256-SHA256"
)

// Payload hash values of x-amz-content-sha256 that are no hash. See
// "Authenticating Requests: Using the Authorization Header" of the Amazon S3
// API Reference.
const (
	UnsignedPayload         = "UNSIGNED-PAYLOAD"
	StreamingUnsignedTrail  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingPayload        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingPayloadTrail   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingPayloadV4A     = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
	streamingPayloadV4ATail = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
	// EmptyPayload is the SHA-256 of no bytes, in hex.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

const (
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	terminator = "aws4_request"

	// MaxPresign is the longest life of a presigned URL: seven days.
	MaxPresign = 7 * 24 * time.Hour
	// servicePresign is how long a presigned request to a service other than
	// S3 is good for. STS ignores X-Amz-Expires and honours the URL for 15
	// minutes; EKS tokens, which carry X-Amz-Expires=60, rely on it.
	servicePresign = 15 * time.Minute
)

// Scope is the credential scope: whose key signed, and for what.
// Region may be empty: the Go SDK without a region and with an endpoint
// override signs "AKID/20261122//sts/aws4_request". The caller decides
// whether to let that pass.
type Scope struct {
	AccessKeyID, Date, Region, Service string
}

// String is the scope as a credential writes it.
func (s Scope) String() string {
	return s.AccessKeyID + "/" + s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// s3 tells whether S3's rules apply: the path is neither normalised nor
// encoded twice, and the payload hash is what x-amz-content-sha256 says.
func (s Scope) s3() bool {
	return s.Service == "s3" || s.Service == "s3express" || strings.HasPrefix(s.Service, "s3-")
}

// Method says where the signature was and of which version it is.
type Method uint8

// The methods of signing.
const (
	// Header is an Authorization header of Signature Version 4.
	Header Method = iota + 1
	// Query is a URL presigned with Signature Version 4.
	Query
	// HeaderV2 is an "Authorization: AWS …" header.
	HeaderV2
	// QueryV2 is a URL presigned with Signature Version 2.
	QueryV2
	// Form is an S3 POST form signed with Signature Version 4.
	Form
	// FormV2 is an S3 POST form signed with Signature Version 2.
	FormV2
)

// String names the method as the condition key s3:authType does:
// "REST-HEADER", "REST-QUERY-STRING" or "POST".
func (m Method) String() string {
	switch m {
	case Header, HeaderV2:
		return "REST-HEADER"
	case Query, QueryV2:
		return "REST-QUERY-STRING"
	case Form, FormV2:
		return "POST"
	}
	return ""
}

// Version is the signature version as the condition key
// s3:signatureversion spells it: [Algorithm] or [AlgorithmV2].
func (m Method) Version() string {
	switch m {
	case Header, Query, Form:
		return Algorithm
	case HeaderV2, QueryV2, FormV2:
		return AlgorithmV2
	}
	return ""
}

// Auth is a signature as a request carries it, not yet verified: until
// [Auth.Check] has returned nil every field is only a claim.
type Auth struct {
	// Scope is the credential scope. Signature Version 2 has an access key
	// only; its Service is "s3".
	Scope Scope
	// Method says where the signature was found.
	Method Method
	// SignedHeaders are the names of the signed headers, in lower case and
	// sorted. Empty for Signature Version 2 and forms.
	SignedHeaders []string
	// Signature is 64 hex digits in Version 4, base64 in Version 2.
	Signature string
	// Token is the session token, "" if there is none.
	Token string
	// Time is when the request was signed, as it says. Zero for QueryV2 and
	// FormV2, which do not say.
	Time time.Time
	// Expires is how long a presigned URL lives from Time on, 0 if the
	// request does not say.
	Expires time.Duration
	// Expiry is when a presigned URL ends, zero for headers and forms.
	Expiry time.Time
	// PayloadHash is the value of x-amz-content-sha256 (header or query
	// parameter), "" if absent.
	PayloadHash string
	// Bucket is for Signature Version 2 only, which signs the bucket's name
	// even where the host name carries it: set it before Check if the
	// request addressed the bucket by host name.
	Bucket string

	stamp  string // the time as sent; part of the string to sign
	policy string // the base64 policy of a form
	key    [32]byte
	keyOf  string // the secret that key was derived from
}

// S3 tells whether the request was signed by S3's rules, and its body is
// therefore verified by [Auth.Body] rather than hashed beforehand.
func (a *Auth) S3() bool { return a != nil && a.Scope.s3() }

// LogValue keeps the signature and the session token out of logs.
func (a *Auth) LogValue() slog.Value {
	if a == nil {
		return slog.StringValue("unsigned")
	}
	return slog.GroupValue(
		slog.String("scope", a.Scope.String()),
		slog.String("method", a.Method.String()),
		slog.String("version", a.Method.Version()),
		slog.Time("time", a.Time),
	)
}

// String keeps the signature and the session token out of %v and %s.
func (a *Auth) String() string {
	if a == nil {
		return "unsigned"
	}
	return a.Method.Version() + " " + a.Method.String() + " " + a.Scope.String()
}

// GoString keeps the signature and the session token out of %#v.
func (a *Auth) GoString() string { return "sigv4.Auth{" + a.String() + "}" }

// Kind says what is wrong with a request. Each service has its own error
// codes for a kind; the comments name those of S3 and of the query services
// (IAM, STS).
type Kind uint8

// The kinds of failure.
const (
	// Malformed is an Authorization header that cannot be read: S3
	// AuthorizationHeaderMalformed (400), whose message begins "The
	// authorization header is malformed; ", others IncompleteSignature.
	Malformed Kind = iota + 1
	// MalformedQuery is the same for the parameters of a presigned URL: S3
	// AuthorizationQueryParametersError (400), others IncompleteSignature.
	MalformedQuery
	// TwoAuths is a request signed in the header and in the query: S3
	// InvalidArgument (400), others IncompleteSignature.
	TwoAuths
	// MissingDate is a signature without a time: S3 AccessDenied (403),
	// others IncompleteSignature.
	MissingDate
	// BadScope is a credential scope that contradicts the request: S3
	// AuthorizationHeaderMalformed (400), others SignatureDoesNotMatch.
	BadScope
	// Skewed is a request signed too long ago or in the future: S3
	// RequestTimeTooSkewed (403), others SignatureDoesNotMatch.
	Skewed
	// Expired is a presigned URL past its end: S3 AccessDenied (403),
	// others SignatureDoesNotMatch.
	Expired
	// NotYetValid is a presigned URL before its time: S3 AccessDenied
	// (403), others SignatureDoesNotMatch.
	NotYetValid
	// UnsignedHeaders are headers that had to be signed and are not: S3
	// AccessDenied (403), others SignatureDoesNotMatch.
	UnsignedHeaders
	// BadSignature is a signature that another request or another secret
	// made: SignatureDoesNotMatch (403) everywhere.
	BadSignature
	// MissingPayloadHash is an S3 request without x-amz-content-sha256: S3
	// InvalidRequest (400).
	MissingPayloadHash
	// InvalidPayloadHash is an x-amz-content-sha256 of no known form: S3
	// InvalidArgument (400).
	InvalidPayloadHash
	// BadPayloadHash is a body that is not the one hashed: S3
	// XAmzContentSHA256Mismatch (400), others SignatureDoesNotMatch.
	BadPayloadHash
	// BadChunk is aws-chunked framing that cannot be read: S3
	// IncompleteBody (400); InvalidChunkSizeError (403) if Error.Small.
	BadChunk
	// BadTrailer is a trailer that cannot be read or was not announced: S3
	// MalformedTrailerError (400).
	BadTrailer
	// BadLength is a body of another length than announced: S3
	// IncompleteBody (400).
	BadLength
	// MissingLength is signed chunks without x-amz-decoded-content-length:
	// S3 MissingContentLength (411).
	MissingLength
	// BadChecksum is a body that does not have its checksum: S3 BadDigest
	// (400).
	BadChecksum
	// InvalidChecksum is a checksum that is none: S3 InvalidRequest (400),
	// or InvalidDigest (400) if Error.Header is Content-MD5.
	InvalidChecksum
	// MalformedPolicy is a POST policy that cannot be read: S3
	// InvalidPolicyDocument (400).
	MalformedPolicy
	// PolicyRefused is a form that its policy does not allow: S3
	// AccessDenied (403).
	PolicyRefused
	// EntityTooLarge and EntityTooSmall are uploads outside the policy's
	// content-length-range: S3 codes of the same names (400).
	EntityTooLarge
	// EntityTooSmall is the lower end.
	EntityTooSmall
	// Unsupported is what AWS knows and this package does not, such as
	// SigV4A: S3 NotImplemented (501), others SignatureDoesNotMatch.
	Unsupported
)

var kindNames = [...]string{
	Malformed: "malformed authorization header", MalformedQuery: "malformed query authorization",
	TwoAuths: "two authorizations", MissingDate: "missing date", BadScope: "wrong credential scope",
	Skewed: "clock skew", Expired: "expired", NotYetValid: "not yet valid",
	UnsignedHeaders: "unsigned headers", BadSignature: "wrong signature",
	MissingPayloadHash: "missing payload hash", InvalidPayloadHash: "invalid payload hash",
	BadPayloadHash: "wrong payload hash", BadChunk: "malformed chunk", BadTrailer: "malformed trailer",
	BadLength: "wrong length", MissingLength: "missing length", BadChecksum: "wrong checksum",
	InvalidChecksum: "invalid checksum", MalformedPolicy: "malformed policy",
	PolicyRefused: "refused by policy", EntityTooLarge: "entity too large",
	EntityTooSmall: "entity too small", Unsupported: "unsupported",
}

// String names the kind in a few words.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is why a request was not accepted. Only the fields that belong to
// its Kind are set.
type Error struct {
	// Kind is what is wrong.
	Kind Kind
	// Message says it, in AWS's words where AWS has words.
	Message string
	// Header is the header, parameter or form field at fault, if one is.
	Header string
	// Small marks the BadChunk of a chunk under 8192 bytes.
	Small bool

	// AccessKeyID, SignatureProvided, StringToSign and CanonicalRequest
	// belong to BadSignature; S3 hands them back to the client. Chunks and
	// forms have no CanonicalRequest. None is secret: the client computed
	// them itself.
	AccessKeyID, SignatureProvided, StringToSign, CanonicalRequest string

	// RequestTime is when the request says it was signed, ServerTime is now
	// and MaxSkew the allowed difference: for Skewed, Expired, NotYetValid.
	RequestTime, ServerTime time.Time
	MaxSkew                 time.Duration
	// Expires is X-Amz-Expires (0 in Version 2) and Expiry the end of the
	// URL: for Expired.
	Expires time.Duration
	Expiry  time.Time

	// HeadersNotSigned belongs to UnsignedHeaders.
	HeadersNotSigned []string

	// Declared and Computed are the two hashes, checksums or lengths of
	// BadPayloadHash, BadChecksum and BadLength.
	Declared, Computed string
}

// Error is the kind and the message.
func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func fail(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// headerValues returns what a request carries under a lower-case header
// name, looking where net/http moves a header it takes out of the map.
func headerValues(r *http.Request, name string, one *[1]string) []string {
	switch name {
	case "host", ":authority":
		one[0] = r.Host
		if r.Host == "" && r.URL != nil {
			one[0] = r.URL.Host
		}
		return one[:]
	case "content-length":
		if v := r.Header["Content-Length"]; v != nil {
			return v
		}
		if r.ContentLength >= 0 {
			one[0] = strconv.FormatInt(r.ContentLength, 10)
			return one[:]
		}
		return nil
	case "transfer-encoding":
		if r.TransferEncoding != nil {
			return r.TransferEncoding
		}
	}
	return r.Header[http.CanonicalHeaderKey(name)]
}
