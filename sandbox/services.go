package sandbox

import (
	"context"
	"fmt"
	"sync"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/autoscaling"
	"github.com/mantle-iam/mantle/sandbox/internal/service/dynamodb"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ec2"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecr"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecs"
	"github.com/mantle-iam/mantle/sandbox/internal/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/s3"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// openServices makes every service over the one store, and their tables.
// What one asks of another it asks through the functions given here.
func (s *Server) openServices() (err error) {
	s.late.store = s.store
	options := iam.Options{}
	if s.late.delay > 0 {
		options.Visible = s.late.visible
	}
	s.iam = iam.New(s.store, options)
	if s.sts, err = sts.New(s.store, directory{s.iam}, sts.Options{Keys: s.keys}); err != nil {
		return err
	}
	exists, keep, show := s.iam.PrincipalExists, rewritten(s.iam.StorePrincipals), rewritten(s.iam.ShowPrincipals)
	buckets := s3.New(s.store, s.blobs, s3.Options{Authorize: s.permitted, PrincipalExists: exists, StorePolicy: keep, ShowPolicy: show})
	// What a crash left without a row is nobody's.
	if err := buckets.Sweep(context.Background(), ecr.Blobs); err != nil {
		return fmt.Errorf("sweep objects: %w", err)
	}
	s.ec2 = ec2.New(s.store, ec2.Options{Profiles: directory{s.iam}})
	s.ecs = ecs.New(s.store, ecs.Options{AssumeTaskRole: s.assumableByTask, RoleTags: directory{s.iam}.roleTags})
	s.ecr = ecr.New(s.store, ecr.Options{PrincipalExists: exists, StorePolicy: keep, ShowPolicy: show, Blobs: s.blobs})
	s.serveTables(
		s.iam, s.sts, buckets, s.ec2, s.ecs,
		autoscaling.New(s.store, s.ec2, autoscaling.Options{}),
		dynamodb.New(s.store, dynamodb.Options{PrincipalExists: exists, StorePolicy: keep, ShowPolicy: show}),
		s.ecr,
	)
	return nil
}

// serveTables makes the services answerable.
func (s *Server) serveTables(services ...service.Service) {
	for _, svc := range services {
		t := &table{Service: svc, ops: map[string]service.Operation{}}
		// Models are large (EC2's takes longer to read than all else takes to
		// start), and most sandboxes are never asked for most services.
		t.model = sync.OnceValues(func() (*wire.Model, error) {
			model, err := wire.Load(svc.Name())
			if err == nil && svc.Name() == "dynamodb" {
				model = model.With(wire.Options{Unions: dynamodb.Unions()})
			}
			return model, err
		})
		for _, op := range svc.Operations() {
			t.ops[op.Name] = op
		}
		s.services[svc.Name()] = t
	}
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
