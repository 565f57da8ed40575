package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/s3"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// DefaultRegion is the region of calls whose credential scope names none.
const DefaultRegion = "us-east-1"

// Options are the choices of a sandbox. The zero value is a sandbox in
// memory.
type Options struct {
	// State is a folder in which everything survives a crash; empty keeps
	// the state in memory. The folder is made if it does not exist.
	State string
	// Now is the sandbox's clock; nil is the system's.
	Now func() time.Time
	// Log receives one line for each refused call. Nil discards.
	Log *slog.Logger
	// Trail receives a record of every call that reached a service, refused
	// ones included, in the goroutine of the call and after its answer. It
	// holds no secret. Nil keeps none.
	Trail func(Record)
	// Keys fetches the JSON Web Key Set of an OpenID Connect issuer whose
	// tokens AssumeRoleWithWebIdentity is to verify. Nil asks the issuer:
	// over https, or over http on this machine.
	Keys func(ctx context.Context, issuer string) ([]byte, error)
	// Faults are injected into calls that are otherwise in order. None by
	// default.
	Faults []Fault
}

// Server is a sandbox. It is an [http.Handler]; Serve also runs it on a
// listener.
type Server struct {
	now      func() time.Time
	log      *slog.Logger
	store    *store.Store
	blobs    *blob.Bucket
	iam      *iam.IAM
	sts      *sts.STS
	verifier sigv4.Verifier
	trail    func(Record)
	faults   faults
	keys     func(ctx context.Context, issuer string) ([]byte, error)
	services map[string]*table
}

// table is one service with its operations by name.
type table struct {
	service.Service
	model *wire.Model
	ops   map[string]service.Operation
}

// New opens a sandbox. Nothing listens until Serve is called.
func New(opt Options) (*Server, error) {
	s := &Server{now: opt.Now, log: opt.Log, trail: opt.Trail, keys: opt.Keys, services: map[string]*table{}}
	var err error
	if s.faults, err = newFaults(opt.Faults); err != nil {
		return nil, err
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(opt.State); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) open(state string) (err error) {
	if s.store, err = store.Open(state); err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	if s.blobs, err = openBlobs(state); err != nil {
		return fmt.Errorf("open objects: %w", err)
	}
	s.iam = iam.New(s.store, iam.Options{})
	if s.sts, err = sts.New(s.store, directory{s.iam}, sts.Options{Keys: s.keys}); err != nil {
		return err
	}
	objects := s3.New(s.store, s.blobs, s3.Options{
		Authorize:       s.permitted,
		PrincipalExists: s.iam.PrincipalExists,
		StorePolicy:     rewritten(s.iam.StorePrincipals),
		ShowPolicy:      rewritten(s.iam.ShowPrincipals),
	})
	// What a crash left without a row is nobody's.
	if err := objects.Sweep(context.Background()); err != nil {
		return fmt.Errorf("sweep objects: %w", err)
	}
	for _, svc := range []service.Service{s.iam, s.sts, objects} {
		model, err := wire.Load(svc.Name())
		if err != nil {
			return err
		}
		t := &table{Service: svc, model: model, ops: map[string]service.Operation{}}
		for _, op := range svc.Operations() {
			t.ops[op.Name] = op
		}
		s.services[svc.Name()] = t
	}
	return nil
}

func openBlobs(state string) (*blob.Bucket, error) {
	if state == "" {
		return memblob.OpenBucket(nil), nil
	}
	dir := filepath.Join(state, "objects")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}

// Close ends the sandbox; with a state folder everything that was
// acknowledged is already there.
func (s *Server) Close() error {
	var errs []error
	if s.blobs != nil {
		errs = append(errs, s.blobs.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// Serve answers calls on the listener until ctx ends, then lets running
// calls finish for a moment.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(last) != nil {
			srv.Close()
		}
	})
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// rewritten keeps a document as it is where it cannot be rewritten: it has
// been validated, so that only a principal that is gone is left.
func rewritten(f func([]byte) ([]byte, error)) func(string) string {
	return func(document string) string {
		out, err := f([]byte(document))
		if err != nil {
			return document
		}
		return string(out)
	}
}
