package s3

import (
	"context"
	"crypto/md5"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// lifecycle is a lifecycle configuration with what comes in its header.
type lifecycle struct {
	Rules   []types.LifecycleRule
	Minimum types.TransitionDefaultMinimumObjectSize
}

// The settings of buckets: one row by bucket name, written as the client
// sent it and read back as written.
var (
	corsRules     = store.NewTable[types.CORSConfiguration]("s3.cors")
	websites      = store.NewTable[types.WebsiteConfiguration]("s3.website")
	lifecycles    = store.NewTable[lifecycle]("s3.lifecycle")
	encryptions   = store.NewTable[types.ServerSideEncryptionConfiguration]("s3.encryption")
	loggings      = store.NewTable[types.LoggingEnabled]("s3.logging")
	notifications = store.NewTable[types.NotificationConfiguration]("s3.notification")
	payers        = store.NewTable[types.Payer]("s3.requestPayment")
	accelerations = store.NewTable[types.BucketAccelerateStatus]("s3.accelerate")
	ownerships    = store.NewTable[types.ObjectOwnership]("s3.ownershipControls")
)

// forgetSettings deletes the settings of a bucket that goes away.
func forgetSettings(tx *store.Tx, bucket string) {
	bucketPolicies.Delete(tx, bucket)
	publicBlocks.Delete(tx, bucket)
	corsRules.Delete(tx, bucket)
	websites.Delete(tx, bucket)
	lifecycles.Delete(tx, bucket)
	encryptions.Delete(tx, bucket)
	loggings.Delete(tx, bucket)
	notifications.Delete(tx, bucket)
	payers.Delete(tx, bucket)
	accelerations.Delete(tx, bucket)
	ownerships.Delete(tx, bucket)
}

// getting makes the row of an operation that reads a setting. show fills the
// output from the setting, or says with an error that there is none.
func getting[In, Out, D any](s *S3, name, action string, t store.Table[D], show func(D, bool) (*Out, *wire.Error)) service.Operation {
	return row(name, s.onBucket(action), func(_ context.Context, r *service.Request, _ *In) (out *Out, err error) {
		err = s.st.View(func(tx *store.Tx) error {
			if _, err := findBucket(tx, bucketOf(r)); err != nil {
				return err
			}
			d, ok := t.Get(tx, bucketOf(r))
			var e *wire.Error
			if out, e = show(d, ok); e != nil {
				return e.With("BucketName", bucketOf(r))
			}
			return nil
		})
		return out, err
	})
}

// putting makes the row of an operation that writes a setting. take reads it
// from the input; with keep false the setting is cleared instead.
func putting[In, Out, D any](s *S3, name, action string, t store.Table[D], take func(*In) (d D, keep bool, err *wire.Error)) service.Operation {
	return row(name, s.onBucket(action), func(_ context.Context, r *service.Request, in *In) (*Out, error) {
		d, keep, e := take(in)
		if e != nil {
			return nil, e
		}
		err := s.st.Update(func(tx *store.Tx) error {
			if _, err := findBucket(tx, bucketOf(r)); err != nil {
				return err
			}
			if keep {
				t.Put(tx, bucketOf(r), d)
			} else {
				t.Delete(tx, bucketOf(r))
			}
			return nil
		})
		return new(Out), err
	})
}

// deleting makes the row of an operation that clears a setting; there need
// not be one.
func deleting[In, Out, D any](s *S3, name, action string, t store.Table[D]) service.Operation {
	return putting[In, Out](s, name, action, t, func(*In) (d D, keep bool, err *wire.Error) { return d, false, nil })
}

// fixedAnswer makes the row of an operation whose answer is the same for every
// bucket that exists.
func fixedAnswer[In, Out any](s *S3, name, action string, out *Out, e *wire.Error) service.Operation {
	return row(name, s.onBucket(action), func(_ context.Context, r *service.Request, _ *In) (*Out, error) {
		if _, err := s.bucket(bucketOf(r)); err != nil {
			return nil, err
		}
		if e != nil {
			return nil, e.With("BucketName", bucketOf(r))
		}
		return out, nil
	})
}

// row makes a row whose checks need the request only. Every row lets
// unsigned callers through to the checks.
func row[In, Out any](name string, checks checker, handle func(context.Context, *service.Request, *In) (*Out, error)) service.Operation {
	return rowOf(name, func(r *service.Request, _ *In) ([]service.Check, error) { return checks(r) }, handle)
}

// rowOf is row for checks that need the input too.
func rowOf[In, Out any](name string, checks func(*service.Request, *In) ([]service.Check, error), handle func(context.Context, *service.Request, *In) (*Out, error)) service.Operation {
	op := service.Op(name, checks, func(ctx context.Context, r *service.Request, in *In) (*Out, error) {
		if err := verifyDocument(name, r.Call); err != nil {
			return nil, err
		}
		return handle(ctx, r, in)
	})
	op.Anonymous = true
	return op
}

// verifyDocument compares the document in a body with the digests that the
// request gives of it. Only in CompleteMultipartUpload is the checksum one of
// something else, the object.
func verifyDocument(name string, call *wire.Call) error {
	if name == "CompleteMultipartUpload" || len(call.Body) == 0 {
		return nil
	}
	h, sum := call.HTTP.Header, md5.Sum(call.Body)
	c, err := claimed(h)
	if err != nil {
		return err
	}
	got := received{md5: sum[:]}
	if c.algorithm != "" {
		hash := algorithms[c.algorithm]()
		hash.Write(call.Body)
		got.sum = hash.Sum(nil)
	}
	return c.verify(got, h, call.HTTP.Trailer)
}

// stream makes a row that reads and writes bodies itself.
func stream(name string, checks checker, serve func(http.ResponseWriter, *http.Request, *service.Request) error) service.Operation {
	return service.Operation{
		Name:      name,
		Checks:    func(r *service.Request, _ any) ([]service.Check, error) { return checks(r) },
		Serve:     func(w http.ResponseWriter, h *http.Request, r *service.Request, _ any) error { return serve(w, h, r) },
		Anonymous: true,
	}
}
