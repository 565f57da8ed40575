package sandbox_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
)

// TestSignIdentity: documents are signed with the certificate's key, which
// lasts as long as the state, and only for the instance that they are of.
func TestSignIdentity(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for range 2 {
		t.Run("", func(t *testing.T) {
			w := newWorld(t, dir)
			i, _ := w.srv.Instance(w.admin(dev).launch(""))
			doc := fmt.Appendf(nil, `{"instanceId" : %q, "accountId" : %q, "region" : "eu-west-1"}`, i.ID, dev)
			sig, err := w.srv.SignIdentity(i, doc)
			if err != nil {
				t.Fatal(err)
			}
			text, err := w.srv.IdentityCertificate()
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = text
			}
			if string(text) != string(first) {
				t.Error("another run on the same state has another certificate")
			}
			block, _ := pem.Decode(text)
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if err := cert.CheckSignature(x509.SHA256WithRSA, doc, sig); err != nil {
				t.Error(err)
			}
			for _, other := range []string{
				fmt.Sprintf(`{"instanceId":"i-00000000000000000","accountId":%q,"region":"eu-west-1"}`, dev),
				fmt.Sprintf(`{"instanceId":%q,"accountId":%q,"region":"eu-west-1"}`, i.ID, shared),
				fmt.Sprintf(`{"instanceId":%q,"accountId":%q,"region":"us-east-1"}`, i.ID, dev),
				"{", "",
			} {
				if sig, err := w.srv.SignIdentity(i, []byte(other)); err == nil {
					t.Errorf("%s was signed: %x", other, sig)
				}
			}
		})
	}
}
