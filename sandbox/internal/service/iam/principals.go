package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Principals of resource policies. AWS stores the unique id of a user or role
// and shows its ARN for as long as it exists; see "IAM user principals" and
// "IAM role principals",
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.

// PrincipalExists tells whether an AWS principal of a resource policy names
// something that exists in the sandbox: an account (12 digits or root ARN), a
// user or role (ARN with path, or unique id), a session of a role, or a
// federated user's session. "*" exists. The sandbox is the whole world: an
// account that was not made here does not exist.
func (s *IAM) PrincipalExists(principal string) bool {
	ok := false
	err := s.judge(func(tx *store.Tx) error {
		ok = s.principalExists(tx, principal)
		return nil
	})
	return ok && err == nil
}

func (s *IAM) principalExists(tx *store.Tx, principal string) bool {
	if principal == "*" {
		return true
	}
	if isAccountID(principal) {
		return accounts.Has(tx, principal)
	}
	if isUniqueID(principal) {
		return entities.Has(tx, principal)
	}
	account, service, resource, ok := s.splitPrincipal(principal)
	if !ok || !accounts.Has(tx, account) {
		return false
	}
	word, rest, _ := strings.Cut(resource, "/")
	switch {
	case service == "iam" && resource == "root":
		return true
	case service == "iam" && (word == "user" || word == "role"):
		_, ok := s.byARN(tx, principal)
		return ok
	case service == "sts" && word == "assumed-role":
		role, session, ok := strings.Cut(rest, "/")
		if !ok || session == "" || strings.ContainsAny(session, "/*?") {
			return false
		}
		_, ok = find(tx, account, roleKind, role)
		return ok
	case service == "sts" && word == "federated-user":
		return rest != "" && !strings.ContainsAny(rest, "/*?")
	}
	return false
}

// splitPrincipal takes an ARN of IAM or STS apart.
func (s *IAM) splitPrincipal(arn string) (account, service, resource string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != s.partition || parts[3] != "" {
		return "", "", "", false
	}
	return parts[4], parts[2], parts[5], true
}

// byARN finds a user or role by its exact ARN, path included.
func (s *IAM) byARN(tx *store.Tx, arn string) (*entity, bool) {
	account, service, resource, ok := s.splitPrincipal(arn)
	if !ok || service != "iam" {
		return nil, false
	}
	word, _, _ := strings.Cut(resource, "/")
	k := kind(word)
	if k != userKind && k != roleKind {
		return nil, false
	}
	e, ok := find(tx, account, k, resource[strings.LastIndexByte(resource, '/')+1:])
	if !ok || s.entityARN(e) != arn {
		return nil, false
	}
	return e, true
}

func isAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// isUniqueID recognises the unique id of a user or role.
func isUniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || !strings.HasPrefix(s, "AROA") && !strings.HasPrefix(s, "AIDA") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
}

// StorePrincipals returns a resource policy as it is stored: ARNs of users
// and roles become unique ids, account ids become root ARNs, and everything
// else stays as it is written, white space included. A principal that does
// not exist is a MalformedPolicyDocument error; other services give their
// own code to the same message.
func (s *IAM) StorePrincipals(doc []byte) ([]byte, error) {
	var out []byte
	err := s.store.View(func(tx *store.Tx) (err error) {
		out, err = s.storePrincipals(tx, doc)
		return err
	})
	return out, err
}

func (s *IAM) storePrincipals(tx *store.Tx, doc []byte) ([]byte, error) {
	return rewritePrincipals(doc, func(p string) (string, error) {
		if !s.principalExists(tx, p) {
			return "", invalidPrincipal(p)
		}
		if isAccountID(p) {
			return s.rootARN(p), nil
		}
		if e, ok := s.byARN(tx, p); ok {
			return e.ID, nil
		}
		return p, nil
	})
}

func invalidPrincipal(p string) error {
	return wire.Fail("MalformedPolicyDocument", 400, "%s", `Invalid principal in policy: "AWS":"`+p+`"`)
}

