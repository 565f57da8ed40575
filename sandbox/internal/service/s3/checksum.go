package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"reflect"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// checksum is the checksum that S3 keeps with an object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
type checksum struct {
	// Algorithm is as in the API: CRC32, CRC64NVME, SHA256, …
	Algorithm string `json:"g,omitempty"`
	// Value is the base64 text, with "-N" behind it if it is composite.
	Value string `json:"v,omitempty"`
	// Composite is true for a checksum over the checksums of the parts.
	Composite bool `json:"m,omitempty"`
}

// defaultAlgorithm is what S3 computes where the client names none.
const defaultAlgorithm = "CRC64NVME"

// nvme is the reversed polynomial of CRC-64/NVME.
const nvme = 0x9a6c9329ac4bc9b5

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	crcNVME    = crc64.MakeTable(nvme)
)

// algorithms makes the hash of each checksum that the sandbox knows.
var algorithms = map[string]func() hash.Hash{
	"CRC32":     func() hash.Hash { return crc32.NewIEEE() },
	"CRC32C":    func() hash.Hash { return crc32.New(castagnoli) },
	"CRC64NVME": func() hash.Hash { return crc64.New(crcNVME) },
	"SHA1":      sha1.New,
	"SHA256":    sha256.New,
	"SHA512":    sha512.New,
	"MD5":       md5.New,
}

// Header names of checksums.
const checksumHeader = "X-Amz-Checksum-"

// claim is what a request says about the checksum of its body.
type claim struct {
	algorithm string
	value     string // base64, "" if it comes in the trailer or not at all
}

