package sts

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // registers SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

// JSON Web Tokens: RFC 7519 in the compact form of RFC 7515, signed with an
// RSA or ECDSA key, "RSA keys (RS256, RS384, or RS512) or ECDSA keys (ES256,
// ES384, or ES512)" (AWS STS API Reference, AssumeRoleWithWebIdentity). The
// reader is strict: one spelling of base64, no duplicate members, no critical
// extensions, and the algorithm of the header must fit the key.

// algorithm is how a token is signed (RFC 7518, 3.1).
type algorithm struct {
	hash  crypto.Hash
	curve elliptic.Curve // nil for RSA
}

func algorithmOf(name string) (algorithm, bool) {
	switch name {
	case "RS256":
		return algorithm{hash: crypto.SHA256}, true
	case "RS384":
		return algorithm{hash: crypto.SHA384}, true
	case "RS512":
		return algorithm{hash: crypto.SHA512}, true
	case "ES256":
		return algorithm{crypto.SHA256, elliptic.P256()}, true
	case "ES384":
		return algorithm{crypto.SHA384, elliptic.P384()}, true
	case "ES512":
		return algorithm{crypto.SHA512, elliptic.P521()}, true
	}
	return algorithm{}, false
}

// webToken is a token that has been read, not verified.
type webToken struct {
	alg       string
	kid       string
	claims    map[string]any // numbers are json.Number
	signed    string         // header and payload as sent
	signature []byte
}

var errNotJWT = errors.New("not a JSON Web Token in compact form")

// readToken takes a token apart.
func readToken(text string) (*webToken, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errNotJWT
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil || strings.ContainsAny(p, "\r\n") {
			return nil, errNotJWT
		}
		raw[i] = b
	}
	header, err := readObject(raw[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if _, ok := header["crit"]; ok {
		return nil, errors.New("header: critical extensions are not supported")
	}
	t := &webToken{signed: parts[0] + "." + parts[1], signature: raw[2]}
	t.alg, _ = header["alg"].(string)
	t.kid, _ = header["kid"].(string)
	if _, ok := algorithmOf(t.alg); !ok {
		return nil, fmt.Errorf("header: algorithm %q is not RS256, RS384, RS512, ES256, ES384 or ES512", t.alg)
	}
	if t.claims, err = readObject(raw[1]); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return t, nil
}

// readObject reads a JSON object whose members are all different: a reader
// that took the other one of two would see another token (RFC 8725, 2.4).
func readObject(src []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotJWT
	}
	out := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errNotJWT
		}
		key, _ := t.(string)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("member %q occurs twice", key)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, errNotJWT
		}
		out[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotJWT
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJWT
	}
	return out, nil
}

// webKey is a public key of a key set.
type webKey struct {
	kid, alg string // empty if the set does not say
	public   crypto.PublicKey
}

// minRSA is the shortest RSA key (RFC 7518, 3.3).
const minRSA = 2048

// readKeys reads a JSON Web Key Set (RFC 7517, 5) and returns the keys that
// can verify tokens. Keys of other types and uses are left out, as the RFC
// demands; a key of a known type that is malformed is too.
func readKeys(doc []byte) ([]webKey, error) {
	var set struct {
		Keys []struct{ Kty, Use, Kid, Alg, N, E, Crv, X, Y string }
	}
	if err := json.Unmarshal(doc, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	var out []webKey
	for _, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		var public crypto.PublicKey
		switch k.Kty {
		case "RSA":
			n, e := coordinate(k.N), coordinate(k.E)
			modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
			if modulus.BitLen() < minRSA || !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
				continue
			}
			public = &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
		case "EC":
			curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
			x, y := coordinate(k.X), coordinate(k.Y)
			if !ok || len(x) != bytesOf(curve) || len(y) != bytesOf(curve) {
				continue
			}
			key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
			if err != nil {
				continue // the point is not on the curve
			}
			public = key
		default:
			continue
		}
		out = append(out, webKey{k.Kid, k.Alg, public})
	}
	return out, nil
}

func bytesOf(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

func coordinate(text string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// candidates are the keys that may have signed the token: those with its key
// id, or all if it names none, of its algorithm.
func (t *webToken) candidates(keys []webKey) []webKey {
	alg, _ := algorithmOf(t.alg)
	return slices.DeleteFunc(slices.Clone(keys), func(k webKey) bool {
		if t.kid != "" && k.kid != t.kid || k.alg != "" && k.alg != t.alg {
			return true
		}
		switch public := k.public.(type) {
		case *rsa.PublicKey:
			return alg.curve != nil
		case *ecdsa.PublicKey:
			return alg.curve != public.Curve
		}
		return true
	})
}

// verify reports whether one of the keys signed the token.
func (t *webToken) verify(keys []webKey) bool {
	alg, _ := algorithmOf(t.alg)
	h := alg.hash.New()
	io.WriteString(h, t.signed)
	sum := h.Sum(nil)
	for _, k := range t.candidates(keys) {
		switch public := k.public.(type) {
		case *rsa.PublicKey:
			if rsa.VerifyPKCS1v15(public, alg.hash, sum, t.signature) == nil {
				return true
			}
		case *ecdsa.PublicKey:
			size := bytesOf(public.Curve)
			if len(t.signature) != 2*size {
				continue
			}
			r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
			if ecdsa.Verify(public, sum, r, s) {
				return true
			}
		}
	}
	return false
}
