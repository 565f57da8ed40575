package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved tells whether AWS's UriEncode leaves a byte alone: RFC 3986's
// unreserved characters.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// requestPath is the path as it stood on the wire. The request line is the
// truth for a received request: url.URL may have been rewritten, and its
// EscapedPath chooses an encoding of its own.
func requestPath(r *http.Request) string {
	p := originForm(r)
	if p == "" {
		p = r.URL.EscapedPath()
	}
	p, _, _ = strings.Cut(p, "?")
	return p
}

// requestQuery is the query string as it stood on the wire.
func requestQuery(r *http.Request) string {
	if p := originForm(r); p != "" {
		_, q, _ := strings.Cut(p, "?")
		return q
	}
	if r.URL == nil {
		return ""
	}
	return r.URL.RawQuery
}

// originForm is the request target without scheme and host, which a client
// sends if it takes us for a proxy (RFC 9112, 3.2.2). It is empty for a
// request that was not received.
func originForm(r *http.Request) string {
	p := r.RequestURI
	if p == "" || p[0] == '/' {
		return p
	}
	if _, rest, ok := strings.Cut(p, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			return rest[i:]
		}
		return "/"
	}
	return p
}

// unhex is the value of a hex digit, or 16.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// nextByte decodes the character of an encoded string at i and returns it with
// the index after it. A percent sign that begins no escape stands for itself.
// plus tells that '+' means a space, as it does in query strings.
func nextByte(s string, i int, plus bool) (byte, int) {
	c := s[i]
	if c == '%' && i+2 < len(s) {
		if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi < 16 && lo < 16 {
			return hi<<4 | lo, i + 3
		}
	}
	if c == '+' && plus {
		c = ' '
	}
	return c, i + 1
}

// unescape decodes a query parameter as this package's canonical form reads
// it, so that what is checked is what was signed.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		var c byte
		c, i = nextByte(s, i, true)
		out = append(out, c)
	}
	return string(out)
}

