package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInCluster(t *testing.T) {
	s := newAPIServer(t)
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := InCluster("", "", folder); err == nil || !strings.Contains(err.Error(), "not in a pod") {
		t.Errorf("outside a pod: %v", err)
	}
	if _, err := InCluster("10.0.0.1", "443", folder); err == nil || !strings.Contains(err.Error(), "automount") {
		t.Errorf("without a token: %v", err)
	}
	write(token, "stale\n")
	write(filepath.Join(folder, "ca.crt"), string(s.cluster().CA))
	c, err := InCluster("fd00::1", "6443", folder)
	if err != nil || c.Server != "https://[fd00::1]:6443" {
		t.Fatalf("%v, %v", c, err)
	}
	c.Server = s.URL
	client, err := NewClient(c, "mantle/test")
	if err != nil {
		t.Fatal(err)
	}
	defer client.http.CloseIdleConnections()
	var out map[string]any
	err = client.call(t.Context(), http.MethodGet, "/api/v1/pods", nil, nil, &out)
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "stale") {
		t.Errorf("with a stale token: %v", err)
	}
	write(token, ourToken+"\n") // the kubelet renews it; we were told that ours is no good
	if err := client.call(t.Context(), http.MethodGet, "/api/v1/pods", nil, nil, &out); err != nil {
		t.Errorf("with the renewed token: %v", err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	client.tokens.forget()
	if err := client.call(t.Context(), http.MethodGet, "/api/v1/pods", nil, nil, &out); err != nil {
		t.Errorf("while the token is being replaced: %v", err)
	}
}

// pair is a client certificate and its key, as PEM.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

func TestKubeconfig(t *testing.T) {
	s := newAPIServer(t)
	cert, key := pair(t)
	b64 := base64.StdEncoding.EncodeToString
	folder := t.TempDir()
	for name, b := range map[string][]byte{"ca.pem": s.cluster().CA, "token": []byte(ourToken)} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n- name: other\n  context: {cluster: x, user: x}\n- name: here\n  context:\n    cluster: c\n    user: u\n    namespace: default\n"
	cluster := func(more string) string {
		return fmt.Sprintf("clusters:\n- name: c\n  cluster:\n    server: %s\n%s", s.URL, more)
	}
	file := cluster("    certificate-authority: ca.pem\n")
	user := func(more string) string { return "users:\n- name: u\n  user:\n" + more }
	for _, tt := range []struct{ name, text, want string }{
		{"token file", head + file + user("    tokenFile: token\n"), ""},
		{"token file goes before a token", head + file + user("    token: wrong\n    tokenFile: token\n"), ""},
		{"token and data", head + cluster("    certificate-authority-data: "+b64(s.cluster().CA)+"\n") + user("    token: "+ourToken+"\n"), ""},
		{"certificate and token", head + file + user("    token: "+ourToken+"\n    client-certificate-data: "+b64(cert)+"\n    client-key-data: "+b64(key)+"\n"), ""},
		{"JSON", `{"current-context":"k","contexts":[{"name":"k","context":{"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":"` + s.URL + `","certificate-authority":"ca.pem"}}],"users":[{"name":"u","user":{"tokenFile":"token"}}]}`, ""},

		{"no context", strings.Replace(head, "current-context: here", "kind: Config", 1) + file + user("    tokenFile: token\n"), "YAML"},
		{"no current context", "clusters: []\n", "no current-context"},
		{"unknown context", "current-context: x\n", `"x" is not among`},
		{"unknown user", head + file + "users: []\n", `user "u"`},
		{"unknown cluster", head + "clusters: []\n", `cluster "c"`},
		{"exec", head + file + user("    exec: {command: aws}\n"), "program (exec)"},
		{"auth provider", head + file + user("    auth-provider: {name: gcp}\n"), "auth-provider"},
		{"password", head + file + user("    username: admin\n    password: hunter2\n"), "password"},
		{"as another", head + file + user("    token: x\n    as: root\n"), "impersonates"},
		{"nobody", head + file + user("    {}\n"), "who we are"},
		{"half a certificate", head + file + user("    client-certificate-data: "+b64(cert)+"\n"), "needs its key"},
		{"insecure", head + cluster("    insecure-skip-tls-verify: true\n") + user("    tokenFile: token\n"), "insecure-skip-tls-verify"},
		{"proxy", head + cluster("    proxy-url: http://proxy\n") + user("    tokenFile: token\n"), "proxy-url"},
		{"system's authorities", head + cluster("") + user("    tokenFile: token\n"), "certificate"},
		{"another authority", head + cluster("    certificate-authority-data: "+b64(cert)+"\n") + user("    tokenFile: token\n"), "certificate"},
		{"no certificate in it", head + cluster("    certificate-authority-data: "+b64([]byte("x"))+"\n") + user("    tokenFile: token\n"), "no PEM"},
		{"not base64", head + cluster("    certificate-authority-data: '%'\n") + user("    tokenFile: token\n"), "base64"},
		{"plain HTTP", head + "clusters:\n- name: c\n  cluster: {server: 'http://10.0.0.1:8080'}\n" + user("    tokenFile: token\n"), "not https"},
		{"not YAML", "a: b: token-secret", "YAML"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(folder, "config")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := ReadKubeconfig(path)
			var client *Client
			if err == nil {
				client, err = NewClient(c, "mantle/test")
			}
			if err == nil {
				defer client.http.CloseIdleConnections()
				var out map[string]any
				err = client.call(t.Context(), http.MethodGet, "/api/v1/pods", nil, nil, &out)
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), "token-secret") || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("%v shows a secret", err)
			}
			if got := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(got, ourToken) {
				t.Errorf("printed with its token: %s", got)
			}
		})
	}
}

func FuzzKubeconfig(f *testing.F) {
	f.Add("current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://x'}}]\nusers: [{name: u, user: {token: t}}]")
	f.Add("{}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseKubeconfig([]byte(text), t.TempDir())
		if err == nil {
			c.transport()
		}
	})
}
