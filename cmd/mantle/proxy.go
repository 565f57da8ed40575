package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/sandbox/proxy"
)

// proxyDoor is the HTTPS proxy in front of a running sandbox.
type proxyDoor struct {
	url     string
	files   []string // what it left in the runtime folder
	end     context.CancelFunc
	running sync.WaitGroup
}

// proxyFiles are where the proxy of the sandbox at an address leaves its
// settings, its certificate, and that together with the system's.
func proxyFiles(dir, address string) (profiles, ca, bundle string) {
	base := strings.TrimSuffix(profileFile(dir, address), ".config")
	return base + ".proxy.config", base + ".proxy.pem", base + ".proxy-bundle.pem"
}

// proxyLine begins the profile file of a proxy and says where it listens.
const proxyLine = "# proxy = "

// openProxy starts the proxy of a sandbox that runs, and writes what
// `sandbox env --proxy` reads.
func (e *env) openProxy(w *world, listen, state string) (*proxyDoor, error) {
	authority, err := proxyAuthority(state, time.Now())
	if err != nil {
		return nil, err
	}
	ln, err := listenOn(listen)
	if err != nil {
		return nil, err
	}
	d := &proxyDoor{url: "http://" + ln.Addr().String()}
	if err := d.export(e, w, authority); err != nil {
		ln.Close()
		d.remove()
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	d.end = end
	p := proxy.New(w.Server, authority, proxy.Options{Log: e.log()})
	d.running.Go(func() {
		if err := p.Serve(ctx, ln); err != nil {
			select {
			case w.failed <- fmt.Errorf("proxy: %w", err):
			default:
			}
		}
	})
	return d, nil
}

// export writes the certificates, and the sandbox's profiles without the
// endpoint that they name.
func (d *proxyDoor) export(e *env, w *world, authority *proxy.Authority) error {
	dir, err := e.runtimeDir()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(w.exports)
	if err != nil {
		return err
	}
	var profiles strings.Builder
	profiles.WriteString(proxyLine + d.url + "\n")
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "endpoint_url") {
			profiles.WriteString(line)
		}
	}
	config, ca, bundle := proxyFiles(dir, strings.TrimPrefix(w.url, "http://"))
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{ca, authority.CertificatePEM()},
		{bundle, append(systemRoots(), authority.CertificatePEM()...)},
		{config, []byte(profiles.String())},
	} {
		if err := replaceFile(f.path, f.content); err != nil {
			return err
		}
		d.files = append(d.files, f.path)
	}
	return nil
}

// close ends the proxy and takes its files away.
func (d *proxyDoor) close() {
	if d == nil {
		return
	}
	d.end()
	d.running.Wait()
	d.remove()
}

func (d *proxyDoor) remove() {
	for _, f := range d.files {
		os.Remove(f)
	}
}

// proxyAuthority is the authority of a sandbox's proxy: kept with the state,
// so that what trusted it before a restart still does, or else one whose key
// never leaves this process.
func proxyAuthority(state string, now time.Time) (*proxy.Authority, error) {
	if state == "" || strings.Contains(state, "://") {
		return proxy.NewAuthority(now)
	}
	file := filepath.Join(state, "proxy-ca.pem")
	text, err := os.ReadFile(file)
	if err == nil {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			return nil, failf(exitUsage, "the key in %s is open to others", file).withHint("remove the file: a new key is made; programs then have to trust the new certificate")
		}
		a, err := proxy.ParseAuthority(text)
		if err != nil {
			return nil, failf(exitUsage, "%s: %w", file, err).withHint("remove the file: a new key is made")
		}
		if a.Usable(now) {
			return a, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	a, err := proxy.NewAuthority(now)
	if err != nil {
		return nil, err
	}
	if text, err = a.SecretPEM(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	return a, replaceFile(file, text)
}

// systemRoots are the certificates that this machine trusts: the first that
// exists of the files in which Linux distributions, the BSDs and macOS keep
// them.
func systemRoots() []byte {
	for _, f := range []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
	} {
		if b, err := os.ReadFile(f); err == nil {
			return append(bytes.TrimRight(b, "\n"), '\n')
		}
	}
	return nil
}

// throughProxy turns what leads a shell to a sandbox's address into what
// leads it to the sandbox's proxy. No endpoint is named: programs believe
// that they talk to AWS.
func (e *env) throughProxy(x *exported, address string) error {
	dir, err := e.runtimeDir()
	if err != nil {
		return err
	}
	config, ca, bundle := proxyFiles(dir, address)
	text, err := os.ReadFile(config)
	if errors.Is(err, fs.ErrNotExist) {
		return failf(exitUsage, "the sandbox at %s has no proxy", address).withHint("start it with mantle sandbox up --proxy 127.0.0.1:4567")
	}
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	url, ok := strings.CutPrefix(line, proxyLine)
	if !ok {
		return failf(exitUsage, "%s does not say where the proxy listens", config).withHint("start the sandbox anew")
	}
	endpoints := map[string]bool{"AWS_ENDPOINT_URL": true, "AWS_ENDPOINT_URL_STS": true}
	for _, kv := range e.Environ {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			endpoints[name] = true
		}
	}
	for name := range endpoints {
		delete(x.Set, name)
	}
	x.Unset = append(x.Unset, slices.Sorted(maps.Keys(endpoints))...)
	// Some programs read proxies from the one spelling and some from the
	// other; curl reads http_proxy in lower case alone.
	direct := e.aroundProxy(address)
	for name, value := range map[string]string{"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": direct} {
		x.Set[name], x.Set[strings.ToLower(name)] = value, value
	}
	x.Unset = append(x.Unset, "ALL_PROXY", "all_proxy")
	maps.Copy(x.Set, map[string]string{
		"AWS_CONFIG_FILE": config,
		// AWS's clients trust the sandbox alone: one that got past the proxy
		// would not talk to AWS by mistake.
		"AWS_CA_BUNDLE": ca,
		// Everything else trusts the sandbox besides what it trusts anyway.
		"SSL_CERT_FILE": bundle, "CURL_CA_BUNDLE": bundle, "REQUESTS_CA_BUNDLE": bundle,
		"NODE_EXTRA_CA_CERTS": ca, "NODE_USE_ENV_PROXY": "1",
	})
	return nil
}

// aroundProxy is the NO_PROXY of a shell whose proxy is a sandbox's: this
// host, the addresses that credentials are fetched from, and what the user
// has named already, except where that would lead to AWS itself.
func (e *env) aroundProxy(address string) string {
	list := []string{"localhost", "127.0.0.1", "::1", "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"}
	host := address[:strings.LastIndexByte(address, ':')]
	list = append(list, strings.Trim(host, "[]"))
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		list = append(list, strings.FieldsFunc(e.get(name), func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	var out []string
	for _, entry := range list {
		if !slices.Contains(out, entry) && !proxy.Bypasses(entry) {
			out = append(out, entry)
		}
	}
	return strings.Join(out, ",")
}
