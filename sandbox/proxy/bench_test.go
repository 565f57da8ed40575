package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/sandbox/proxy"
)

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func get(b *testing.B, c *http.Client, url string) {
	r, err := c.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
}

// BenchmarkProxy: a request in an open tunnel, and one that opens its own,
// beside the same request to the handler without a proxy.
func BenchmarkProxy(b *testing.B) {
	a, err := proxy.NewAuthority(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- proxy.New(http.HandlerFunc(hello), a, proxy.Options{}).Serve(b.Context(), ln) }()
	b.Cleanup(func() { <-ended })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CertificatePEM())
	client := func(keep bool) *http.Client {
		return &http.Client{Transport: &http.Transport{
			Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: ln.Addr().String()}),
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			DisableKeepAlives: !keep,
		}}
	}
	for _, x := range []struct {
		name string
		keep bool
	}{{"open tunnel", true}, {"new tunnel", false}} {
		b.Run(x.name, func(b *testing.B) {
			c := client(x.keep)
			for b.Loop() {
				get(b, c, "https://sts.eu-west-1.amazonaws.com/")
			}
			c.CloseIdleConnections()
		})
	}
	b.Run("bare", func(b *testing.B) {
		s := httptest.NewServer(http.HandlerFunc(hello))
		defer s.Close()
		for b.Loop() {
			get(b, s.Client(), s.URL)
		}
	})
}
