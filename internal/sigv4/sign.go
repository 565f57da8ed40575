package sigv4

import (
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is what a request is signed with. It prints without its secrets.
type Key struct {
	// AccessKeyID and Secret are a pair; Token is the session token of
	// temporary credentials, "" otherwise.
	AccessKeyID, Secret, Token string
}

// LogValue shows the access key id only.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// String shows the access key id only.
func (k Key) String() string { return "key " + k.AccessKeyID }

// GoString shows the access key id only.
func (k Key) GoString() string { return "sigv4.Key{" + k.AccessKeyID + "}" }

// Sign adds an Authorization header to r, which is about to be sent:
// X-Amz-Date, X-Amz-Security-Token and, for S3, X-Amz-Content-Sha256 are set
// first, then host, content-type and every x-amz-* header are signed.
// payloadHash is the SHA-256 of the body in hex or, for S3, one of the
// constants such as [UnsignedPayload].
func Sign(r *http.Request, k Key, region, service, payloadHash string, t time.Time) {
	sc := Scope{k.AccessKeyID, t.UTC().Format(dateFormat), region, service}
	stamp := t.UTC().Format(timeFormat)
	r.Header.Set("X-Amz-Date", stamp)
	if k.Token != "" {
		r.Header.Set("X-Amz-Security-Token", k.Token)
	}
	if sc.s3() {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	names := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	c := canonical{s3: sc.s3(), names: names, hash: payloadHash}
	sig := c.sign(r, k.Secret, stamp, &sc)
	r.Header.Set("Authorization", Algorithm+" Credential="+sc.String()+", SignedHeaders="+strings.Join(names, ";")+", Signature="+sig)
}

// Presign adds a signature to the query of r, good for the given time from t
// on, and returns the URL. Only the host and the x-amz-* headers that r
// already has are signed; whoever uses the URL must send the latter.
// payloadHash is as for [Sign].
func Presign(r *http.Request, k Key, region, service, payloadHash string, t time.Time, expires time.Duration) string {
	sc := Scope{k.AccessKeyID, t.UTC().Format(dateFormat), region, service}
	stamp := t.UTC().Format(timeFormat)
	names := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	q := url.Values{
		"X-Amz-Algorithm":     {Algorithm},
		"X-Amz-Credential":    {sc.String()},
		"X-Amz-Date":          {stamp},
		"X-Amz-Expires":       {strconv.FormatInt(int64(expires/time.Second), 10)},
		"X-Amz-SignedHeaders": {strings.Join(names, ";")},
	}
	if k.Token != "" {
		q.Set("X-Amz-Security-Token", k.Token)
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += strings.ReplaceAll(q.Encode(), "+", "%20")
	c := canonical{s3: sc.s3(), presigned: true, names: names, hash: payloadHash}
	r.URL.RawQuery += "&X-Amz-Signature=" + c.sign(r, k.Secret, stamp, &sc)
	return r.URL.String()
}

func (c *canonical) sign(r *http.Request, secret, stamp string, sc *Scope) string {
	// The request is about to be sent: its URL counts, even if it was once
	// received and still has the RequestURI of then.
	r = r.WithContext(r.Context())
	r.RequestURI = ""
	key := signingKey(secret, sc)
	sig := mac(key[:], appendStringToSign(nil, stamp, sc, c.appendTo(nil, r)))
	return hex.EncodeToString(sig[:])
}