// claimed reads the checksum headers: one x-amz-checksum-* header, or its
// announcement in x-amz-trailer, or the algorithm alone.
func claimed(h http.Header) (claim, error) {
	var c claim
	for name, values := range h {
		alg, ok := strings.CutPrefix(name, checksumHeader)
		if alg = strings.ToUpper(alg); !ok || alg == "TYPE" || alg == "MODE" || alg == "ALGORITHM" || len(values) == 0 {
			continue
		}
		if c.algorithm != "" {
			return c, errInvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		c = claim{alg, values[0]}
	}
	if c.algorithm == "" {
		for t := range strings.SplitSeq(strings.ToLower(h.Get("X-Amz-Trailer")), ",") {
			if alg, ok := strings.CutPrefix(strings.TrimSpace(t), "x-amz-checksum-"); ok {
				c.algorithm = strings.ToUpper(alg)
			}
		}
	}
	named := h.Get("X-Amz-Sdk-Checksum-Algorithm")
	if named == "" {
		named = h.Get("X-Amz-Checksum-Algorithm")
	}
	switch {
	case named == "" || strings.EqualFold(named, c.algorithm):
	case c.algorithm == "":
		c.algorithm = strings.ToUpper(named)
	default:
		return c, errInvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	if c.algorithm == "" {
		return c, nil
	}
	if err := knownAlgorithm(c.algorithm); err != nil {
		return c, err
	}
	if c.value != "" {
		raw, err := base64.StdEncoding.DecodeString(c.value)
		if err != nil || len(raw) != algorithms[c.algorithm]().Size() {
			return c, errInvalidRequest(fmt.Sprintf("Value for x-amz-checksum-%s header is invalid.", strings.ToLower(c.algorithm)))
		}
	}
	return c, nil
}

// knownAlgorithm refuses checksums that the sandbox cannot compute.
func knownAlgorithm(name string) error {
	if _, ok := algorithms[name]; ok {
		return nil
	}
	if strings.HasPrefix(name, "XXHASH") {
		return errNotImplemented("checksum " + name + "; use CRC64NVME")
	}
	return errInvalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// verify compares what was claimed of a body with what it is. trailer is the
// request's trailer, complete once the body is read.
func (c claim) verify(got received, h, trailer http.Header) error {
	value := c.value
	if value == "" && c.algorithm != "" {
		value = trailer.Get(checksumHeader + c.algorithm)
	}
	if value != "" && value != base64.StdEncoding.EncodeToString(got.sum) {
		return wire.Fail("BadDigest", 400, "The %s you specified did not match the calculated checksum.", c.algorithm)
	}
	return verifyMD5(got.md5, h)
}

// verifyMD5 checks Content-MD5, if given.
func verifyMD5(sum []byte, h http.Header) error {
	values, ok := h["Content-Md5"]
	if !ok {
		return nil
	}
	want, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil || len(want) != md5.Size {
		return wire.Fail("InvalidDigest", 400, "The Content-MD5 you specified was invalid.")
	}
	if string(want) != string(sum) {
		return wire.Fail("BadDigest", 400, "The Content-MD5 you specified did not match what we received.").
			With("ExpectedDigest", values[0]).With("CalculatedDigest", base64.StdEncoding.EncodeToString(sum))
	}
	return nil
}

// typ is the ChecksumType of the API.
func (c checksum) typ() string {
	switch {
	case c.Algorithm == "":
		return ""
	case c.Composite:
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// headers adds the checksum to the headers of an answer.
func (c checksum) headers(h http.Header) {
	if c.Algorithm != "" {
		h.Set(checksumHeader+c.Algorithm, c.Value)
		h.Set("X-Amz-Checksum-Type", c.typ())
	}
}

// setChecksum sets the field Checksum<Algorithm> of an SDK struct, and its
// ChecksumType if it has one. out points to the struct.
func setChecksum(out any, c checksum) {
	if c.Algorithm == "" {
		return
	}
	v := reflect.ValueOf(out).Elem()
	if f := v.FieldByName("Checksum" + c.Algorithm); f.IsValid() {
		f.Set(reflect.ValueOf(&c.Value))
	}
	if f := v.FieldByName("ChecksumType"); f.IsValid() && f.Kind() == reflect.String {
		f.SetString(c.typ())
	}
}

// getChecksum reads the field Checksum<algorithm> of an SDK struct.
func getChecksum(in any, algorithm string) string {
	f := reflect.ValueOf(in).Elem().FieldByName("Checksum" + algorithm)
	if !f.IsValid() || f.IsNil() {
		return ""
	}
	return f.Elem().String()
}

// composite is the checksum over the raw checksums of the parts.
func composite(algorithm string, pieces []piece) (checksum, error) {
	h := algorithms[algorithm]()
	for _, p := range pieces {
		raw, err := base64.StdEncoding.DecodeString(p.Sum)
		if err != nil {
			return checksum{}, fmt.Errorf("checksum of part %d: %w", p.Number, err)
		}
		h.Write(raw)
	}
	return checksum{algorithm, fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(pieces)), true}, nil
}

// whole is the checksum of the parts' bytes in a row, worked out of the
// parts' own CRCs without reading the bytes again.
func whole(algorithm string, pieces []piece) (checksum, error) {
	poly, width := uint64(nvme), 64
	switch algorithm {
	case "CRC32":
		poly, width = crc32.IEEE, 32
	case "CRC32C":
		poly, width = crc32.Castagnoli, 32
	}
	var crc uint64
	for _, p := range pieces {
		raw, err := base64.StdEncoding.DecodeString(p.Sum)
		if err != nil {
			return checksum{}, fmt.Errorf("checksum of part %d: %w", p.Number, err)
		}
		var n uint64
		for _, b := range raw {
			n = n<<8 | uint64(b)
		}
		crc = shift(poly, width, crc, p.Size) ^ n
	}
	raw := make([]byte, width/8)
	for i := range raw {
		raw[i] = byte(crc >> (width - 8 - 8*i))
	}
	return checksum{Algorithm: algorithm, Value: base64.StdEncoding.EncodeToString(raw)}, nil
}

// shift is the effect on a reflected CRC of n more zero bytes: a
// multiplication by x^(8n) modulo the polynomial.
func shift(poly uint64, width int, crc uint64, n int64) uint64 {
	one := uint64(1) << (width - 1) // x^0
	mul := func(a, b uint64) (p uint64) {
		for m := one; m != 0; m >>= 1 {
			if a&m != 0 {
				p ^= b
			}
			carry := b & 1
			b >>= 1
			if carry != 0 {
				b ^= poly
			}
		}
		return p
	}
	factor, square := one, one>>8 // x^8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			factor = mul(factor, square)
		}
		square = mul(square, square)
	}
	return mul(crc, factor)
}
