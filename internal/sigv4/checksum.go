package sigv4

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
)

// The tables of the checksums that have one. CRC-64/NVME is the polynomial
// 0xad93d23594c93659, bits reversed as hash/crc64 wants it.
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

const checksumPrefix = "x-amz-checksum-"

// newSum makes the running sum for a checksum header by its lower-case name.
// It is nil for a header that is no checksum. See "Checking object integrity"
// of the Amazon S3 User Guide.
func newSum(name string) (*sum, *Error) {
	if name == "content-md5" {
		return &sum{name: name, hash: md5.New()}, nil
	}
	algorithm, ok := strings.CutPrefix(name, checksumPrefix)
	if !ok {
		return nil, nil
	}
	var h hash.Hash
	switch algorithm {
	case "mode", "type", "algorithm": // say something about checksums
		return nil, nil
	case "crc32":
		h = crc32.NewIEEE()
	case "crc32c":
		h = crc32.New(castagnoli)
	case "crc64nvme":
		h = crc64.New(nvme)
	case "sha1":
		h = sha1.New()
	case "sha256":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	case "md5":
		h = md5.New()
	default:
		return nil, &Error{Kind: Unsupported, Header: name, Message: "the checksum algorithm of " + clip(name) + " is not supported; use CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512 or MD5"}
	}
	return &sum{name: name, hash: h}, nil
}

// expect sets the value that the sum must come to, as the client wrote it.
func (s *sum) expect(value string) *Error {
	want, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(want) != s.hash.Size() {
		e := &Error{Kind: InvalidChecksum, Header: s.name, Declared: value, Message: "Value for " + s.name + " header is invalid."}
		if s.name == "content-md5" {
			e.Message = "The Content-MD5 you specified was invalid."
		}
		return e
	}
	s.check = func(got []byte) *Error {
		if subtle.ConstantTimeCompare(got, want) == 1 {
			return nil
		}
		e := &Error{Kind: BadChecksum, Header: s.name, Declared: value, Computed: base64.StdEncoding.EncodeToString(got)}
		if s.name == "content-md5" {
			e.Message = "The Content-MD5 you specified did not match what we received."
		} else {
			e.Message = "The " + strings.ToUpper(s.name[len(checksumPrefix):]) + " you specified did not match the calculated checksum."
		}
		return e
	}
	return nil
}

// headerSums makes the sums that the headers of a request declare for its
// body. CompleteMultipartUpload (POST ?uploadId) carries the checksum of the
// object it assembles and CopyObject sends no body: theirs are left alone.
func headerSums(r *http.Request) ([]*sum, *Error) {
	if r.Header["X-Amz-Copy-Source"] != nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil
	}
	complete := false
	if r.Method == http.MethodPost {
		for part := range strings.SplitSeq(requestQuery(r), "&") {
			complete = complete || strings.HasPrefix(part, "uploadId=")
		}
	}
	var sums []*sum
	for header, values := range r.Header {
		name := strings.ToLower(header)
		if name != "content-md5" && (complete || !strings.HasPrefix(name, checksumPrefix)) {
			continue
		}
		s, err := newSum(name)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		if len(values) != 1 {
			return nil, &Error{Kind: InvalidChecksum, Header: name, Message: "Expecting a single " + name + " header."}
		}
		if err := s.expect(strings.TrimSpace(values[0])); err != nil {
			return nil, err
		}
		sums = append(sums, s)
	}
	if n := len(sums); n > 2 || n == 2 && !hasMD5(sums) {
		return nil, &Error{Kind: InvalidChecksum, Header: "x-amz-checksum-", Message: "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."}
	}
	return sums, nil
}

func hasMD5(sums []*sum) bool {
	for _, s := range sums {
		if s.name == "content-md5" {
			return true
		}
	}
	return false
}
