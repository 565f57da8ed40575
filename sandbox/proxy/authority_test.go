package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func newAuthority(t *testing.T, now time.Time) *Authority {
	t.Helper()
	a, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTrustedForAWSAlone: what the authority signs is good for AWS's hosts
// and for nothing else, even if its key is misused.
func TestTrustedForAWSAlone(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, now)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.CertificatePEM())
	verify := func(host string, at time.Time) error {
		c, err := a.issue(host, now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: at})
		return err
	}
	for _, s := range suffixes {
		if err := verify("b.s3.region."+s, now); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, host := range []string{"example.com", "amazon.com", "evilamazonaws.com"} {
		if err := verify(host, now); err == nil || !strings.Contains(err.Error(), "constraint") {
			t.Errorf("%s: got %v, want a violated name constraint", host, err)
		}
	}
	if err := verify("sts.amazonaws.com", now.Add(leafLife+time.Second)); err == nil {
		t.Error("a certificate outlives its day")
	}
	if err := verify("sts.amazonaws.com", now.Add(-50*time.Minute)); err != nil {
		t.Errorf("a client whose clock is behind: %v", err)
	}
	// Nor does it make other authorities.
	c, err := a.issue("sts.amazonaws.com", now)
	if err != nil {
		t.Fatal(err)
	}
	if c.Leaf.IsCA || a.cert.MaxPathLen != 0 || !a.cert.MaxPathLenZero {
		t.Error("a leaf may sign")
	}
}

func TestKeptAuthority(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, now)
	text, err := a.SecretPEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseAuthority(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.CertificatePEM(), a.CertificatePEM()) || !b.key.Equal(a.key) {
		t.Error("it came back as another")
	}
	for at, want := range map[time.Duration]bool{
		0: true, -2 * time.Hour: false, 300 * 24 * time.Hour: true, 340 * 24 * time.Hour: false, 400 * 24 * time.Hour: false,
	} {
		if got := b.Usable(now.Add(at)); got != want {
			t.Errorf("usable after %v: %v, want %v", at, got, want)
		}
	}
	narrower := *a.cert
	narrower.PermittedDNSDomains = narrower.PermittedDNSDomains[1:]
	if (&Authority{&narrower, a.key}).Usable(now) {
		t.Error("an authority for fewer domains is usable")
	}

	other, err := newAuthority(t, now).SecretPEM()
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey := pem.Decode(other)
	leaf, err := a.issue("sts.amazonaws.com", now)
	if err != nil {
		t.Fatal(err)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	der, _ := x509.MarshalECPrivateKey(p384)
	for name, text := range map[string][]byte{
		"certificate is missing": otherKey,
		"key is missing":         a.CertificatePEM(),
		"not that of its":        append(a.CertificatePEM(), otherKey...),
		"not that of an auth":    append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}), otherKey...),
		"there is a":             append(a.CertificatePEM(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...),
		"certificate of the":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		"key of the":             pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		if _, err := ParseAuthority(text); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q in it", err, name)
		}
	}
}

// TestLeaves: a certificate is kept for half of its life, and not too many.
func TestLeaves(t *testing.T) {
	now := time.Now()
	l := leaves{authority: newAuthority(t, now), now: func() time.Time { return now }}
	serial := func(host string) string {
		t.Helper()
		c, err := l.get(host)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := serial("a.amazonaws.com")
	if serial("a.amazonaws.com") != first || serial("b.amazonaws.com") == first {
		t.Error("certificates are not kept by host")
	}
	now = now.Add(leafLife/2 + time.Minute)
	if serial("a.amazonaws.com") == first {
		t.Error("a certificate is used past half of its life")
	}
	c, err := l.get("c.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostLeaves {
		l.byHost[fmt.Sprint(i)] = c
	}
	serial("d.amazonaws.com")
	if len(l.byHost) > mostLeaves {
		t.Errorf("%d certificates are kept", len(l.byHost))
	}
}

func TestTunnelsAreCounted(t *testing.T) {
	n := newTunnels(nil)
	for i := range mostTunnels {
		if !n.enter() {
			t.Fatalf("no room for tunnel %d", i)
		}
	}
	if n.enter() {
		t.Error("one too many")
	}
	n.leave()
	if !n.enter() {
		t.Error("a place that was left is not free")
	}
}

func FuzzParseAuthority(f *testing.F) {
	a, err := NewAuthority(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	text, err := a.SecretPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add(a.CertificatePEM())
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseAuthority(text)
		if err != nil {
			return
		}
		if _, err := a.issue("sts.amazonaws.com", time.Now()); err != nil {
			t.Errorf("what was read does not sign: %v", err)
		}
	})
}

// ExampleAuthority: however an authority is printed, its key is not.
func ExampleAuthority() {
	a, err := NewAuthority(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	name := a.cert.Subject.CommonName
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "authority", a)
	for _, s := range []string{fmt.Sprintf("%v", a), fmt.Sprintf("%+v", *a), fmt.Sprintf("%#v", a)} {
		fmt.Println(strings.ReplaceAll(s, name, "NAME"))
	}
	fmt.Println(strings.Contains(log.String(), "until 2031-01-01"))
	// Output:
	// NAME, until 2031-01-01T00:00:00Z
	// NAME, until 2031-01-01T00:00:00Z
	// NAME, until 2031-01-01T00:00:00Z
	// true
}
