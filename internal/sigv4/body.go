package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// mode is what x-amz-content-sha256 says about a body.
type mode struct {
	hash    bool // the value is the hash of the body
	chunked bool // aws-chunked framing
	signed  bool // every chunk is signed
	trailer bool // trailers follow the last chunk
}

func payloadMode(v string) (mode, *Error) {
	switch v {
	case UnsignedPayload:
		return mode{}, nil
	case StreamingUnsignedTrail:
		return mode{chunked: true, trailer: true}, nil
	case StreamingPayload:
		return mode{chunked: true, signed: true}, nil
	case StreamingPayloadTrail:
		return mode{chunked: true, signed: true, trailer: true}, nil
	case streamingPayloadV4A, streamingPayloadV4ATail:
		return mode{}, &Error{Kind: Unsupported, Header: "x-amz-content-sha256", Message: "SigV4A (" + v + ") signatures are not supported; configure the client to sign with AWS4-HMAC-SHA256"}
	}
	if isHash(v) {
		return mode{hash: true}, nil
	}
	return mode{}, &Error{Kind: InvalidPayloadHash, Header: "x-amz-content-sha256",
		Message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."}
}

// Body wraps the body of an S3 request so that what is read from it is the
// object's bytes, verified: against the hash in x-amz-content-sha256, chunk
// by chunk where chunks are signed, and against the checksums in headers
// (x-amz-checksum-*, Content-MD5) or trailers. It removes the aws-chunked
// framing.
//
// Call it once, after a.Check has returned nil; a is nil for anonymous
// requests. secret is the one that Check was given.
//
// The int64 is the number of bytes the reader will yield, -1 if the client
// did not say. r is changed to look like a plain upload: ContentLength is
// that number, and aws-chunked is gone from Content-Encoding. After the body
// has been read to its end r.Trailer holds the trailers that arrived, such
// as X-Amz-Checksum-Crc32.
//
// Errors that need the bytes come from Read, as *Error. The reader keeps the
// last bytes of a body of known length until everything has been verified, so
// whoever has read all of it, even without seeing io.EOF, has read the
// genuine body. Bytes read before a Read fails are to be thrown away.
func (a *Auth) Body(r *http.Request, secret string) (io.ReadCloser, int64, *Error) {
	declared, err := single(r, "X-Amz-Content-Sha256")
	if err != nil {
		return nil, 0, err
	}
	if declared == "" {
		declared = UnsignedPayload
		if a != nil && a.PayloadHash != "" {
			declared = a.PayloadHash
		}
	}
	m, err := payloadMode(declared)
	if err != nil {
		return nil, 0, err
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	sums, err := headerSums(r)
	if err != nil {
		return nil, 0, err
	}
	if !m.chunked {
		if hasChunkedEncoding(r) {
			return nil, 0, &Error{Kind: InvalidPayloadHash, Header: "x-amz-content-sha256",
				Message: "Content-Encoding is aws-chunked, but x-amz-content-sha256 is not one of the STREAMING- values"}
		}
		if m.hash {
			want := declared
			sums = append(sums, &sum{hash: sha256.New(), check: func(got []byte) *Error {
				if computed := hex.EncodeToString(got); computed != want {
					return mismatchedHash(want, computed)
				}
				return nil
			}})
		}
		if len(sums) == 0 {
			return body, r.ContentLength, nil
		}
		return newBody(&summing{src: body, sums: sums}, body, r.ContentLength)
	}

	length := int64(-1)
	v, err := single(r, "X-Amz-Decoded-Content-Length")
	if err != nil {
		return nil, 0, err
	}
	switch {
	case v != "":
		n, perr := strconv.ParseInt(v, 10, 64)
		if perr != nil || n < 0 {
			return nil, 0, &Error{Kind: MissingLength, Header: "x-amz-decoded-content-length", Message: "x-amz-decoded-content-length is no length: " + clip(v)}
		}
		length = n
	case m.signed:
		return nil, 0, &Error{Kind: MissingLength, Header: "x-amz-decoded-content-length", Message: "You must provide the Content-Length HTTP header."}
	}
	c := &chunks{src: newLineReader(body), limit: length, signed: m.signed}
	if m.signed {
		if a == nil || a.Method != Header {
			return nil, 0, &Error{Kind: InvalidPayloadHash, Header: "x-amz-content-sha256", Message: declared + " needs a signature in the Authorization header"}
		}
		c.key, c.previous, c.accessKeyID = a.signingKey(secret), a.Signature, a.Scope.AccessKeyID
		c.prefix = a.stamp + "\n" + string(appendScope(nil, &a.Scope)) + "\n"
	}
	if m.trailer {
		c.trailer = http.Header{}
		if c.announced, err = announcedTrailers(r); err != nil {
			return nil, 0, err
		}
		for _, name := range c.announced {
			s, err := newSum(name)
			if err != nil {
				return nil, 0, err
			}
			if s != nil {
				c.trailerSums = append(c.trailerSums, s)
			}
		}
	}
	c.finish = func() { setTrailer(r, c.trailer) }
	sums = append(sums, c.trailerSums...)
	c.sums = sums
	stripChunked(r)
	r.ContentLength = length
	return newBody(c, body, length)
}

// announcedTrailers reads x-amz-trailer.
func announcedTrailers(r *http.Request) ([]string, *Error) {
	var names []string
	for _, v := range r.Header["X-Amz-Trailer"] {
		for n := range strings.SplitSeq(v, ",") {
			if n = strings.ToLower(strings.TrimSpace(n)); n != "" {
				names = append(names, n)
			}
		}
	}
	if len(names) > maxTrailers {
		return nil, &Error{Kind: BadTrailer, Header: "x-amz-trailer", Message: "x-amz-trailer announces more than " + strconv.Itoa(maxTrailers) + " trailers"}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func hasChunkedEncoding(r *http.Request) bool {
	for _, v := range r.Header["Content-Encoding"] {
		for e := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(e), "aws-chunked") {
				return true
			}
		}
	}
	return false
}

// stripChunked takes aws-chunked out of Content-Encoding: S3 stores the
// object with what remains.
func stripChunked(r *http.Request) {
	var keep []string
	for _, v := range r.Header["Content-Encoding"] {
		for e := range strings.SplitSeq(v, ",") {
			if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
				keep = append(keep, e)
			}
		}
	}
	if keep == nil {
		r.Header.Del("Content-Encoding")
	} else {
		r.Header["Content-Encoding"] = []string{strings.Join(keep, ",")}
	}
}

func setTrailer(r *http.Request, h http.Header) {
	if len(h) == 0 {
		return
	}
	if r.Trailer == nil {
		r.Trailer = http.Header{}
	}
	for k, v := range h {
		r.Trailer[k] = v
	}
}

// sum is a hash over the body and the test that its result must pass.
type sum struct {
	name  string // lower-case header name, "" for the payload hash
	hash  hash.Hash
	check func(got []byte) *Error
}

func verifySums(sums []*sum) error {
	for _, s := range sums {
		if s.check == nil {
			continue
		}
		if err := s.check(s.hash.Sum(nil)); err != nil {
			return err
		}
	}
	return nil
}

// summing hashes a plain body and checks the sums at its end.
type summing struct {
	src  io.Reader
	sums []*sum
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	for _, h := range s.sums {
		h.hash.Write(p[:n])
	}
	if err == io.EOF {
		if bad := verifySums(s.sums); bad != nil {
			// n bytes may complete the body; they are not handed out.
			return 0, bad
		}
	}
	return n, err
}

// body withholds the last bytes until src has come to a good end.
type body struct {
	src  io.Reader
	raw  io.Closer
	left int64 // bytes still to be read, -1 unknown
	err  error // sticks
}

// newBody verifies an empty body at once, because nobody may ever read it.
func newBody(src io.Reader, raw io.Closer, length int64) (io.ReadCloser, int64, *Error) {
	b := &body{src: src, raw: raw, left: length}
	if length == 0 {
		_, err := b.Read(make([]byte, 1))
		if bad, ok := errors.AsType[*Error](err); ok {
			return nil, 0, bad
		}
	}
	return b, length, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.src.Read(p)
	if b.left < 0 {
		if err != nil {
			b.err = err
			if err != io.EOF {
				n = 0
			}
		}
		return n, b.err
	}
	b.left -= int64(n)
	if b.left > 0 && err == nil {
		return n, nil
	}
	// The end: only io.EOF makes the bytes in p good.
	if err == nil {
		var extra [1]byte
		for tries := 0; err == nil; tries++ {
			var m int
			if m, err = b.src.Read(extra[:]); m > 0 {
				err = &Error{Kind: BadLength, Message: "the body is longer than announced"}
			} else if tries == 100 {
				err = io.ErrNoProgress
			}
		}
	}
	b.err = err
	if err != io.EOF {
		return 0, err
	}
	if b.left > 0 {
		b.err = &Error{Kind: BadLength, Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
		return 0, b.err
	}
	return n, nil
}

func (b *body) Close() error {
	if b.err == nil {
		b.err = errClosed
	}
	return b.raw.Close()
}

// errClosed is what a closed body answers.
var errClosed = errors.New("sigv4: read on closed body")
