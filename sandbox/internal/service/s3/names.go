package s3

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxKey is the length limit of object keys in bytes of UTF-8.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
const maxKey = 1024

// Prefixes and suffixes that bucket names must not have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var (
	reservedPrefixes = [...]string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = [...]string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// validBucketName tells whether a general purpose bucket may have the name.
func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Contains(name, "..") {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		edge := i == 0 || i == len(name)-1
		if !letter && (edge || c != '-' && c != '.') {
			return false
		}
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

// checkKey refuses keys that S3 does not take. Everything else is a key,
// kept byte for byte: "a//b", "./c" and "d/../e" are three ordinary ones.
func checkKey(key string) *wire.Error {
	switch {
	case len(key) > maxKey:
		return errKeyTooLong(len(key))
	case !utf8.ValidString(key):
		return wire.Fail("InvalidURI", 400, "Couldn't parse the specified URI.")
	}
	return nil
}
