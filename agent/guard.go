package agent

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Addresses on which AWS serves the endpoints, hence names a client may
// rightly use for this one when packets to them are redirected here.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
const (
	IMDSAddress4        = "169.254.169.254" // EC2 instance metadata, IPv4
	IMDSAddress6        = "fd00:ec2::254"   // EC2 instance metadata, IPv6
	ECSAddress4         = "169.254.170.2"   // ECS container credentials
	PodIdentityAddress4 = "169.254.170.23"  // EKS Pod Identity, IPv4
	PodIdentityAddress6 = "fd00:ec2::23"    // EKS Pod Identity, IPv6
)

// maxRequestBody is the size in bytes of a request body that is read and
// dropped; no request of either dialect has one.
const maxRequestBody = 1024

// refusal is a request turned away before anyone asked who sent it.
type refusal struct {
	status int
	reason string
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// canonicalPath returns the path of r if its request line spells it in the
// only way accepted: absolute, unescaped, without empty, "." or ".." segments
// and without characters some other parser might read as a separator. Paths
// that need decoding are how other metadata proxies came to match one path
// and serve another.
func canonicalPath(r *http.Request) (string, bool) {
	target := r.RequestURI
	if target == "" { // a request that no server has read
		target = r.URL.RequestURI()
	}
	path, _, _ := strings.Cut(target, "?")
	if path == "" || path[0] != '/' || path != r.URL.Path {
		return "", false
	}
	for i := 0; i < len(path); i++ {
		if !pathByte(path[i]) {
			return "", false
		}
	}
	for rest := path[1:]; rest != ""; {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "" || segment == "." || segment == ".." {
			return "", false
		}
		if !more {
			break
		}
		rest = after
	}
	return path, true
}

// pathByte reports whether c may stand in a path: the alphabet of role names
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html),
// of metadata categories and of identifiers.
func pathByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("/-._~:@+=,", c) >= 0
}

// hosts is the set of names a client may use for this endpoint in its Host
// header. A name outside it is how a web page reaches a local service by DNS
// rebinding (CWE-350).
type hosts struct {
	addrs []netip.Addr
	names []string // lower case
}

// newHosts returns the set of "localhost" and names, each a host name or an
// IP address, without a port.
func newHosts(names ...string) hosts {
	h := hosts{names: []string{"localhost"}}
	for _, n := range names {
		if a, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil {
			h.addrs = append(h.addrs, a)
		} else {
			h.names = append(h.names, strings.ToLower(n))
		}
	}
	return h
}

// allow reports whether r names this endpoint: by a name of h, or by the
// address the connection came in on. The port is not compared, since a
// redirected connection arrives on another one.
func (h hosts) allow(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	host := hostname(r.Host)
	addr, err := netip.ParseAddr(host)
	if err != nil {
		for _, n := range h.names {
			if strings.EqualFold(n, host) {
				return true
			}
		}
		return false
	}
	if t, ok := local.(*net.TCPAddr); ok && t.AddrPort().Addr().Unmap().WithZone("") == addr {
		return true
	}
	for _, a := range h.addrs {
		if a == addr {
			return true
		}
	}
	return false
}

// hostname takes the port and the brackets of IPv6 off a Host header.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		name, rest, ok := strings.Cut(host[1:], "]")
		if !ok || rest != "" && rest[0] != ':' {
			return ""
		}
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// relayed names the header that shows that r passed through a proxy, or comes
// from a page in a browser; "" if none does. Real instance metadata refuses
// X-Forwarded-For when a token is asked for, since an open proxy on the host
// would otherwise hand its tokens to anyone
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html).
func relayed(r *http.Request) string {
	for _, name := range [...]string{
		"X-Forwarded-For", "Forwarded", "Via", // RFC 7239; RFC 9110 section 7.6.3
		"X-Forwarded-Host", "X-Real-Ip", "Origin",
	} {
		if _, ok := r.Header[name]; ok {
			return name
		}
	}
	return ""
}

// checkBody refuses a request with a body worth sending, so that nobody makes
// the server read it.
func checkBody(r *http.Request) *refusal {
	if r.ContentLength < 0 || r.ContentLength > maxRequestBody {
		return refuse(http.StatusRequestEntityTooLarge, "the request has a body of more than %d bytes, and none is expected", maxRequestBody)
	}
	return nil
}
