package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// suffixes are the domains that the endpoints of AWS's services lie in, by
// partition, IPv4 and dual stack: "dnsSuffix" and "dualStackDnsSuffix" of the
// partitions that the AWS SDKs carry
// (https://docs.aws.amazon.com/general/latest/gr/rande.html).
var suffixes = []string{
	"amazonaws.com", "api.aws", // aws, aws-us-gov
	"amazonaws.com.cn", "api.amazonwebservices.com.cn", // aws-cn
	"amazonaws.eu", "api.amazonwebservices.eu", // aws-eusc
	"c2s.ic.gov", "api.aws.ic.gov", // aws-iso
	"sc2s.sgov.gov", "api.aws.scloud", // aws-iso-b
	"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", // aws-iso-e
	"csp.hci.ic.gov", "api.aws.hci.ic.gov", // aws-iso-f
}

// metadata are the addresses at which instances, tasks and pods fetch their
// credentials. A proxy that passed them on would hand out its own host's.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::/32"),
}

// refusal says why the proxy does not do what it was asked, and the cure.
type refusal struct {
	status       int
	reason, hint string
}

func (r *refusal) Error() string { return r.reason }

// target reads where a request is to go: host, or host:port. The port that
// an AWS endpoint listens on for the scheme is the only one allowed, and may
// be left out. The name comes back in lower case without a final dot.
func target(authority, port string) (string, *refusal) {
	host, p, err := net.SplitHostPort(authority)
	if err != nil {
		host, p = authority, port
		if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
			host = host[1 : len(host)-1]
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return "", refuseAddress(a)
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if !isHostName(name) {
		return "", &refusal{http.StatusBadRequest, shorten(authority) + " is not a host name", ""}
	}
	if !isAWS(name) {
		return "", &refusal{http.StatusForbidden, name + " is not an AWS endpoint, and this proxy leads nowhere else",
			"a program that needs " + name + " reaches it if NO_PROXY names it"}
	}
	if p != port {
		return "", &refusal{http.StatusForbidden, "AWS endpoints listen on port " + port + ", not " + shorten(p), ""}
	}
	return name, nil
}

func refuseAddress(a netip.Addr) *refusal {
	a = a.Unmap().WithZone("")
	for _, m := range metadata {
		if m.Contains(a) {
			return &refusal{http.StatusForbidden, "credentials of an instance or a task are never fetched through a proxy",
				"add " + a.String() + " to NO_PROXY"}
		}
	}
	return &refusal{http.StatusForbidden, a.String() + " is an address, not the name of an AWS endpoint",
		"a program that needs it reaches it if NO_PROXY names it"}
}

// isAWS tells whether a name lies in one of AWS's domains.
func isAWS(name string) bool {
	for _, s := range suffixes {
		if rest, ok := strings.CutSuffix(name, s); ok && strings.HasSuffix(rest, ".") {
			return true
		}
	}
	return false
}

// isHostName tells whether a name in lower case is a host name as DNS spells
// it. Underscores are let through: buckets of before 2018 have them.
func isHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// Bypasses tells whether an entry of NO_PROXY would lead clients past the
// proxy to a host of AWS. Clients disagree about what an entry stands for
// (some compare whole labels, some the end of the name), so that the widest
// reading counts.
func Bypasses(entry string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	if i := strings.LastIndexByte(entry, ':'); i >= 0 && strings.Trim(entry[i+1:], "0123456789") == "" {
		entry = entry[:i]
	}
	if entry == "*" {
		return true
	}
	name := strings.Trim(strings.TrimPrefix(entry, "*"), ".")
	if name == "" {
		return false
	}
	for _, s := range suffixes {
		if strings.HasSuffix(s, name) || strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	return false
}

// shorten quotes what a client sent for an answer: bounded and in ASCII.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
