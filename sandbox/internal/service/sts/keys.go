package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// keyring keeps the key sets of issuers: what verifying a token needs of the
// world outside. A set is fetched when it is first needed, when it is old, and
// when a token names a key that it has not got.
type keyring struct {
	fetch func(ctx context.Context, issuer string) ([]byte, error)

	mu   sync.Mutex // guards the field below
	sets map[string]keySet
}

type keySet struct {
	keys []webKey
	at   time.Time
}

// keysLife is how long a key set is used without asking the issuer again.
const keysLife = 5 * time.Minute

// keysFor returns the keys for a token of an issuer.
func (r *keyring) keysFor(ctx context.Context, issuer string, t *webToken, now time.Time) ([]webKey, error) {
	r.mu.Lock()
	set, ok := r.sets[issuer]
	r.mu.Unlock()
	if age := now.Sub(set.at); ok && age >= 0 && age < keysLife && len(t.candidates(set.keys)) > 0 {
		return set.keys, nil
	}
	doc, err := r.fetch(ctx, issuer)
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(doc)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets == nil {
		r.sets = map[string]keySet{}
	}
	r.sets[issuer] = keySet{keys, now}
	return keys, nil
}

const (
	fetchTimeout = 5 * time.Second
	fetchLimit   = 1 << 20 // bytes of a discovery document or key set
)

// FetchKeys asks an issuer for its key set: its discovery document names the
// address (OpenID Connect Discovery 1.0, 4). Both must be https, or http on
// this machine; redirects are not followed.
func FetchKeys(ctx context.Context, issuer string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	doc, err := get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var discovered struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(doc, &discovered); err != nil {
		return nil, fmt.Errorf("discovery document of %s: %w", issuer, err)
	}
	if discovered.Issuer != issuer {
		return nil, fmt.Errorf("discovery document of %s: it names the issuer %q", issuer, discovered.Issuer)
	}
	return get(ctx, discovered.Keys)
}

func get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%q is not an https URL", address)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("redirects are not followed")
		},
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchLimit+1))
	if err != nil {
		return nil, err
	}
	if len(body) > fetchLimit {
		return nil, fmt.Errorf("%s answers more than %d bytes", address, fetchLimit)
	}
	return body, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
