package s3

import (
	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Authorizer decides one permission for a caller, as the server does for the
// checks of an operation. It returns nil if the permission is granted, else
// the error to answer with.
type Authorizer func(*service.Request, service.Check) *wire.Error

// Options says what S3 cannot know by itself. The zero value is safe: it
// grants nothing that depends on a question to somebody else.
type Options struct {
	// Authorize decides the permissions that only a handler can name: each
	// key of DeleteObjects, and whether a caller may learn that a key does
	// not exist. Nil denies. See also [S3.UseAuthorizer].
	Authorize Authorizer
	// PrincipalExists tells whether a principal that a bucket policy names
	// exists. Nil lets every well-formed principal pass.
	PrincipalExists func(arn string) bool
	// StorePolicy rewrites a bucket policy as it is kept: ARNs of users and
	// roles become their unique ids, so that a role made later under the
	// same name does not inherit the grant. ShowPolicy is the way back for
	// principals that still exist. Nil keeps the text.
	StorePolicy func(document string) string
	ShowPolicy  func(document string) string
}

// S3 is the service.
type S3 struct {
	st       *store.Store
	contents contents
	opt      Options
	policies policyCache
	names    map[string]bool // of the operations in the table
}

// New makes the service on a store and a bucket of blobs. The two belong
// together: rows name blobs. New starts nothing; call [S3.Sweep] once before
// serving a store that was in use before.
func New(st *store.Store, blobs *blob.Bucket, opt Options) *S3 {
	s := &S3{
		st:       st,
		opt:      opt,
		contents: contents{blobs: blobs, pinned: map[string]int{}, doomed: map[string]bool{}},
		policies: policyCache{compiled: map[string]compiled{}},
	}
	s.names = namesOf(s.Operations())
	return s
}

// UseAuthorizer sets Options.Authorize for a server that is made after its
// services. It must be called before the first request.
func (s *S3) UseAuthorizer(a Authorizer) { s.opt.Authorize = a }

// Name is the signing name.
func (s *S3) Name() string { return "s3" }

// authorize asks for a permission that was not among the operation's checks.
func (s *S3) authorize(r *service.Request, c service.Check) *wire.Error {
	if s.opt.Authorize == nil {
		return errAccessDenied()
	}
	return s.opt.Authorize(r, c)
}
