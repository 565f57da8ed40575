package sandbox

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const stamp = "20060102T150405Z"

// situationOf sorts what sigv4 found for the services other than S3.
var situationOf = map[sigv4.Kind]situation{
	sigv4.BadScope:        badScope,
	sigv4.Skewed:          skewed,
	sigv4.Expired:         presignOver,
	sigv4.NotYetValid:     skewed,
	sigv4.UnsignedHeaders: badSignature,
	sigv4.BadSignature:    badSignature,
	sigv4.BadPayloadHash:  badSignature,
	sigv4.Unsupported:     badScope,
}

// s3Codes are the codes of S3, which tells the kinds apart (S3 API
// Reference, "Error responses").
var s3Codes = map[sigv4.Kind]wording{
	sigv4.Malformed:          {"AuthorizationHeaderMalformed", 400, ""},
	sigv4.MalformedQuery:     {"AuthorizationQueryParametersError", 400, ""},
	sigv4.TwoAuths:           {"InvalidArgument", 400, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"},
	sigv4.MissingDate:        {"AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header"},
	sigv4.BadScope:           {"AuthorizationHeaderMalformed", 400, ""},
	sigv4.Skewed:             {"RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."},
	sigv4.Expired:            {"AccessDenied", 403, "Request has expired"},
	sigv4.NotYetValid:        {"AccessDenied", 403, "Request is not valid yet"},
	sigv4.UnsignedHeaders:    {"AccessDenied", 403, "There were headers present in the request which were not signed"},
	sigv4.BadSignature:       {"SignatureDoesNotMatch", 403, s3SignatureText},
	sigv4.MissingPayloadHash: {"InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256"},
	sigv4.InvalidPayloadHash: {"InvalidArgument", 400, ""},
	sigv4.BadPayloadHash:     {"XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
	sigv4.BadChunk:           {"IncompleteBody", 400, ""},
	sigv4.BadTrailer:         {"MalformedTrailerError", 400, ""},
	sigv4.BadLength:          {"IncompleteBody", 400, ""},
	sigv4.MissingLength:      {"MissingContentLength", 411, ""},
	sigv4.BadChecksum:        {"BadDigest", 400, ""},
	sigv4.InvalidChecksum:    {"InvalidRequest", 400, ""},
	sigv4.MalformedPolicy:    {"InvalidPolicyDocument", 400, ""},
	sigv4.PolicyRefused:      {"AccessDenied", 403, ""},
	sigv4.EntityTooLarge:     {"EntityTooLarge", 400, ""},
	sigv4.EntityTooSmall:     {"EntityTooSmall", 400, ""},
	sigv4.Unsupported:        {"NotImplemented", 400, ""},
}

// refuseSignature words what sigv4 found.
func refuseSignature(service string, e *sigv4.Error) *wire.Error {
	if familyOf(service) == s3Family {
		return refuseS3(e)
	}
	why, ok := situationOf[e.Kind]
	if !ok {
		why = malformed
	}
	text := e.Message
	if why == skewed {
		text = skewText(e)
	}
	return refuse(service, why, text)
}

// skewText names the three times, as STS does.
func skewText(e *sigv4.Error) string {
	now, signed, minutes := e.ServerTime.UTC(), e.RequestTime.UTC(), int(e.MaxSkew/time.Minute)
	if signed.After(now) {
		return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)",
			signed.Format(stamp), now.Add(e.MaxSkew).Format(stamp), now.Format(stamp), minutes)
	}
	return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)",
		signed.Format(stamp), now.Add(-e.MaxSkew).Format(stamp), now.Format(stamp), minutes)
}

func refuseS3(e *sigv4.Error) *wire.Error {
	w, ok := s3Codes[e.Kind]
	if !ok {
		w = s3Codes[sigv4.Malformed]
	}
	if e.Kind == sigv4.BadChunk && e.Small {
		w = wording{"InvalidChunkSizeError", 403, ""}
	}
	if e.Kind == sigv4.InvalidChecksum && e.Header == "Content-MD5" {
		w.code = "InvalidDigest"
	}
	out := &wire.Error{Code: w.code, Status: w.status, Message: w.text}
	if out.Message == "" {
		out.Message = e.Message
	}
	switch e.Kind {
	case sigv4.BadSignature:
		return out.With("AWSAccessKeyId", e.AccessKeyID).With("StringToSign", e.StringToSign).
			With("SignatureProvided", e.SignatureProvided).With("CanonicalRequest", e.CanonicalRequest)
	case sigv4.Skewed:
		return out.With("RequestTime", e.RequestTime.UTC().Format(stamp)).
			With("ServerTime", e.ServerTime.UTC().Format(time.RFC3339)).
			With("MaxAllowedSkewMilliseconds", strconv.FormatInt(e.MaxSkew.Milliseconds(), 10))
	case sigv4.Expired:
		out = out.With("Expires", e.Expiry.UTC().Format(time.RFC3339)).With("ServerTime", e.ServerTime.UTC().Format(time.RFC3339))
		if e.Expires > 0 {
			out = out.With("X-Amz-Expires", strconv.Itoa(int(e.Expires/time.Second)))
		}
	case sigv4.UnsignedHeaders:
		return out.With("HeadersNotSigned", strings.Join(e.HeadersNotSigned, ", "))
	case sigv4.BadPayloadHash:
		return out.With("ClientComputedContentSHA256", e.Declared).With("S3ComputedContentSHA256", e.Computed)
	}
	return out
}

// payload words what is wrong with an S3 body at the moment that it is read.
type payload struct{ io.ReadCloser }

func (p payload) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return n, refuseS3(e)
	}
	return n, err
}
