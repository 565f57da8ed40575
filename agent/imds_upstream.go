package agent

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/metapath"
)

// Upstream reads real instance metadata: the value at a path such as
// "meta-data/placement/region", or [ErrNoMetadata].
type Upstream interface {
	Metadata(ctx context.Context, path string) (string, error)
}

// ErrNoMetadata is an [Upstream]'s answer to a path at which there is nothing.
var ErrNoMetadata = errors.New("there is no metadata at this path")

// upstreamPatience is what SDKs wait for an answer, less the way there.
const upstreamPatience = 900 * time.Millisecond

// MetadataPaths makes an [IMDSOptions].Allow of patterns: paths after the
// version in which a segment "*" stands for any one, as in
// "meta-data/placement/*". The error names the first pattern that may not be
// handed on, and why.
func MetadataPaths(patterns ...string) (func(path string) bool, error) {
	l, err := metapath.Parse(patterns...)
	if err != nil {
		return nil, err
	}
	return l.Allows, nil
}

// upstream answers a path that is handed on, and reports whether it did. A
// caller without a role is none of this host's workloads and learns nothing of
// it; that is answered as if the path were not handed on.
func (m *IMDS) upstream(w http.ResponseWriter, r *http.Request, who broker.Caller, unknown error, path string) bool {
	if m.opt.Upstream == nil || m.opt.Allow == nil || unknown != nil || metapath.Blocked(path) != "" || !m.opt.Allow(path) {
		return false
	}
	if name := relayed(r); name != "" {
		m.fail(w, r, who, imdsError(http.StatusForbidden, "the request has a %s header: metadata of the host is not handed to proxies", name))
		return true
	}
	if role, _, _ := m.role(r, who); role == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), upstreamPatience)
	defer cancel()
	value, err := m.opt.Upstream.Metadata(ctx, path)
	switch {
	case errors.Is(err, ErrNoMetadata):
		m.fail(w, r, who, noPath())
	case err != nil:
		p := imdsError(http.StatusServiceUnavailable, "the instance metadata service of the host did not answer: %v", err)
		p.retry = time.Second
		m.fail(w, r, who, p)
	default:
		m.text(w, value)
	}
	return true
}