func appendEscaped(dst []byte, c byte) []byte {
	if unreserved(c) {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendPath appends the canonical URI.
//
// S3: every character of the path encoded once, slashes kept, nothing
// normalised: keys may hold "//" and "..". What arrives is decoded first,
// since S3 signs the key and not its spelling on the wire.
//
// Others: the path as received, normalised by RFC 3986 and encoded (again).
func appendPath(dst []byte, p string, s3 bool) []byte {
	if p == "" || p == "/" {
		return append(dst, '/')
	}
	if s3 {
		for i := 0; i < len(p); {
			if p[i] == '/' {
				dst = append(dst, '/')
				i++
				continue
			}
			var c byte
			c, i = nextByte(p, i, false)
			dst = appendEscaped(dst, c)
		}
		return dst
	}
	for c := range strings.SplitSeq(cleanPath(p), "/") {
		for i := range len(c) {
			dst = appendEscaped(dst, c[i])
		}
		dst = append(dst, '/')
	}
	return dst[:len(dst)-1]
}

// cleanPath removes empty, "." and ".." segments and keeps a slash at the end.
func cleanPath(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	var out []string
	dir := false
	for s := range strings.SplitSeq(p, "/") {
		dir = s == "" || s == "." || s == ".."
		switch s {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	c := "/" + strings.Join(out, "/")
	if dir && len(c) > 1 {
		c += "/"
	}
	return c
}

type param struct{ name, value string }

// appendQuery appends the canonical query string: every parameter but the
// signature, encoded, sorted by encoded name and then value. skip names one
// more parameter to leave out, in lower case.
func appendQuery(dst []byte, raw string, presigned bool, skip string) []byte {
	if raw == "" {
		return dst
	}
	var room [16]param
	params := room[:0]
	sorted := true
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		p := param{canonicalParam(name), canonicalParam(value)}
		if presigned && strings.EqualFold(p.name, "X-Amz-Signature") || skip != "" && strings.EqualFold(p.name, skip) {
			continue
		}
		if n := len(params); sorted && n > 0 && compareParams(params[n-1], p) > 0 {
			sorted = false
		}
		params = append(params, p)
	}
	if !sorted {
		slices.SortStableFunc(params, compareParams)
	}
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

func compareParams(a, b param) int {
	if c := cmp.Compare(a.name, b.name); c != 0 {
		return c
	}
	return cmp.Compare(a.value, b.value)
}

// canonicalParam decodes and encodes one name or value. What clients send is
// nearly always canonical already and then returned as it is.
func canonicalParam(s string) string {
	ok := true
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		switch {
		case unreserved(c):
		case c == '%' && i+2 < len(s) && canonicalEscape(s[i+1], s[i+2]):
			i += 2
		default:
			ok = false
		}
	}
	if ok {
		return s
	}
	out := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		var c byte
		c, i = nextByte(s, i, true)
		out = appendEscaped(out, c)
	}
	return string(out)
}

func canonicalEscape(a, b byte) bool {
	hi, lo := unhex(a), unhex(b)
	return hi < 16 && lo < 16 && a < 'a' && b < 'a' && !unreserved(hi<<4|lo)
}

// appendValue appends a header value, trimmed, with runs of spaces folded
// into one.
func appendValue(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t\r\n")
	space := false
	for i := range len(v) {
		c := v[i]
		if c == ' ' {
			if space {
				continue
			}
			space = true
		} else {
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}

// appendHeaders appends the canonical headers, each with its newline.
func appendHeaders(dst []byte, r *http.Request, names []string) []byte {
	var one [1]string
	for _, n := range names {
		dst = append(dst, n...)
		dst = append(dst, ':')
		for i, v := range headerValues(r, n, &one) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// canonical is what of a request goes into the canonical request.
type canonical struct {
	s3        bool
	presigned bool
	skip      string // a query parameter to leave out, in lower case
	names     []string
	hash      string
}

// appendTo appends the canonical request ("Create a signed AWS API request",
// step 1).
func (c *canonical) appendTo(dst []byte, r *http.Request) []byte {
	if r.Method == "" {
		dst = append(dst, http.MethodGet...)
	} else {
		dst = append(dst, r.Method...)
	}
	dst = append(dst, '\n')
	dst = appendPath(dst, requestPath(r), c.s3)
	dst = append(dst, '\n')
	dst = appendQuery(dst, requestQuery(r), c.presigned, c.skip)
	dst = append(dst, '\n')
	dst = appendHeaders(dst, r, c.names)
	dst = append(dst, '\n')
	for i, n := range c.names {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, n...)
	}
	dst = append(dst, '\n')
	return append(dst, c.hash...)
}

// appendScope appends DATE/REGION/SERVICE/aws4_request.
func appendScope(dst []byte, s *Scope) []byte {
	dst = append(dst, s.Date...)
	dst = append(dst, '/')
	dst = append(dst, s.Region...)
	dst = append(dst, '/')
	dst = append(dst, s.Service...)
	return append(dst, "/"+terminator...)
}

// appendStringToSign appends the string to sign (step 2).
func appendStringToSign(dst []byte, stamp string, s *Scope, canonicalRequest []byte) []byte {
	dst = append(dst, Algorithm+"\n"...)
	dst = append(dst, stamp...)
	dst = append(dst, '\n')
	dst = appendScope(dst, s)
	dst = append(dst, '\n')
	sum := sha256.Sum256(canonicalRequest)
	return hex.AppendEncode(dst, sum[:])
}

// mac is HMAC-SHA256.
func mac(key, data []byte) (out [32]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	h.Sum(out[:0])
	return out
}

// signingKey derives the key of a scope (step 3).
func signingKey(secret string, s *Scope) [32]byte {
	k := mac(append([]byte("AWS4"), secret...), []byte(s.Date))
	k = mac(k[:], []byte(s.Region))
	k = mac(k[:], []byte(s.Service))
	return mac(k[:], []byte(terminator))
}
