package s3

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// The condition keys of S3, by where a request carries their values.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
var (
	listKeys  = []source{{key: "s3:prefix", query: "prefix"}, {key: "s3:delimiter", query: "delimiter"}, {key: "s3:max-keys", query: "max-keys"}}
	aclKeys   = headerKeys("x-amz-acl", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write", "x-amz-grant-write-acp")
	ownerKeys = headerKeys("x-amz-object-ownership")
	matchKeys = []source{{key: "s3:if-match", header: "If-Match"}}
	writeKeys = slices.Concat(aclKeys, matchKeys, []source{{key: "s3:if-none-match", header: "If-None-Match"}}, headerKeys(
		"x-amz-copy-source", "x-amz-metadata-directive", "x-amz-server-side-encryption",
		"x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-customer-algorithm",
		"x-amz-storage-class", "x-amz-website-redirect-location"), []source{
		{key: "s3:object-lock-mode", header: "X-Amz-Object-Lock-Mode"},
		{key: "s3:object-lock-retain-until-date", header: "X-Amz-Object-Lock-Retain-Until-Date"},
		{key: "s3:object-lock-legal-hold", header: "X-Amz-Object-Lock-Legal-Hold"},
	})
)

// source says which header or query parameter a condition key is read from.
// A key is absent if its parameter is, and present and empty if that is
// empty: `prefix=` lists with the prefix "".
type source struct{ key, header, query string }

// headerKeys are the keys that are named as their header.
func headerKeys(names ...string) []source {
	out := make([]source, len(names))
	for i, n := range names {
		out[i] = source{key: "s3:" + n, header: http.CanonicalHeaderKey(n)}
	}
	return out
}

// read appends the keys that the request carries.
func read(kv []service.KV, h http.Header, q url.Values, from []source) []service.KV {
	for _, f := range from {
		values := h[f.header]
		if f.query != "" {
			values = q[f.query]
		}
		if len(values) > 0 {
			kv = append(kv, service.KV{Key: f.key, Values: values[:1]})
		}
	}
	return kv
}

// common are the keys that every S3 request carries.
func common(r *service.Request, owner string) []service.KV {
	var kv []service.KV
	add := func(key, value string) {
		if value != "" {
			kv = append(kv, service.KV{Key: key, Values: []string{value}})
		}
	}
	add("s3:authType", r.Caller.SignedBy)
	add("s3:signatureversion", r.Caller.SignatureVersion)
	if !r.Caller.SignedAt.IsZero() {
		add("s3:signatureAge", strconv.FormatInt(max(0, r.Now.Sub(r.Caller.SignedAt).Milliseconds()), 10))
	}
	add("s3:x-amz-content-sha256", contentSHA256(r.Call.HTTP))
	add("s3:ResourceAccount", owner)
	return kv
}

// contentSHA256 is how the body was signed, in a header or, for presigned
// calls, in the query.
func contentSHA256(h *http.Request) string {
	if v := h.Header.Get("X-Amz-Content-Sha256"); v != "" {
		return v
	}
	return h.URL.Query().Get("X-Amz-Content-Sha256")
}

// requestTags are the keys about tags that a request brings.
func requestTags(tags []tag) []service.KV {
	if len(tags) == 0 {
		return nil
	}
	names := service.KV{Key: "s3:RequestObjectTagKeys"}
	var kv []service.KV
	for _, t := range tags {
		kv = append(kv, service.KV{Key: "s3:RequestObjectTag/" + t.Key, Values: []string{t.Value}})
		names.Values = append(names.Values, t.Key)
	}
	return append(kv, names)
}

// existingTags are the keys about the tags of an object that is there.
func existingTags(tags []tag) []service.KV {
	var kv []service.KV
	for _, t := range tags {
		kv = append(kv, service.KV{Key: "s3:ExistingObjectTag/" + t.Key, Values: []string{t.Value}})
	}
	return kv
}

// bucketTags are the keys about the tags of a bucket that is being made.
func bucketTags(tags map[string]string) []service.KV {
	if len(tags) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(tags))
	kv := []service.KV{{Key: "aws:TagKeys", Values: names}}
	for _, n := range names {
		kv = append(kv, service.KV{Key: "aws:RequestTag/" + n, Values: []string{tags[n]}})
	}
	return kv
}

// grantsACL tells whether the request sets an ACL.
func grantsACL(h http.Header) bool {
	for name := range h {
		if name == "X-Amz-Acl" || strings.HasPrefix(name, "X-Amz-Grant-") {
			return true
		}
	}
	return false
}
