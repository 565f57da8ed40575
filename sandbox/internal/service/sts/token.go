package sts

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// tokenHead opens every session token: the bytes that the tokens of AWS
// begin with today, so that tools which recognise tokens recognise these.
var tokenHead = []byte("!\n\torigin_ec")

// maxClaims bounds what a token may unpack to: a session carries at most
// 2,048 characters of policy text, ten ARNs and fifty tags.
const maxClaims = 256 << 10

// errToken is all that a caller learns of a token that does not open.
var errToken = errors.New("the session token was not made by this sandbox, or not for this access key")

// Claims are what a session token says: who the session is. They travel
// sealed in the token itself, so that a session costs no row in the store,
// outlives a restart, and is known to every process that has the key.
type Claims struct {
	Type    kind            `json:"k"`
	ARN     string          `json:"n"`
	Account string          `json:"a"`
	Issuer  string          `json:"o,omitempty"`
	ID      string          `json:"d,omitempty"`
	Name    string          `json:"m,omitempty"`
	UserID  string          `json:"u"`
	Session service.Session `json:"s"`
}

// kind is a principal's type, written by name.
type kind struct{ iam.PrincipalType }

func (k *kind) UnmarshalText(b []byte) (err error) {
	k.PrincipalType, err = iam.ParsePrincipalType(string(b))
	return err
}

// Caller is the claims as the principal of a call.
func (c *Claims) Caller(accessKeyID string) service.Caller {
	return service.Caller{
		Principal: iam.Principal{
			Type: c.Type.PrincipalType, ARN: c.ARN, Account: c.Account, Issuer: c.Issuer, ID: c.ID,
		},
		AccessKeyID: accessKeyID,
		Name:        c.Name,
		UserID:      c.UserID,
		Session:     &c.Session,
	}
}

// sealer makes and opens session tokens. A token is
//
//	base64( head · nonce · AES-256-GCM( form · JSON claims ) )
//
// with the access key id as additional data: a token only opens beside the
// key that it was issued with. The secret key is derived from the same
// material, so that nothing about a session needs to be remembered.
type sealer struct {
	aead   cipher.AEAD
	secret []byte
	// packers are the compressors not in use; making one costs more than the
	// rest of a session.
	packers sync.Pool
}

func newSealer(key []byte) (*sealer, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("session key has %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(derive(key, "seal"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, secret: derive(key, "secret")}, nil
}

func derive(key []byte, what string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(what))
	return m.Sum(nil)
}

func (s *sealer) seal(accessKeyID string, c *Claims) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("seal session of %s: %w", c.ARN, err)
	}
	packed := s.pack(plain)
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	raw := append(bytes.Clone(tokenHead), nonce...)
	raw = s.aead.Seal(raw, nonce, packed, []byte(accessKeyID))
	return base64.StdEncoding.EncodeToString(raw), nil
}

func (s *sealer) open(accessKeyID, token string) (*Claims, error) {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	raw, ok := bytes.CutPrefix(raw, tokenHead)
	if !ok || len(raw) < s.aead.NonceSize() {
		return nil, errToken
	}
	nonce, sealed := raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():]
	packed, err := s.aead.Open(nil, nonce, sealed, []byte(accessKeyID))
	if err != nil {
		return nil, errToken
	}
	plain, err := unpack(packed)
	if err != nil {
		return nil, errToken
	}
	c := new(Claims)
	if err := json.Unmarshal(plain, c); err != nil {
		return nil, errToken
	}
	return c, nil
}

// The forms of claims in a token: as they are, or deflated.
const (
	plainForm byte = iota
	deflatedForm
)

// pack deflates claims that are long, because of policies or tags: clients
// send the token with every call.
func (s *sealer) pack(plain []byte) []byte {
	if len(plain) < 1024 {
		return append([]byte{plainForm}, plain...)
	}
	out := bytes.NewBuffer([]byte{deflatedForm})
	w, ok := s.packers.Get().(*flate.Writer)
	if !ok {
		w, _ = flate.NewWriter(nil, flate.BestSpeed)
	}
	defer s.packers.Put(w)
	w.Reset(out)
	w.Write(plain)
	w.Close()
	return out.Bytes()
}

func unpack(packed []byte) ([]byte, error) {
	switch {
	case len(packed) == 0:
		return nil, errToken
	case packed[0] == plainForm:
		return packed[1:], nil
	case packed[0] == deflatedForm:
		return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed[1:])), maxClaims))
	}
	return nil, errToken
}

// secretKey is the secret access key of a session's key id: 40 characters
// of base64, as AWS makes them.
func (s *sealer) secretKey(accessKeyID string) string {
	return base64.StdEncoding.EncodeToString(derive(s.secret, accessKeyID))[:40]
}

// packedLimit is the size in bytes that session policies, policy ARNs and
// tags may take together once packed. AWS states that such a limit exists
// and answers its use in percent (AssumeRole, PackedPolicySize) but not
// its size.
const packedLimit = 4096

// packedSize is the share of packedLimit that a session's policies and tags
// use, in percent, at least 1.
func packedSize(s *service.Session) int32 {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression)
	for _, p := range s.Policies {
		io.WriteString(w, p)
	}
	for _, a := range s.PolicyARNs {
		io.WriteString(w, a)
	}
	for k, v := range s.Tags {
		io.WriteString(w, strings.Join([]string{k, v}, "="))
	}
	w.Close()
	return int32(max(1, (packed.Len()*100+packedLimit-1)/packedLimit))
}
