package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// NewID makes a unique id for an account: 20 characters for access key ids
// (AKIA, ASIA), 21 for entities (AROA, AIDA, AGPA, ANPA, AIPA).
//
// As in AWS, the first 41 bits after the prefix hold the account: 8 base32
// characters are account/2 + 2^39, the top bit of the ninth is the account's
// lowest bit. Offline decoders and sts:GetAccessKeyInfo read it back
// ([AccountOfID]).
func (s *IAM) NewID(prefix, account string) string {
	n, err := strconv.ParseUint(account, 10, 64)
	if err != nil {
		n = 0 // "aws" and other accounts that are no numbers
	}
	var raw [11]byte
	rand.Read(raw[:]) // never fails
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], n/2+1<<39)
	copy(raw[:5], head[3:])
	raw[5] = raw[5]&0x7f | byte(n&1)<<7
	id := prefix + base32.StdEncoding.EncodeToString(raw[:10])
	if prefix == "AKIA" || prefix == "ASIA" {
		return id
	}
	return id + base32.StdEncoding.EncodeToString(raw[10:])[:1]
}

// AccountOfID returns the account that an access key id or unique id of
// [IAM.NewID], or of AWS since 2019, encodes; ok is false for other texts.
func AccountOfID(id string) (account string, ok bool) {
	if len(id) < 20 {
		return "", false
	}
	raw, err := base32.StdEncoding.DecodeString(id[4:20])
	if err != nil || raw[0]&0x80 == 0 {
		return "", false
	}
	var head [8]byte
	copy(head[2:], raw[:6])
	n := binary.BigEndian.Uint64(head[:]) & 0x7fffffffff80 >> 7
	account = strconv.FormatUint(n, 10)
	if len(account) > 12 {
		return "", false
	}
	return strings.Repeat("0", 12-len(account)) + account, true
}

// newSecret makes a secret access key: 40 characters of base64.
func newSecret() string {
	var raw [30]byte
	rand.Read(raw[:]) // never fails
	return base64.StdEncoding.EncodeToString(raw[:])
}

// newUUID makes a random (version 4) UUID, RFC 9562.
func newUUID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i, c := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b.WriteByte('-')
		}
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}
