package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/internal/sigv4"
	"github.com/mantle-iam/mantle/sandbox/internal/objects"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ec2"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecr"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecs"
	"github.com/mantle-iam/mantle/sandbox/internal/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// DefaultRegion is the region of calls whose credential scope names none.
const DefaultRegion = "us-east-1"

// maxAge is how far a look at a shared state outside a call may be behind. A
// call is not behind: it asks once at its start (authenticate.go).
const maxAge = time.Second

// ErrUnreachable is the error of a state in a database that does not answer.
var ErrUnreachable = store.ErrUnreachable

// Options are the choices of a sandbox. The zero value is a sandbox in
// memory.
type Options struct {
	// State is a folder in which everything survives a crash; empty keeps
	// the state in memory. The folder is made if it does not exist.
	//
	// A postgres:// address is a PostgreSQL database instead, which any
	// number of sandboxes may have as their state at the same time: they are
	// then one AWS behind several addresses. Its tables are made if they do
	// not exist.
	State string
	// Now is the clock of the world outside; nil is the system's. The
	// sandbox's own goes with it until it is moved (Advance, SetClock).
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
	// Propagation is how long changes of IAM take to count, as they take
	// some seconds on AWS: what was changed reads back at once, but keys,
	// policies and trust are judged by the state of that long ago. What is
	// there when the sandbox starts, and what AddAccount and Load bring,
	// counts at once. With a PostgreSQL state, changes that other processes
	// make count from when this one first hears of them. Zero is at once.
	Propagation time.Duration
	// Faults are injected into calls that are otherwise in order. None by
	// default.
	Faults []Fault
}

// Server is a sandbox. It is an [http.Handler]; Serve also runs it on a
// listener.
type Server struct {
	clock    clock
	log      *slog.Logger
	store    *store.Store
	blobs    *blob.Bucket
	iam      *iam.IAM
	sts      *sts.STS
	ec2      *ec2.EC2
	ecs      *ecs.ECS
	ecr      *ecr.ECR
	verifier sigv4.Verifier
	trail    func(Record)
	faults   faults
	late     propagation
	keys     func(ctx context.Context, issuer string) ([]byte, error)
	services map[string]*table
}

// table is one service with its operations by name.
type table struct {
	service.Service
	model func() (*wire.Model, error) // read on first use
	ops   map[string]service.Operation
}

// New opens a sandbox. Nothing listens until Serve is called.
func New(opt Options) (*Server, error) {
	s := &Server{clock: clock{outside: opt.Now}, log: opt.Log, trail: opt.Trail, keys: opt.Keys, services: map[string]*table{}}
	var err error
	if s.faults, err = newFaults(opt.Faults); err != nil {
		return nil, err
	}
	if s.clock.outside == nil {
		s.clock.outside = time.Now
	}
	s.late.delay, s.late.now = opt.Propagation, s.clock.now
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(opt.State); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) open(state string) (err error) {
	if s.store, err = store.OpenOptions(state, store.Options{MaxAge: maxAge}); err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	if s.blobs, err = objects.Open(state); err != nil {
		return fmt.Errorf("open objects: %w", err)
	}
	if err := s.openServices(); err != nil {
		return err
	}
	s.late.settle()
	return nil
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
