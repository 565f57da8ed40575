package xmldsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes below
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Space is the namespace of XML Signature.
const Space = "http://www.w3.org/2000/09/xmldsig#"

const (
	exclusiveC14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped     = Space + "enveloped-signature"
)

// digests are the digest methods (XML Signature 1.1, 6.2; RFC 6931).
var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

type algorithm struct {
	hash  crypto.Hash
	ecdsa bool
}

// algorithms are the signature methods (XML Signature 1.1, 6.4).
var algorithms = map[string]algorithm{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":   {crypto.SHA256, false},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":   {crypto.SHA384, false},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":   {crypto.SHA512, false},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": {crypto.SHA256, true},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": {crypto.SHA384, true},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": {crypto.SHA512, true},
}

// ErrSignature is the error of a signature that no key has made over what it
// is said to be made over.
var ErrSignature = errors.New("the signature is not valid")

// UniqueIDs refuses a document in which two elements have one ID, so that a
// reference can mean one element only.
func UniqueIDs(root *Element) error {
	seen := map[string]bool{}
	var err error
	root.Walk(func(e *Element) {
		for _, a := range e.Attrs {
			if !strings.EqualFold(a.Local, "ID") {
				continue
			}
			if seen[a.Value] && err == nil {
				err = fmt.Errorf("the document has the ID %q twice", a.Value)
			}
			seen[a.Value] = true
		}
	})
	return err
}

// Signature returns the signature that an element has around itself: its
// child. It is nil without one, and an error with several.
func Signature(e *Element) (*Element, error) {
	list := e.Elements(Space, "Signature")
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return list[0], nil
	}
	return nil, fmt.Errorf("<%s> has %d signatures", e.Local, len(list))
}

// Verify checks that one of the keys has signed the element, Signature's
// answer left out. The error is ErrSignature, or says what the signature has
// that SAML does not allow.
func Verify(e, signature *Element, keys []crypto.PublicKey) error {
	if signature == nil || signature.Parent != e {
		return errors.New("the signature is not a child of what it signs")
	}
	info, value := signature.Element(Space, "SignedInfo"), signature.Element(Space, "SignatureValue")
	if info == nil || value == nil {
		return errors.New("the signature has not one SignedInfo and one SignatureValue")
	}
	inclusive, err := exclusive(info.Element(Space, "CanonicalizationMethod"))
	if err != nil {
		return err
	}
	if err := reference(e, signature, info); err != nil {
		return err
	}
	method := info.Element(Space, "SignatureMethod")
	if method == nil {
		return errors.New("the signature has no SignatureMethod")
	}
	alg, ok := algorithms[method.Attr("Algorithm")]
	if !ok {
		return fmt.Errorf("the signature method %q is not supported; use RSA or ECDSA with SHA-256", method.Attr("Algorithm"))
	}
	raw, err := decode(value)
	if err != nil {
		return err
	}
	h := alg.hash.New()
	h.Write(Canonical(info, inclusive))
	sum := h.Sum(nil)
	for _, k := range keys {
		switch k := k.(type) {
		case *rsa.PublicKey:
			if !alg.ecdsa && rsa.VerifyPKCS1v15(k, alg.hash, sum, raw) == nil {
				return nil
			}
		case *ecdsa.PublicKey:
			// r and s, each as long as the order of the curve (XML Signature
			// 1.1, 6.4.3).
			n := (k.Curve.Params().N.BitLen() + 7) / 8
			if alg.ecdsa && len(raw) == 2*n && ecdsa.Verify(k, sum, new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])) {
				return nil
			}
		}
	}
	return ErrSignature
}

// exclusive holds a canonicalization to the exclusive one and reads its
// prefix list.
func exclusive(method *Element) ([]string, error) {
	if method == nil || method.Attr("Algorithm") != exclusiveC14N {
		name := ""
		if method != nil {
			name = method.Attr("Algorithm")
		}
		return nil, fmt.Errorf("the canonicalization %q is not supported; SAML uses %s", name, exclusiveC14N)
	}
	if list := method.Element(exclusiveC14N, "InclusiveNamespaces"); list != nil {
		return strings.Fields(list.Attr("PrefixList")), nil
	}
	return nil, nil
}

// reference checks the digest of the one reference, which must be of e.
func reference(e, signature, info *Element) error {
	ref := info.Element(Space, "Reference")
	if ref == nil {
		return errors.New("the signature has not one Reference")
	}
	id := e.Attr("ID")
	if id == "" || ref.Attr("URI") != "#"+id {
		return fmt.Errorf("the signature of <%s> refers to %q, not to the element around it", e.Local, ref.Attr("URI"))
	}
	inclusive, left, canonical := []string(nil), false, false
	if list := ref.Element(Space, "Transforms"); list != nil {
		for _, t := range list.Elements(Space, "Transform") {
			switch {
			case t.Attr("Algorithm") == enveloped && !left && !canonical:
				left = true
			case t.Attr("Algorithm") == exclusiveC14N && !canonical:
				var err error
				if inclusive, err = exclusive(t); err != nil {
					return err
				}
				canonical = true
			default:
				return fmt.Errorf("the transform %q is not one that SAML allows here", t.Attr("Algorithm"))
			}
		}
	}
	if !left || !canonical {
		return errors.New("the signature does not have the transforms of SAML: enveloped signature, then exclusive canonicalization")
	}
	method, value := ref.Element(Space, "DigestMethod"), ref.Element(Space, "DigestValue")
	if method == nil || value == nil {
		return errors.New("the reference has not one DigestMethod and one DigestValue")
	}
	hash, ok := digests[method.Attr("Algorithm")]
	if !ok {
		return fmt.Errorf("the digest method %q is not supported; use SHA-256", method.Attr("Algorithm"))
	}
	want, err := decode(value)
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(Canonical(e, inclusive, signature))
	if subtle.ConstantTimeCompare(h.Sum(nil), want) != 1 {
		return ErrSignature
	}
	return nil
}

// decode reads the base64 text of an element, in which there may be blanks.
func decode(e *Element) ([]byte, error) {
	text, ok := e.Text()
	if !ok {
		return nil, fmt.Errorf("<%s> has elements in it", e.Local)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("<%s> is not base64", e.Local)
	}
	return raw, nil
}
