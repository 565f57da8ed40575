package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// containerURL is the container endpoint that the environment names, and
// whether it does.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func (x *walker) containerURL() (string, bool) {
	if rel, ok := x.s.lookup("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); ok && (rel != "" || x.sdk.EmptySet) {
		base := "http://169.254.170.2"
		if v := x.s.get("AWS_CONTAINER_SERVICE_ENDPOINT"); v != "" && x.sdk.profile == javaSDK {
			base = v
		}
		return base + rel, true
	}
	full, ok := x.s.lookup("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	return full, full != "" || ok && x.sdk.EmptySet
}

// container asks the container endpoint.
func (x *walker) container() outcome {
	o := x.containerWith(x.s.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
	if x.sdk.profile != jsSDK || o.state != Failed || x.t.HostRefused {
		return o
	}
	// Its second provider for the same endpoint is older: it knows two hosts,
	// and of tokens only the variable.
	at, _ := x.containerURL()
	if u, err := url.Parse(at); err != nil || !slices.Contains([]string{"localhost", "127.0.0.1", "169.254.170.2"}, u.Hostname()) {
		return o
	}
	if again := x.containerWith(""); again.state == Used {
		again.why += " when asked without the token file"
		return again
	}
	return o
}

func (x *walker) containerWith(tokenFile string) outcome {
	at, ok := x.containerURL()
	if !ok {
		return skipped("neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set")
	}
	fail := func(format string, args ...any) outcome {
		o := fatal(format, args...)
		if !x.sdk.FailureFatal {
			o.state = Failed
		}
		return o
	}
	shown := hidden(at)
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return fail("%q is no URL", shown)
	}
	// The rule is for the whole URL; the host of the relative one is the SDK's own.
	if u.Scheme == "http" && at == x.s.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
		if why := x.refuses(u.Hostname()); why != "" {
			x.t.HostRefused = true
			o := fail("the SDK does not ask %s: %s", u.Host, why)
			switch {
			case x.sdk.profile == botocore:
				o = o.saying("Unsupported host '%s'.  Can only retrieve metadata from a loopback address or one of these hosts: 169.254.170.2, 169.254.170.23, fd00:ec2::23, localhost", u.Hostname())
			case x.sdk.profile == goSDK:
				o = o.saying("invalid endpoint host, %q, only loopback/ecs/eks hosts are allowed", u.Hostname())
			}
			return o
		}
	}
	header := http.Header{"Accept": {"application/json"}}
	if tokenFile != "" {
		token, err := x.w.ReadFile(tokenFile)
		if err != nil {
			o := fail("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %s: %s", tokenFile, plainly(err))
			if x.sdk.profile == jsSDK {
				o.state = Fatal // an error of the file system's, which no chain goes on after
			}
			return o
		}
		header.Set("Authorization", string(token))
	} else if token := x.s.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"); token != "" {
		header.Set("Authorization", token)
	}
	if v := header.Get("Authorization"); strings.ContainsAny(v, "\r\n") && (x.sdk.profile != jsSDK || strings.Contains(v, "\r\n")) {
		return fail("the authorization token has a line break, which no HTTP header can carry: write the file without one at its end")
	}
	a, err := x.w.Do(x.ctx, http.MethodGet, at, header)
	if err != nil {
		return fail("%s does not answer: %s", shown, short(err))
	}
	if a.Status != http.StatusOK {
		return fail("%s answers %d: %s", shown, a.Status, oneLine(a.Body))
	}
	var k struct {
		AccessKeyID                        string `json:"AccessKeyId"`
		SecretAccessKey, Token, Expiration string
	}
	if err := json.Unmarshal(a.Body, &k); err != nil {
		return fail("%s answers something that is no JSON object", shown)
	}
	c := &Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.Token}
	expires, err := time.Parse(time.RFC3339, k.Expiration)
	switch all := x.sdk.profile == botocore || x.sdk.profile == jsSDK; {
	case !c.complete(), all && k.Token == "", all && err != nil:
		return fail("the answer of %s lacks AccessKeyId, SecretAccessKey, Token or Expiration", shown)
	}
	c.Expires = expires
	return outcome{state: Used, why: shown + " has credentials", cred: c}
}

// always are the addresses that every SDK of today asks over plain http.
var always = [...]string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}

// refuses says why the SDK does not ask a host over plain http, "" if it does.
func (x *walker) refuses(host string) string {
	rule := x.sdk.Hosts
	if slices.Contains(rule.Names, host) {
		return ""
	}
	if rule.Only {
		return "it asks only " + strings.Join(rule.Names, ", ") + ", or any host over https"
	}
	allowed := func(a netip.Addr) bool {
		return a.IsLoopback() || slices.Contains(always[:], a.Unmap().String())
	}
	const list = "only loopback addresses, 169.254.170.2, 169.254.170.23 and fd00:ec2::23, or any host over https"
	if a, err := netip.ParseAddr(host); err == nil {
		if allowed(a) {
			return ""
		}
		return list
	}
	if !rule.Resolve {
		return list + ", and of names only localhost"
	}
	all, err := x.w.LookupHost(x.ctx, host)
	if err != nil {
		return fmt.Sprintf("the name cannot be resolved: %s", short(err))
	}
	for _, a := range all {
		if !allowed(a) {
			return fmt.Sprintf("its address is %s: %s", a, list)
		}
	}
	return ""
}

