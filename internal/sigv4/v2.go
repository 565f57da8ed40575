package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 2 of S3, "Signing and Authenticating REST Requests" of
// the Amazon S3 User Guide, appendix "Signature Version 2".

func parseHeaderV2(r *http.Request, rest string) (*Auth, *Error) {
	id, sig, ok := strings.Cut(strings.TrimSpace(rest), ":")
	if !ok || id == "" || sig == "" {
		return nil, &Error{Kind: Malformed, Header: "Authorization", Message: "AWS authorization header is invalid. Expected AwsAccessKeyId:signature"}
	}
	a := &Auth{Method: HeaderV2, Scope: Scope{AccessKeyID: id, Service: "s3"}, Signature: sig}
	date, err := single(r, "X-Amz-Date")
	if err != nil {
		return nil, err
	}
	if date == "" {
		if date, err = single(r, "Date"); err != nil {
			return nil, err
		}
	}
	t, perr := http.ParseTime(date)
	if perr != nil {
		if t, perr = time.Parse(time.RFC1123Z, date); perr != nil {
			if t, perr = time.Parse(timeFormat, date); perr != nil {
				return nil, &Error{Kind: MissingDate, Header: "Date", Message: "AWS authentication requires a valid Date or x-amz-date header"}
			}
		}
	}
	a.Time = t.UTC()
	if a.Token, err = single(r, "X-Amz-Security-Token"); err != nil {
		return nil, err
	}
	return a, nil
}

func parseQueryV2(q *queryAuth) (*Auth, *Error) {
	if q.signatureVersion {
		return nil, &Error{Kind: Unsupported, Header: "SignatureVersion", Message: "Signature Version 2 of query services is not supported; sign with AWS4-HMAC-SHA256"}
	}
	if q.keyV2 == "" || q.sigV2 == "" || q.expiresV2 == "" {
		return nil, fail(MalformedQuery, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	n, err := strconv.ParseInt(q.expiresV2, 10, 64)
	// 1<<40 seconds lie beyond any time.Time that prints.
	if err != nil || n < 0 || n > 1<<40 {
		return nil, &Error{Kind: MalformedQuery, Header: "Expires", Message: "Invalid date (should be seconds since epoch): " + clip(q.expiresV2)}
	}
	return &Auth{
		Method:    QueryV2,
		Scope:     Scope{AccessKeyID: q.keyV2, Service: "s3"},
		Signature: q.sigV2,
		Token:     q.token,
		Expiry:    time.Unix(n, 0).UTC(),
		stamp:     q.expiresV2,
	}, nil
}

func (a *Auth) checkV2(r *http.Request, secret string, now time.Time, skew time.Duration) *Error {
	now = now.UTC()
	e := &Error{RequestTime: a.Time, ServerTime: now, MaxSkew: skew, Expiry: a.Expiry}
	if a.Method == QueryV2 {
		if now.After(a.Expiry) {
			e.Kind, e.Message = Expired, "Request has expired"
			return e
		}
	} else if d := now.Sub(a.Time); d > skew || d < -skew {
		e.Kind, e.Message = Skewed, skewedS3
		return e
	}
	path := requestPath(r)
	if path == "" {
		path = "/"
	}
	if a.Bucket != "" {
		path = "/" + a.Bucket + path
	}
	toSign := a.stringToSignV2(r, path)
	if equalV2(secret, toSign, a.Signature) {
		return nil
	}
	// A bucket addressed as /bucket is signed as /bucket/ by boto3.
	if strings.Count(path, "/") == 1 && path != "/" {
		if equalV2(secret, a.stringToSignV2(r, path+"/"), a.Signature) {
			return nil
		}
	}
	return a.badSignature(toSign, "")
}

func macV2(secret, data string) string {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// equalV2 compares in constant time. The hash is SHA-1 by definition.
func equalV2(secret, data, got string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(macV2(secret, data))) == 1
}

// subResources are the query parameters that Version 2 signs.
var subResources = map[string]bool{
	"accelerate": true, "acl": true, "analytics": true, "cors": true, "defaultObjectAcl": true,
	"delete": true, "inventory": true, "lifecycle": true, "location": true, "logging": true,
	"metrics": true, "notification": true, "object-lock": true, "partNumber": true, "policy": true,
	"replication": true, "requestPayment": true, "restore": true, "select": true, "select-type": true,
	"storageClass": true, "tagging": true, "torrent": true, "uploadId": true, "uploads": true,
	"versionId": true, "versioning": true, "versions": true, "website": true,
	"response-cache-control": true, "response-content-disposition": true,
	"response-content-encoding": true, "response-content-language": true,
	"response-content-type": true, "response-expires": true,
}

func (a *Auth) stringToSignV2(r *http.Request, path string) string {
	amz := map[string]string{}
	standard := map[string]string{"content-md5": r.Header.Get("Content-Md5"), "content-type": r.Header.Get("Content-Type")}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, "x-amz-") {
			continue
		}
		var v []byte
		for i, s := range values {
			if i > 0 {
				v = append(v, ',')
			}
			v = append(v, strings.TrimSpace(s)...)
		}
		amz[name] = string(v)
	}
	var sub []param
	for part := range strings.SplitSeq(requestQuery(r), "&") {
		name, value, hasValue := strings.Cut(part, "=")
		if subResources[name] {
			if hasValue {
				name += "="
			}
			// Overrides are signed decoded; no sub-resource needs decoding.
			sub = append(sub, param{name, unescape(value)})
		} else if lower := strings.ToLower(name); a.Method != QueryV2 {
			continue
		} else if v, ok := standard[lower]; ok && v == "" {
			// boto3 moves every signed header into the query.
			standard[lower] = unescape(value)
		} else if strings.HasPrefix(lower, "x-amz-") {
			value = unescape(value)
			// A header and a parameter that differ are both signed, so
			// that neither can be slipped in beside the other.
			if h, both := amz[lower]; both && h != value {
				value = h + "," + value
			}
			amz[lower] = value
		}
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	b.WriteString(strings.TrimSpace(standard["content-md5"]) + "\n")
	b.WriteString(strings.TrimSpace(standard["content-type"]) + "\n")
	switch {
	case a.Method == QueryV2:
		b.WriteString(a.stamp)
	case amz["x-amz-date"] == "":
		b.WriteString(strings.TrimSpace(r.Header.Get("Date")))
	}
	b.WriteByte('\n')
	names := make([]string, 0, len(amz))
	for name := range amz {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + ":" + amz[name] + "\n")
	}
	b.WriteString(path)
	slices.SortStableFunc(sub, compareParams)
	for i, p := range sub {
		if i == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		b.WriteString(p.name + p.value)
	}
	return b.String()
}