// ShowPrincipals returns a stored resource policy as it is shown: unique ids
// become the ARNs of the users and roles that they stand for now. The id of
// what was deleted stays.
func (s *IAM) ShowPrincipals(doc []byte) ([]byte, error) {
	var out string
	err := s.store.View(func(tx *store.Tx) error {
		out = s.showPrincipals(tx, string(doc))
		return nil
	})
	return []byte(out), err
}

func (s *IAM) showPrincipals(tx *store.Tx, doc string) string {
	if !strings.Contains(doc, `"AROA`) && !strings.Contains(doc, `"AIDA`) {
		return doc // no unique id in it; most policies are so
	}
	out, err := rewritePrincipals([]byte(doc), func(p string) (string, error) {
		if isUniqueID(p) {
			if e, ok := entities.Get(tx, p); ok {
				return s.entityARN(e), nil
			}
		}
		return p, nil
	})
	if err != nil {
		return doc // not JSON, so nothing in it was rewritten
	}
	return string(out)
}

// errNotPolicy ends the walk through a document that has another shape than
// a policy's.
var errNotPolicy = errors.New("the document is not a policy")

// rewritePrincipals replaces the AWS principals of a policy document, those of
// Principal and NotPrincipal, leaving all other bytes alone.
func rewritePrincipals(doc []byte, replace func(string) (string, error)) ([]byte, error) {
	w := &walker{doc: doc, dec: json.NewDecoder(bytes.NewReader(doc)), replace: replace}
	err := w.object(func(key string) error {
		if key != "Statement" {
			return w.skip()
		}
		return w.each(func() error {
			return w.object(func(key string) error {
				if key != "Principal" && key != "NotPrincipal" {
					return w.skip()
				}
				if w.peek() != '{' {
					return w.skip() // "*"
				}
				return w.object(func(key string) error {
					if key != "AWS" {
						return w.skip()
					}
					return w.each(w.principal)
				})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	w.out.Write(doc[w.copied:])
	return w.out.Bytes(), nil
}

// walker walks through a document's JSON and copies it with replacements.
type walker struct {
	doc     []byte
	dec     *json.Decoder
	replace func(string) (string, error)
	out     bytes.Buffer
	copied  int // bytes of doc that are in out
}

// peek returns the first byte of the next value.
func (w *walker) peek() byte {
	for _, c := range w.doc[w.dec.InputOffset():] {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ':' && c != ',' {
			return c
		}
	}
	return 0
}

func (w *walker) token() (json.Token, error) {
	t, err := w.dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

// object walks through an object, calling member at each value.
func (w *walker) object(member func(key string) error) error {
	t, err := w.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errNotPolicy
	}
	for w.dec.More() {
		key, err := w.token()
		if err != nil {
			return err
		}
		if err := member(fmt.Sprint(key)); err != nil {
			return err
		}
	}
	_, err = w.token()
	return err
}

// each calls item at every element of an array, or once at another value.
func (w *walker) each(item func() error) error {
	if w.peek() != '[' {
		return item()
	}
	if _, err := w.token(); err != nil {
		return err
	}
	for w.dec.More() {
		if err := item(); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

func (w *walker) skip() error {
	var value json.RawMessage
	return w.dec.Decode(&value)
}

// principal replaces one principal.
func (w *walker) principal() error {
	before := int(w.dec.InputOffset())
	t, err := w.token()
	if err != nil {
		return err
	}
	old, ok := t.(string)
	if !ok {
		return errNotPolicy
	}
	text, err := w.replace(old)
	if err != nil || text == old {
		return err
	}
	start := before + bytes.IndexByte(w.doc[before:], '"')
	quoted, err := json.Marshal(text)
	if err != nil {
		return err
	}
	w.out.Write(w.doc[w.copied:start])
	w.out.Write(quoted)
	w.copied = int(w.dec.InputOffset())
	return nil
}
