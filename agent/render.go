package agent

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mantle-iam/mantle/broker"
)

// timeFormat is how both endpoints spell a moment: whole seconds, in UTC, with
// a Z. botocore reads instance metadata's with strptime and takes no other. It
// is RFC 3339 of a time in UTC, which package time writes faster than any other.
const timeFormat = time.RFC3339

// buffers holds the memory answers are written in.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 4096)
	return &p
}

// put takes the memory back, wiped: what it held may have been a secret.
func (b *buffers) put(p *[]byte) {
	clear(*p)
	*p = (*p)[:0]
	b.pool.Put(p)
}

// appendECS appends the container endpoint's answer: the five keys of the ECS
// agent, and AccountId, which SDKs use to choose account-based endpoints.
//
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
func appendECS(b []byte, c *broker.Credentials) []byte {
	b = appendField(b, `{"RoleArn":`, c.RoleARN)
	b = appendField(b, `,"AccessKeyId":`, c.AccessKeyID)
	b = appendField(b, `,"SecretAccessKey":`, c.SecretAccessKey)
	b = appendField(b, `,"Token":`, c.SessionToken)
	if c.AccountID != "" {
		b = appendField(b, `,"AccountId":`, c.AccountID)
	}
	b = append(b, `,"Expiration":"`...)
	b = c.Expires.UTC().AppendFormat(b, timeFormat)
	return append(b, `"}`...)
}

// appendIMDS appends the metadata service's answer, laid out as it does. The
// account is given under security-credentials-extended only.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
func appendIMDS(b []byte, c *broker.Credentials, issued time.Time, extended bool) []byte {
	b = append(b, "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \""...)
	b = issued.UTC().AppendFormat(b, timeFormat)
	b = append(b, "\",\n  \"Type\" : \"AWS-HMAC\""...)
	b = appendField(b, ",\n  \"AccessKeyId\" : ", c.AccessKeyID)
	b = appendField(b, ",\n  \"SecretAccessKey\" : ", c.SecretAccessKey)
	b = appendField(b, ",\n  \"Token\" : ", c.SessionToken)
	b = append(b, ",\n  \"Expiration\" : \""...)
	b = c.Expires.UTC().AppendFormat(b, timeFormat)
	b = append(b, '"')
	if extended && c.AccountID != "" {
		b = appendField(b, ",\n  \"AccountId\" : ", c.AccountID)
	}
	return append(b, "\n}"...)
}

// appendField appends name, which holds whatever punctuation belongs to it, and
// value as a JSON string.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if !plain(value) {
		quoted, _ := json.Marshal(value) // a string always marshals
		return append(b, quoted...)
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}

// plain reports whether s stands for itself between the quotes of a JSON string:
// printable ASCII without '"' and '\\'. It looks at eight bytes at once, since a
// session token has a thousand and nothing else of an answer takes longer.
func plain(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// The high bit of a byte of each term is set if that byte is below ' ', is
		// '"', is '\\', or is no ASCII: a byte minus what it must not reach borrows
		// from its high bit. A borrow may also mark the byte above a marked one,
		// which changes nothing.
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&highs != 0 {
			return false
		}
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// header values are shared by all answers and must not be changed: setting them
// allocates nothing.
type headers struct{ json, text, html, server, ranges []string }

func newHeaders() headers {
	return headers{
		json:   []string{"application/json"},
		text:   []string{"text/plain"},
		html:   []string{"text/html; charset=utf-8"},
		server: []string{"EC2ws"},
		ranges: []string{"none"},
	}
}

// setLength sets Content-Length, so that an answer of any size goes out in one
// piece and not chunked, and that HEAD tells it.
func setLength(h http.Header, n int) { h["Content-Length"] = []string{strconv.Itoa(n)} }

// selfCounted is the size in bytes up to which net/http sets the Content-Length
// of the answer to a GET by itself, and cheaper: its buffer holds 2048.
const selfCounted = 2000

// retryAfter is the value of Retry-After for a wait of d, whole seconds, at
// least one (RFC 9110 section 10.2.3).
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}
