package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	authorityLife = 365 * 24 * time.Hour
	// authorityRest is what an authority that is kept over restarts must
	// have left, so that no process starts with one that dies under it.
	authorityRest = 30 * 24 * time.Hour
	leafLife      = 24 * time.Hour
	// backdated is how far a client's clock may be behind ours.
	backdated = time.Hour
)

// Authority signs the certificates of the hosts that a proxy stands in for.
// Its certificate is for clients to trust; its key signs for AWS's domains
// only, which the certificate itself states as critical name constraints
// (RFC 5280, 4.2.1.10), so that a client that trusts it trusts it for nothing
// else. Printing or logging an Authority shows its name and expiry alone.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority with a new key, valid for a year from now.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the proxy's key: %w", err)
	}
	var id [4]byte
	rand.Read(id[:])
	// The name differs between authorities: trust stores that look one up by
	// its name do not take one for another.
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"mantle"}, CommonName: "mantle sandbox proxy " + hex.EncodeToString(id[:])},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: suffixes,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the proxy's certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the proxy's certificate: %w", err)
	}
	return &Authority{cert, key}, nil
}

// ParseAuthority reads what [Authority.SecretPEM] wrote.
func ParseAuthority(text []byte) (*Authority, error) {
	a := &Authority{}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate of the proxy: %w", err)
			}
			a.cert = cert
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("key of the proxy: %w", err)
			}
			k, ok := key.(*ecdsa.PrivateKey)
			if !ok {
				return nil, fmt.Errorf("key of the proxy: %T, want an ECDSA key", key)
			}
			a.key = k
		default:
			return nil, fmt.Errorf("there is a %s beside the proxy's certificate and key", shorten(block.Type))
		}
	}
	switch {
	case a.cert == nil:
		return nil, errors.New("the proxy's certificate is missing")
	case a.key == nil:
		return nil, errors.New("the proxy's key is missing")
	case !a.cert.IsCA:
		return nil, errors.New("the proxy's certificate is not that of an authority")
	case !a.key.PublicKey.Equal(a.cert.PublicKey):
		return nil, errors.New("the proxy's key is not that of its certificate")
	}
	return a, nil
}

// Usable tells whether an authority that was kept can go on: it is valid, has
// thirty days left, and signs for the domains that this proxy stands in for.
func (a *Authority) Usable(now time.Time) bool {
	return !now.Before(a.cert.NotBefore) && now.Add(authorityRest).Before(a.cert.NotAfter) &&
		slices.Equal(a.cert.PermittedDNSDomains, suffixes)
}

// CertificatePEM is the certificate that clients have to trust.
func (a *Authority) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// SecretPEM is the certificate with its private key. Whoever has it can stand
// in for AWS before every client that trusts the certificate.
func (a *Authority) SecretPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("key of the proxy: %w", err)
	}
	var b bytes.Buffer
	b.Write(a.CertificatePEM())
	err = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return b.Bytes(), err
}

// String is the authority's name and expiry, without the key.
func (a Authority) String() string {
	if a.cert == nil {
		return "no authority"
	}
	return a.cert.Subject.CommonName + ", until " + a.cert.NotAfter.UTC().Format(time.RFC3339)
}

// GoString is String.
func (a Authority) GoString() string { return a.String() }

// LogValue is String.
func (a Authority) LogValue() slog.Value { return slog.StringValue(a.String()) }

// issue makes a certificate for one host, with a key of its own.
func (a *Authority) issue(host string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", host, err)
	}
	// No subject: a common name holds 64 characters, which a bucket in front
	// of a host exceeds. RFC 5280, 4.2.1.6 has the name in the extension,
	// which is then critical.
	template := &x509.Certificate{
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: []string{host},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", host, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", host, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
