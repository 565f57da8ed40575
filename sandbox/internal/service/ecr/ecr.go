package ecr

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Options are what ECR needs of the rest of the sandbox. The zero value
// believes every principal that a policy names.
type Options struct {
	// Partition of the ARNs; empty is "aws".
	Partition string
	// PrincipalExists tells whether a user or role exists; nil means all do.
	PrincipalExists func(arn string) bool
	// StorePolicy rewrites a repository policy for keeping, principals by
	// their unique ids, and ShowPolicy turns it back.
	StorePolicy, ShowPolicy func(document string) string
	// Blobs is where the bytes of layers lie. The store and it belong
	// together: rows name objects. Nil keeps them in memory.
	Blobs *blob.Bucket
}

// ECR is the service.
type ECR struct {
	store    *store.Store
	opt      Options
	policies policyCache
}

// New opens the service on a store.
func New(st *store.Store, opt Options) *ECR {
	if opt.Partition == "" {
		opt.Partition = "aws"
	}
	if opt.Blobs == nil {
		opt.Blobs = memblob.OpenBucket(nil)
	}
	return &ECR{store: st, opt: opt, policies: policyCache{compiled: map[string]compiled{}}}
}

// Name is the signing name.
func (s *ECR) Name() string { return "ecr" }

// The rows. They are shared and immutable: a handler changes a copy.
type (
	repositoryRow struct {
		View types.Repository
		Tags []types.Tag
		// Policy is the repository's policy as StorePolicy rewrote it, and
		// Lifecycle its lifecycle policy; empty for none.
		Policy, Lifecycle string
	}
	imageRow struct {
		Digest, Manifest, MediaType string
		Tags                        []string // sorted
		Pushed                      time.Time
		Pulled                      time.Time // zero: never
		Size                        int64
		Layers                      []types.Layer
	}
)

var (
	// repositories by account/region/name.
	repositories = store.NewTable[repositoryRow]("ecr.repository")
	// images by the repository's key, ":" and the digest; a colon is in no
	// repository's name.
	images = store.NewTable[imageRow]("ecr.image")
)

// compiled is a policy with the text it was made from.
type compiled struct {
	text   string
	policy *iam.Policy
}

// policyCache keeps the compiled form of each repository's policy. An entry
// is valid while its text is the stored one, so nobody has to invalidate it;
// a repository that is gone leaves its entry until the name is used again.
type policyCache struct {
	mu       sync.Mutex // guards the field below
	compiled map[string]compiled
}

func (c *policyCache) get(key, arn, text string) (*iam.Policy, error) {
	if text == "" {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.compiled[key]; ok && e.text == text {
		return e.policy, nil
	}
	p, err := iam.Parse(iam.Resource, "repository policy of "+arn, []byte(text))
	if err != nil {
		return nil, err
	}
	c.compiled[key] = compiled{text, p}
	return p, nil
}