// metadataURL is where the SDK looks for instance metadata.
func (x *walker) metadataURL(profile map[string]string) string {
	for _, v := range []string{x.s.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"), profile["ec2_metadata_service_endpoint"]} {
		if v != "" {
			return strings.TrimSuffix(v, "/")
		}
	}
	mode := x.s.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
	if mode == "" {
		mode = profile["ec2_metadata_service_endpoint_mode"]
	}
	if equalFold(mode, "ipv6") {
		return "http://[fd00:ec2::254]"
	}
	return "http://169.254.169.254"
}

// instance asks instance metadata for the role of the instance.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func (x *walker) instance(profile map[string]string) outcome {
	if v := x.s.get("AWS_EC2_METADATA_DISABLED"); x.sdk.DisabledBy(v) {
		return skipped("AWS_EC2_METADATA_DISABLED is %s", v)
	}
	if _, set := x.containerURL(); set && x.sdk.profile == jsSDK {
		return skipped("the environment names a container endpoint, and then this SDK does not ask instance metadata")
	}
	base := x.metadataURL(profile)
	m := &Metadata{URL: base}
	x.t.Metadata = m
	fail := func(format string, args ...any) outcome {
		return outcome{state: Failed, why: fmt.Sprintf(format, args...)}
	}
	header := http.Header{}
	a, err := x.w.Do(x.ctx, http.MethodPut, base+"/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"21600"}})
	switch {
	case err != nil:
		m.TokenErr = err
	case a.Status == http.StatusOK:
		header.Set("X-Aws-Ec2-Metadata-Token", string(a.Body))
	case a.Status == http.StatusBadRequest:
		return fail("%s answers the request for a token with 400", base)
	}
	if len(header) == 0 && (equalFold(x.s.get("AWS_EC2_METADATA_V1_DISABLED"), "true") || equalFold(profile["ec2_metadata_v1_disabled"], "true")) {
		return fail("%s gives no token, and version 1 is switched off", base)
	}
	const roles = "/latest/meta-data/iam/security-credentials/"
	a, err = x.w.Do(x.ctx, http.MethodGet, base+roles, header)
	if err != nil {
		return fail("nobody answers at %s: %s", base, short(err))
	}
	if len(header) == 0 {
		m.V1 = a.Status
	}
	switch {
	case a.Status == http.StatusUnauthorized && m.TokenErr != nil:
		return fail("%s wants a token, and its answer to the request for one did not arrive: %s", base, short(m.TokenErr))
	case a.Status == http.StatusNotFound:
		return fail("%s has no role: the instance has no instance profile", base)
	case a.Status != http.StatusOK:
		return fail("%s answers %d", base, a.Status)
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(a.Body)), "\n")
	if a, err = x.w.Do(x.ctx, http.MethodGet, base+roles+role, header); err != nil {
		return fail("%s does not answer for role %s: %s", base, role, short(err))
	}
	var k struct {
		Code, Message                      string
		AccessKeyID                        string `json:"AccessKeyId"`
		SecretAccessKey, Token, Expiration string
	}
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &k) != nil {
		return fail("%s answers %d for role %s", base, a.Status, role)
	}
	c := &Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.Token}
	if !c.complete() {
		return fail("%s has no credentials for role %s: %s %s", base, role, k.Code, k.Message)
	}
	c.Expires, _ = time.Parse(time.RFC3339, k.Expiration)
	if x.sdk.RegionIMDS && x.t.Region == "" {
		if a, err := x.w.Do(x.ctx, http.MethodGet, base+"/latest/meta-data/placement/region", header); err == nil && a.Status == http.StatusOK {
			x.t.Region, x.t.From = string(a.Body), "instance metadata"
		}
	}
	return outcome{state: Used, why: fmt.Sprintf("%s has role %s", base, role), cred: c}
}

// hidden is a container endpoint without the end of its path, which may be all
// that keeps others from its role.
func hidden(at string) string {
	i := strings.LastIndexByte(at, '/') + 1
	if len(at)-i < 12 {
		return at
	}
	return at[:i+4] + "…"
}

// short is an error without the request that it repeats.
func short(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return "no answer in time"
		}
		err = u.Err
	}
	return err.Error()
}

// oneLine is the beginning of a body, in one line.
func oneLine(b []byte) string {
	s := strings.Join(strings.Fields(string(b)), " ")
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
