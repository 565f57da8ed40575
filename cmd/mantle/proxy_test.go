package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proxied starts a sandbox with a proxy, and says where its runtime folder
// is, where the two listen, and how to end them.
func proxied(t *testing.T, args ...string) (environ []string, address, proxy string, end func()) {
	t.Helper()
	environ = []string{"XDG_RUNTIME_DIR=" + t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	var errs strings.Builder
	go func() {
		code := run(ctx, append([]string{"sandbox", "up", "--listen", "127.0.0.1:0", "--proxy", "127.0.0.1:0", "--output", "json"}, args...),
			&env{Stdout: w, Stderr: &errs, Environ: environ})
		w.Close()
		ended <- code
	}()
	end = func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("status %d: %s", code, &errs)
		}
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	var ready struct{ URL, Proxy string }
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil || ready.Proxy == "" {
		t.Fatalf("sandbox said %q (%v): %s", line, err, &errs)
	}
	return environ, strings.TrimPrefix(ready.URL, "http://"), ready.Proxy, end
}

func TestSandboxProxy(t *testing.T) {
	environ, address, proxyURL, end := proxied(t)
	environ = append(environ, "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1",
		"NO_PROXY=registry.terraform.io, .amazonaws.com,10.0.0.0/8", "no_proxy=*,registry.terraform.io")
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"sandbox", "env", "dev", "--proxy", "--listen", address, "--output", "json"}, &env{Stdout: &out, Stderr: &errs, Environ: environ}); code != exitOK {
		t.Fatalf("status %d: %s", code, &errs)
	}
	var x exported
	if err := json.Unmarshal([]byte(out.String()), &x); err != nil {
		t.Fatal(err)
	}
	const direct = "localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23,registry.terraform.io,10.0.0.0/8"
	for name, want := range map[string]string{
		"HTTPS_PROXY": proxyURL, "https_proxy": proxyURL, "HTTP_PROXY": proxyURL, "http_proxy": proxyURL,
		"NO_PROXY": direct, "no_proxy": direct, "AWS_PROFILE": "dev", "AWS_REGION": "us-east-1",
	} {
		if x.Set[name] != want {
			t.Errorf("%s=%s, want %s", name, x.Set[name], want)
		}
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3", "ALL_PROXY"} {
		if _, set := x.Set[name]; set || !slices.Contains(x.Unset, name) {
			t.Errorf("%s is not unset", name)
		}
	}
	profiles, err := os.ReadFile(x.Set["AWS_CONFIG_FILE"])
	if err != nil || strings.Contains(string(profiles), "endpoint_url") || !strings.Contains(string(profiles), "[profile dev-root]") {
		t.Errorf("profiles (%v):\n%s", err, profiles)
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"} {
		if info, err := os.Stat(x.Set[name]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}

	ask := func(bundle string) (*http.Response, error) {
		roots := x509.NewCertPool()
		ca, err := os.ReadFile(x.Set[bundle])
		if err != nil || !roots.AppendCertsFromPEM(ca) {
			t.Fatalf("%s: %v", bundle, err)
		}
		u, err := url.Parse(proxyURL)
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: roots}}
		defer tr.CloseIdleConnections()
		return (&http.Client{Transport: tr}).Get("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
	}
	for _, bundle := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE"} {
		r, err := ask(bundle)
		if err != nil {
			t.Errorf("%s: %v", bundle, err)
			continue
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != http.StatusForbidden || !strings.Contains(string(b), "MissingAuthenticationToken") {
			t.Errorf("%s: %d %s", bundle, r.StatusCode, b)
		}
	}

	// A sandbox that was started without a proxy has no such file.
	if err := os.Remove(x.Set["AWS_CONFIG_FILE"]); err != nil {
		t.Fatal(err)
	}
	errs.Reset()
	if code := run(t.Context(), []string{"sandbox", "env", "dev", "--proxy", "--listen", address}, &env{Stdout: io.Discard, Stderr: &errs, Environ: environ}); code != exitUsage || !strings.Contains(errs.String(), "has no proxy") {
		t.Errorf("without a proxy: status %d, %s", code, &errs)
	}

	end()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(x.Set["AWS_CONFIG_FILE"]), "*proxy*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSandboxProxyKeepsItsKey: what trusted a sandbox's proxy still does when
// the sandbox starts again with its state.
func TestSandboxProxyKeepsItsKey(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	ca := func() string {
		environ, address, _, end := proxied(t, "--state", state)
		defer end()
		_, file, _ := proxyFiles(filepath.Join(strings.TrimPrefix(environ[0], "XDG_RUNTIME_DIR="), "mantle"), address)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "PRIVATE") {
			t.Error("the key lies with the certificate")
		}
		return string(b)
	}
	if first, second := ca(), ca(); first != second {
		t.Error("the second start made another certificate")
	}
	file := filepath.Join(state, "proxy-ca.pem")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info, err)
	}
	start := func() string {
		var errs strings.Builder
		code := run(t.Context(), []string{"sandbox", "up", "--listen", "127.0.0.1:0", "--proxy", "127.0.0.1:0", "--state", state},
			&env{Stdout: io.Discard, Stderr: &errs, Environ: []string{"XDG_RUNTIME_DIR=" + t.TempDir()}})
		if code != exitUsage {
			t.Errorf("status %d, want %d", code, exitUsage)
		}
		return errs.String()
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := start(); !strings.Contains(got, "is open to others") || !strings.Contains(got, "hint: remove the file") {
		t.Errorf("got %s", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := start(); !strings.Contains(got, "certificate is missing") {
		t.Errorf("got %s", got)
	}
}

func TestSandboxProxyMisuse(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"sandbox", "up", "--listen", "127.0.0.1:0", "--proxy", "0.0.0.0:0"}, "--proxy 0.0.0.0:0 can be reached from other machines"},
		{[]string{"sandbox", "up", "--listen", "127.0.0.1:0", "--proxy", "4567"}, "--proxy 4567"},
	} {
		var errs strings.Builder
		if code := run(t.Context(), test.args, &env{Stdout: io.Discard, Stderr: &errs, Environ: []string{"XDG_RUNTIME_DIR=" + t.TempDir()}}); code != exitUsage || !strings.Contains(errs.String(), test.want) {
			t.Errorf("%v: status %d, %s", test.args, code, &errs)
		}
	}
}
