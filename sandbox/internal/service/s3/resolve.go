package s3

import (
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Resolve names the operation of a call. The codec has found it by method,
// path and query already; what is left is to refuse keys that no object can
// have and, by name, what the sandbox leaves out: a GET of an unknown
// sub-resource must never be taken for a GET of the bucket.
func (s *S3) Resolve(c *wire.Call) (string, *wire.Error) {
	bucket, key := c.Vars["Bucket"], c.Vars["Key"]
	if _, named := c.Vars["Bucket"]; named && bucket == "" {
		return "", errInvalidBucketName(bucket)
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	if c.Op == nil {
		return "", unknown(c)
	}
	if !s.names[c.Op.Name] {
		return "", errNotImplemented(c.Op.Name)
	}
	return c.Op.Name, nil
}

// unknown is the error for a request that is no operation of S3: its method
// does not fit, or it asks for something newer than the sandbox.
func unknown(c *wire.Call) *wire.Error {
	if c.HTTP.Method == "POST" && c.Vars["Bucket"] != "" && c.Vars["Key"] == "" && c.HTTP.URL.RawQuery == "" {
		return errNotImplemented("browser form uploads (POST Object); use PutObject")
	}
	e := c.Unknown()
	if c.HTTP.URL.RawQuery != "" {
		e = e.With("Query", strings.SplitN(c.HTTP.URL.RawQuery, "&", 2)[0])
	}
	return e
}

// namesOf are the operations of a table.
func namesOf(table []service.Operation) map[string]bool {
	names := make(map[string]bool, len(table))
	for _, op := range table {
		names[op.Name] = true
	}
	return names
}
