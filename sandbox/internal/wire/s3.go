package wire

import (
	"net/http"
	"net/netip"
	"strings"
)

// s3Path returns what an S3 request addresses: nothing (the service), a
// bucket, or a bucket and a key. The bucket stands in the host name or is
// the first segment of the path
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
// All after the slash that follows it is the key, decoded once and otherwise
// verbatim: "//", ".." and a leading slash are parts of it.
func s3Path(r *http.Request, hosts []string) ([]string, error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	bucket := bucketOfHost(r.Host, hosts)
	if bucket == "" {
		if path == "" {
			return nil, nil
		}
		var err error
		bucket, path, _ = strings.Cut(path, "/")
		if bucket, err = unescape(bucket); err != nil {
			return nil, err
		}
	}
	if path == "" {
		return []string{bucket}, nil
	}
	key, err := unescape(path)
	if err != nil {
		return nil, err
	}
	return []string{bucket, key}, nil
}

// bucketOfHost returns the bucket that a host name begins with, or "" if the
// host is a server and the bucket stands in the path.
func bucketOfHost(host string, hosts []string) string {
	host = hostName(host)
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	if labels, aws := awsLabels(host); aws {
		// What is no S3 server of AWS begins with no bucket.
		return strings.Join(labels[:max(0, s3Server(labels, true))], ".")
	}
	base, ok := s3Base(host, hosts)
	if !ok {
		return ""
	}
	// A server may also be addressed as s3.HOST or s3.REGION.HOST.
	labels := strings.Split(base, ".")
	if i := s3Server(labels, false); i >= 0 {
		return strings.Join(labels[:i], ".")
	}
	return base
}

// s3Base cuts the server's own name off a host name; ok is false if nothing
// is left or the name is foreign.
func s3Base(host string, hosts []string) (string, bool) {
	longest := ""
	for _, h := range hosts {
		if host == h {
			return "", false
		}
		if len(h) > len(longest) && strings.HasSuffix(host, "."+h) {
			longest = h
		}
	}
	if longest != "" {
		return strings.TrimSuffix(host, "."+longest), true
	}
	return strings.CutSuffix(host, ".localhost")
}
