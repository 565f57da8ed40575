package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The aws-chunked framing: "Transferring Payload in Multiple Chunks" and
// "Including Trailing Headers" of the Amazon S3 API Reference.

const (
	// minChunk is the least size of every chunk but the last.
	minChunk = 8 << 10
	// maxLine bounds a chunk header and a trailer line.
	maxLine = 4 << 10
	// maxTrailers bounds the number of trailer lines.
	maxTrailers = 16
)

func newLineReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, maxLine) }

// chunks reads an aws-chunked body.
type chunks struct {
	src    *bufio.Reader
	limit  int64 // decoded length, -1 unknown
	signed bool
	sums   []*sum

	// For signed chunks: each signature covers the one before.
	key         []byte
	prefix      string // time and scope, each with its newline
	previous    string
	accessKeyID string

	// For trailers: those announced, and those that arrived.
	announced   []string
	trailer     http.Header
	trailerSums []*sum
	finish      func()

	left      int64 // of the chunk being read
	inChunk   bool
	small     bool   // the last chunk was too small to have one after it
	signature string // of the chunk being read
	digest    hash.Hash
	total     int64
	err       error
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.read(p)
	if err != nil {
		c.err = err
	}
	return n, c.err
}

func (c *chunks) read(p []byte) (int, error) {
	if !c.inChunk {
		if err := c.header(); err != nil {
			return 0, err
		}
		if c.left == 0 {
			return 0, c.end()
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.src.Read(p)
	if n > 0 {
		c.left -= int64(n)
		c.total += int64(n)
		if c.digest != nil {
			c.digest.Write(p[:n])
		}
		for _, s := range c.sums {
			s.hash.Write(p[:n])
		}
	}
	if c.left > 0 {
		if err == io.EOF {
			err = fail(BadChunk, "the body ends within a chunk, %d bytes short", c.left)
		}
		return n, err
	}
	// The chunk is complete: its bytes go out only if its signature is
	// right.
	if err := c.crlf(); err != nil {
		return 0, err
	}
	if err := c.verify(); err != nil {
		return 0, err
	}
	c.inChunk = false
	return n, nil
}

// header reads "size[;chunk-signature=…]\r\n".
func (c *chunks) header() error {
	line, err := c.line()
	if err != nil {
		if err == io.EOF {
			err = fail(BadChunk, "the body ends without the final chunk of size 0")
		}
		return err
	}
	size, ext, hasExt := strings.Cut(line, ";")
	n, perr := strconv.ParseUint(size, 16, 63)
	if perr != nil {
		return fail(BadChunk, "no chunk size: %q", clip(line))
	}
	if c.signed {
		sig, ok := strings.CutPrefix(strings.TrimSpace(ext), "chunk-signature=")
		if !ok {
			return fail(BadChunk, "the chunk has no chunk-signature: %q", clip(line))
		}
		c.signature = sig
		if c.digest == nil {
			c.digest = sha256.New()
		}
		c.digest.Reset()
	} else if hasExt {
		return fail(BadChunk, "a chunk extension where none belongs: %q", clip(line))
	}
	c.left = int64(n)
	if c.left > 0 && c.small {
		return &Error{Kind: BadChunk, Small: true, Message: "Only the last chunk is allowed to have a size less than 8192 bytes"}
	}
	c.small = c.left < minChunk
	if c.limit >= 0 && c.left > c.limit-c.total {
		return &Error{Kind: BadLength, Header: "x-amz-decoded-content-length",
			Message:  "You did not provide the number of bytes specified by the Content-Length HTTP header",
			Declared: strconv.FormatInt(c.limit, 10), Computed: "more"}
	}
	c.inChunk = true
	return nil
}

// line reads one line without its end.
func (c *chunks) line() (string, error) {
	b, err := c.src.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", fail(BadChunk, "a line of the framing is longer than %d bytes", maxLine)
	case err == io.EOF && len(b) > 0:
		return "", fail(BadChunk, "the body ends within a line of the framing")
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
}

// crlf reads the line end after a chunk's data.
func (c *chunks) crlf() error {
	var b [2]byte
	if _, err := io.ReadFull(c.src, b[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fail(BadChunk, "the body ends after a chunk, without the final chunk of size 0")
		}
		return err
	}
	if b != [2]byte{'\r', '\n'} {
		return fail(BadChunk, "the chunk is longer than its size")
	}
	return nil
}

// verify checks the signature of the chunk just read and chains it.
func (c *chunks) verify() error {
	if !c.signed {
		return nil
	}
	var sum [32]byte
	c.digest.Sum(sum[:0])
	toSign := Algorithm + "-PAYLOAD\n" + c.prefix + c.previous + "\n" + EmptyPayload + "\n" + hex.EncodeToString(sum[:])
	return c.chain(toSign, c.signature)
}

func (c *chunks) chain(toSign, got string) error {
	if !equalHex(got, mac(c.key, []byte(toSign))) {
		return &Error{
			Kind:              BadSignature,
			Message:           badSignatureS3,
			AccessKeyID:       c.accessKeyID,
			SignatureProvided: got,
			StringToSign:      toSign,
		}
	}
	c.previous = got
	return nil
}

// end comes after the header of the chunk of size 0. It returns io.EOF if
// all is well.
func (c *chunks) end() error {
	if err := c.verify(); err != nil {
		return err
	}
	if err := c.trailers(); err != nil {
		return err
	}
	if c.limit >= 0 && c.total != c.limit {
		return &Error{Kind: BadLength, Header: "x-amz-decoded-content-length",
			Message:  "You did not provide the number of bytes specified by the Content-Length HTTP header",
			Declared: strconv.FormatInt(c.limit, 10), Computed: strconv.FormatInt(c.total, 10)}
	}
	if err := verifySums(c.sums); err != nil {
		return err
	}
	c.finish()
	return io.EOF
}

// trailers reads what follows the last chunk, up to the end of the body.
// Blank lines are passed over: clients differ in where they put them.
func (c *chunks) trailers() error {
	var signed strings.Builder
	signature := ""
	for lines := 0; ; lines++ {
		line, err := c.line()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if lines > 2*maxTrailers {
			return fail(BadTrailer, "more than %d trailers", maxTrailers)
		}
		if line == "" {
			continue
		}
		if c.trailer == nil {
			return fail(BadChunk, "data after the final chunk: %q", clip(line))
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return &Error{Kind: BadTrailer, Message: "The request contained trailing data that was not well-formed or did not conform to our published schema."}
		}
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if name == "x-amz-trailer-signature" {
			if signature != "" || !c.signed {
				return &Error{Kind: BadTrailer, Header: name, Message: "The request contained trailing data that was not well-formed or did not conform to our published schema."}
			}
			signature = value
			continue
		}
		if !slices.Contains(c.announced, name) || c.trailer[http.CanonicalHeaderKey(name)] != nil || signature != "" {
			return &Error{Kind: BadTrailer, Header: name, Message: "The trailer " + clip(name) + " was not announced in x-amz-trailer, stands twice or follows the signature"}
		}
		c.trailer[http.CanonicalHeaderKey(name)] = []string{value}
		signed.WriteString(name + ":" + value + "\n")
	}
	for _, name := range c.announced {
		if c.trailer[http.CanonicalHeaderKey(name)] == nil {
			return &Error{Kind: BadTrailer, Header: name, Message: "The trailer " + clip(name) + " was announced in x-amz-trailer and is missing"}
		}
	}
	if c.signed && c.trailer != nil {
		sum := sha256.Sum256([]byte(signed.String()))
		toSign := Algorithm + "-TRAILER\n" + c.prefix + c.previous + "\n" + hex.EncodeToString(sum[:])
		if err := c.chain(toSign, signature); err != nil {
			return err
		}
	}
	for _, s := range c.trailerSums {
		if err := s.expect(c.trailer.Get(s.name)); err != nil {
			return err
		}
	}
	return nil
}
