package kube

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// Cluster is how to reach an API server.
type Cluster struct {
	// Server is the URL of the API server.
	Server string

	// CA holds the certificates that the server's must lead to, as PEM; the
	// system's if empty. ServerName is the name that its certificate must have,
	// that of Server if empty.
	CA         []byte
	ServerName string

	// Token is a bearer token, TokenFile a file that holds one and is read
	// again as it is renewed. Certificate and Key are a client certificate, as
	// PEM. At least one of the three has to be there.
	Token            string
	TokenFile        string
	Certificate, Key []byte
}

// String names the server; the credentials are not printed.
func (c Cluster) String() string { return "Kubernetes API server " + c.Server }

// GoString names the server; the credentials are not printed.
func (c Cluster) GoString() string { return c.String() }

// AccountFolder is where the kubelet puts a pod's service account,
// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/.
const AccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

// InCluster is the cluster that this process runs in as a pod. Host and port
// are the values of KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, folder
// is AccountFolder.
func InCluster(host, port, folder string) (Cluster, error) {
	if host == "" || port == "" {
		return Cluster{}, errors.New("this process is not in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set; name a kubeconfig file")
	}
	token := filepath.Join(folder, "token")
	if _, err := os.Stat(token); err != nil {
		return Cluster{}, fmt.Errorf("find the pod's service account: %w (automountServiceAccountToken may be false)", err)
	}
	ca, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return Cluster{}, fmt.Errorf("read the cluster's certificate: %w", err)
	}
	return Cluster{Server: "https://" + net.JoinHostPort(host, port), CA: ca, TokenFile: token}, nil
}

