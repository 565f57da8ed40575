package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Instance identity documents are signed, so that whoever is shown one can
// tell that EC2 wrote it. The sandbox signs them with a key of its own, which
// is kept in the state: who verifies takes IdentityCertificate in the place
// of AWS's.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html

// identityKey is the key with its certificate, both DER.
type identityKey struct {
	Private     []byte `json:"private"`
	Certificate []byte `json:"certificate"`
}

// String hides the key.
func (identityKey) String() string { return "identity key" }

// GoString hides the key.
func (k identityKey) GoString() string { return k.String() }

var identityKeys = store.NewTable[identityKey]("sandbox.identity")

const identityName = "rsa2048"

// identity finds the key, or makes it on first use.
func (s *Server) identity() (*rsa.PrivateKey, []byte, error) {
	var row identityKey
	var ok bool
	err := s.store.View(func(tx *store.Tx) error {
		row, ok = identityKeys.Get(tx, identityName)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		fresh, err := newIdentityKey(s.clock.outside())
		if err != nil {
			return nil, nil, err
		}
		err = s.store.Update(func(tx *store.Tx) error {
			// Another call may have been faster.
			if row, ok = identityKeys.Get(tx, identityName); !ok {
				row = fresh
				identityKeys.Put(tx, identityName, row)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(row.Private)
	if err != nil {
		return nil, nil, fmt.Errorf("read the key of identity documents: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("the key of identity documents is a %T", key)
	}
	return private, row.Certificate, nil
}

func newIdentityKey(now time.Time) (identityKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return identityKey{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return identityKey{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mantle sandbox instance identity"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(30, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return identityKey{private, cert}, err
}

// SignIdentity signs the identity document of an instance as EC2 does
// (RSASSA-PKCS1-v1_5 with SHA-256, over the document's bytes). A document that
// is of another instance is refused.
func (s *Server) SignIdentity(i Instance, document []byte) ([]byte, error) {
	var says struct{ InstanceID, AccountID, Region string }
	if err := json.Unmarshal(document, &says); err != nil {
		return nil, fmt.Errorf("read the identity document: %w", err)
	}
	if says.InstanceID != i.ID || says.AccountID != i.Account || says.Region != i.Region {
		return nil, fmt.Errorf("the identity document is of %s in account %s and region %s, not of %s", says.InstanceID, says.AccountID, says.Region, i.ID)
	}
	key, _, err := s.identity()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(document)
	return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
}

// IdentityCertificate is the certificate, in PEM, with whose key SignIdentity
// signs. It is the same as long as the state is.
func (s *Server) IdentityCertificate() ([]byte, error) {
	_, cert, err := s.identity()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), nil
}
