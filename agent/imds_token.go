package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// Headers of tokens, as net/http spells them.
const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// Limits of a token's life, in seconds.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
const (
	minTokenTTL = 1
	maxTokenTTL = 21600
)

// A token is the moment it ends, in nanoseconds since the service started, and
// a keyed hash of that and of the caller. Nothing is stored, so no caller can
// push out another's token by asking for many; and a token read by one caller
// is worthless to another. It is 56 characters long, as AWS's are.
//
// The moment is counted by the monotonic clock: setting the clock back does not
// lengthen a token's life.
const tokenSize = 8 + sha256.Size

// mint returns a token for who that lasts for ttl.
func (m *IMDS) mint(who broker.Caller, ttl time.Duration) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenSize), uint64(time.Since(m.started)+ttl))
	return base64.URLEncoding.EncodeToString(append(b, m.mac(b, who)...))
}

// verify returns how long token still lasts, if it was minted for who.
func (m *IMDS) verify(token string, who broker.Caller) (time.Duration, bool) {
	var buf [tokenSize + 2]byte // two more: the padding decodes to nothing, but needs room
	if len(token) != base64.URLEncoding.EncodedLen(tokenSize) {
		return 0, false
	}
	n, err := base64.URLEncoding.Strict().Decode(buf[:], []byte(token))
	if err != nil || n != tokenSize {
		return 0, false
	}
	if !hmac.Equal(buf[8:tokenSize], m.mac(buf[:8], who)) {
		return 0, false
	}
	left := time.Duration(binary.BigEndian.Uint64(buf[:8])) - time.Since(m.started)
	return left, left > 0
}

// mac binds the end of a token to its caller: to the workload, the user, the
// unit and the container, but not to the process, since a script asks for a
// token with one program and uses it with the next.
func (m *IMDS) mac(end []byte, who broker.Caller) []byte {
	h := hmac.New(sha256.New, m.key[:])
	h.Write(end)
	id, generation := who.Instance()
	for _, s := range []string{who.How, who.Workload, who.Unit, strconv.Itoa(who.UID), id, generation} {
		var n [8]byte // lengths keep the parts apart
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return h.Sum(nil)
}

// serveToken answers requests to api/token.
func (m *IMDS) serveToken(w http.ResponseWriter, r *http.Request, version string) {
	h := w.Header()
	if r.Method != http.MethodPut {
		h["Allow"] = []string{"OPTIONS, PUT"}
		setLength(h, 0)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if name := relayed(r); name != "" {
		m.fail(w, r, nobody(), imdsError(http.StatusForbidden, "the request has a %s header: tokens are not handed to proxies", name))
		return
	}
	if version != latest {
		m.fail(w, r, nobody(), imdsError(http.StatusForbidden, "tokens are given at /latest/api/token only"))
		return
	}
	ttl, ok := tokenTTL(r.Header[ttlHeader])
	if !ok {
		m.fail(w, r, nobody(), imdsError(http.StatusBadRequest, "X-aws-ec2-metadata-token-ttl-seconds must be there once, a number from %d to %d", minTokenTTL, maxTokenTTL))
		return
	}
	// A caller that is not known gets a token too, good for what is no secret:
	// refusing would send its SDK to version 1 instead of to a clear answer.
	c := connectionOf(r)
	who, err := c.identify()
	if err != nil {
		who = nobody()
	}
	if c != nil && c.Conn != nil {
		// Best effort: where the system has no such option the answer goes as far
		// as any other.
		setHopLimit(c.Conn, m.opt.HopLimit)
	}
	// SDKs parse the life out of the answer; without it the SDK for Go falls back
	// to version 1.
	h[ttlHeader] = []string{strconv.Itoa(ttl)}
	h["Content-Type"] = m.headers.text
	token := m.mint(who, time.Duration(ttl)*time.Second)
	setLength(h, len(token))
	w.Write([]byte(token))
}

// tokenTTL reads the life asked for, in seconds.
func tokenTTL(values []string) (int, bool) {
	if len(values) != 1 || len(values[0]) > 5 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(values[0]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n >= minTokenTTL && n <= maxTokenTTL
}