// kubeconfig is what is read of a kubeconfig file,
// https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
type kubeconfig struct {
	CurrentContext string `yaml:"current-context"`
	Contexts       []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Clusters []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server        string `yaml:"server"`
			CAFile        string `yaml:"certificate-authority"`
			CAData        string `yaml:"certificate-authority-data"`
			ServerName    string `yaml:"tls-server-name"`
			Insecure      bool   `yaml:"insecure-skip-tls-verify"`
			ProxyURL      string `yaml:"proxy-url"`
			Compression   bool   `yaml:"disable-compression"`
			ExtensionsRaw any    `yaml:"extensions"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Token     string `yaml:"token"`
			TokenFile string `yaml:"tokenFile"`
			CertFile  string `yaml:"client-certificate"`
			CertData  string `yaml:"client-certificate-data"`
			KeyFile   string `yaml:"client-key"`
			KeyData   string `yaml:"client-key-data"`
			Username  string `yaml:"username"`
			As        string `yaml:"as"`
			Exec      any    `yaml:"exec"`
			Provider  any    `yaml:"auth-provider"`
		} `yaml:"user"`
	} `yaml:"users"`
}

// ReadKubeconfig reads the cluster of a kubeconfig file's current context.
// Users by token, token file and client certificate are understood; those who
// need a program or a login are refused by name.
func ReadKubeconfig(path string) (Cluster, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Cluster{}, err
	}
	c, err := parseKubeconfig(b, filepath.Dir(path))
	if err != nil {
		return Cluster{}, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return c, nil
}

// parseKubeconfig reads a kubeconfig whose relative paths begin at folder.
func parseKubeconfig(b []byte, folder string) (Cluster, error) {
	var k kubeconfig
	if err := yaml.Unmarshal(b, &k); err != nil {
		// The library quotes the lines around a fault, and the file holds keys.
		first, _, _ := strings.Cut(err.Error(), "\n")
		return Cluster{}, fmt.Errorf("it is not YAML of the expected shape: %s", first)
	}
	if k.CurrentContext == "" {
		return Cluster{}, errors.New("it has no current-context; set one with kubectl config use-context")
	}
	var cluster, user string
	found := false
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext {
			cluster, user, found = c.Context.Cluster, c.Context.User, true
		}
	}
	if !found {
		return Cluster{}, fmt.Errorf("its current-context %q is not among its contexts", k.CurrentContext)
	}
	var c Cluster
	if err := k.server(cluster, folder, &c); err != nil {
		return Cluster{}, err
	}
	if err := k.user(user, folder, &c); err != nil {
		return Cluster{}, err
	}
	return c, nil
}

func (k *kubeconfig) server(name, folder string, c *Cluster) error {
	for i := range k.Clusters {
		if k.Clusters[i].Name != name {
			continue
		}
		from := &k.Clusters[i].Cluster
		switch {
		case from.Insecure:
			return fmt.Errorf("cluster %q has insecure-skip-tls-verify; anyone on the way could then say which pod has which address: give its certificate-authority", name)
		case from.ProxyURL != "":
			return fmt.Errorf("cluster %q has a proxy-url, which is not supported", name)
		}
		c.Server, c.ServerName = from.Server, from.ServerName
		var err error
		c.CA, err = content("certificate-authority", from.CAData, from.CAFile, folder)
		return err
	}
	return fmt.Errorf("its context names cluster %q, which is not among its clusters", name)
}

func (k *kubeconfig) user(name, folder string, c *Cluster) error {
	for i := range k.Users {
		if k.Users[i].Name != name {
			continue
		}
		from := &k.Users[i].User
		switch {
		case from.Exec != nil:
			return fmt.Errorf("user %q logs in by a program (exec), which is not supported; give it a token file or a client certificate", name)
		case from.Provider != nil:
			return fmt.Errorf("user %q logs in by an auth-provider, which is not supported; give it a token file or a client certificate", name)
		case from.Username != "":
			return fmt.Errorf("user %q logs in by a password, which Kubernetes no longer accepts; give it a token file or a client certificate", name)
		case from.As != "":
			return fmt.Errorf("user %q impersonates another (as), which is not supported; use the other's kubeconfig", name)
		}
		c.Token = from.Token
		if from.TokenFile != "" { // goes first, as in client-go
			c.Token, c.TokenFile = "", inside(folder, from.TokenFile)
		}
		var err error
		if c.Certificate, err = content("client-certificate", from.CertData, from.CertFile, folder); err != nil {
			return err
		}
		c.Key, err = content("client-key", from.KeyData, from.KeyFile, folder)
		return err
	}
	return fmt.Errorf("its context names user %q, who is not among its users", name)
}

// content is what an argument holds that may be given in the file or by a path;
// the former goes first.
func content(what, data, path, folder string) ([]byte, error) {
	if data != "" {
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("its %s-data is not base64", what)
		}
		return b, nil
	}
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(inside(folder, path))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return b, nil
}

func inside(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// transport is what every request to the cluster goes through.
func (c *Cluster) transport() (*http.Transport, *url.URL, error) {
	u, err := url.Parse(c.Server)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the API server's URL %q is malformed", c.Server)
	case u.Scheme != "https" && !loopback(u.Hostname()):
		// A token that is sent in the clear is anybody's, and so is the answer.
		return nil, nil, fmt.Errorf("the API server's URL %q is not https", c.Server)
	case u.Host == "":
		return nil, nil, fmt.Errorf("the API server's URL %q has no host", c.Server)
	case c.Token == "" && c.TokenFile == "" && len(c.Certificate) == 0:
		return nil, nil, errors.New("nothing says who we are to the API server: give a token, a token file or a client certificate")
	case (len(c.Certificate) == 0) != (len(c.Key) == 0):
		return nil, nil, errors.New("a client certificate needs its key, and a key its certificate")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if len(c.CA) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, nil, errors.New("the certificate authority holds no PEM certificate")
		}
	}
	if len(c.Certificate) > 0 {
		pair, err := tls.X509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("read the client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	t := &http.Transport{
		// No proxy: what is asked is where credentials go.
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
		// A watch is silent for minutes; a connection that is dead must not be.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	return t, u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tokens reads a bearer token from a file that somebody renews. The kubelet
// replaces a pod's token well before its end, so a minute's delay is harmless.
type tokens struct {
	fixed, path string

	mu   sync.Mutex // guards the fields below
	last string
	read time.Time
}

// bearer is the token to send, "" if the cluster is not told by one.
func (t *tokens) bearer() (string, error) {
	if t.path == "" {
		return t.fixed, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != "" && time.Since(t.read) < time.Minute {
		return t.last, nil
	}
	b, err := os.ReadFile(t.path)
	if b = bytes.TrimSpace(b); err == nil && len(b) == 0 {
		err = fmt.Errorf("%s is empty", t.path)
	}
	if err != nil {
		if t.last != "" {
			return t.last, nil // being replaced; if it has ended, the API server says so
		}
		return "", fmt.Errorf("read our token: %w", err)
	}
	t.last, t.read = string(b), time.Now()
	return t.last, nil
}

// forget has the file read again before the next request: the API server did
// not accept what it held.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = time.Time{}
}
