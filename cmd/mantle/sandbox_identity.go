package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

// signed is a signature on its way through the control socket.
type signed struct{ Signature []byte }

// pemOf is a certificate on its way.
type pemOf struct{ PEM string }

func (c *control) signIdentity(r *http.Request) (any, error) {
	i, err := c.instance(r)
	if err != nil {
		return nil, err
	}
	document, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	signature, err := c.SignIdentity(i, document)
	return signed{signature}, err
}

func (c *control) getCertificate(*http.Request) (any, error) {
	text, err := c.IdentityCertificate()
	return pemOf{string(text)}, err
}

func sandboxIdentityCommand(e *env) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "identity-certificate",
		Short: "Print the certificate that verifies a sandbox's instance identity documents",
		Long: `Identity-certificate prints, in PEM, the certificate with whose key the sandbox
signs the identity documents of its instances. It stands where AWS's public
certificate of the region stands in programs that verify them; the key is the
sandbox's own, and a document that it signed proves nothing to anybody else.

Instances have the signature at dynamic/instance-identity/signature, and no
pkcs7 nor rsa2048.`,
		Example: `  mantle sandbox identity-certificate > certificate.pem
  openssl x509 -in certificate.pem -pubkey -noout > key.pem
  openssl dgst -sha256 -verify key.pem -signature signature.bin document`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			x, err := e.controllerOf(listen)
			if err != nil {
				return err
			}
			var out pemOf
			if err := x.call(c.Context(), http.MethodGet, "identity", "", nil, &out); err != nil {
				return err
			}
			answer := struct {
				Schema      string `json:"schema"`
				Certificate string `json:"certificate"`
			}{schema, out.PEM}
			return e.answer(answer, func(w io.Writer) { fmt.Fprint(w, out.PEM) })
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address of the sandbox (default: AWS_ENDPOINT_URL, or "+defaultListen+")")
	return c
}
