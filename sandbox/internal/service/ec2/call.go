package ec2

import (
	"context"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// call is one API call at work, in one account and region. Handlers are
// methods of it.
type call struct {
	*EC2
	tx              *store.Tx
	account, region string
	now             time.Time // whole seconds, as EC2 shows
	// op is the operation's name, "RunInstances".
	op string
	// caller is the ARN of who called; empty for the sandbox itself.
	caller string
}

func (s *EC2) call(tx *store.Tx, account, region string, now time.Time, op, caller string) *call {
	return &call{s, tx, account, region, now.UTC().Truncate(time.Second), op, caller}
}

// checker names the permissions of a call.
type checker[In any] func(*call, *In) ([]service.Check, error)

// read makes a row whose handler only looks.
func read[In, Out any](s *EC2, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.View)
}

// write makes a row whose handler changes the state: all of its changes, or
// none if it returns an error.
func write[In, Out any](s *EC2, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.Update)
}

func row[In, Out any](s *EC2, name string, check checker[In], handle func(*call, *In) (*Out, error), in func(func(*store.Tx) error) error) service.Operation {
	return service.Op(name,
		func(r *service.Request, input *In) (checks []service.Check, err error) {
			if err := s.settle(r.Account(), r.Region); err != nil {
				return nil, err
			}
			err = s.store.View(func(tx *store.Tx) error {
				checks, err = check(s.call(tx, r.Account(), r.Region, r.Now, name, r.Caller.ARN), input)
				return err
			})
			return checks, err
		},
		func(_ context.Context, r *service.Request, input *In) (out *Out, err error) {
			if err := s.settle(r.Account(), r.Region); err != nil {
				return nil, err
			}
			err = in(func(tx *store.Tx) error {
				out, err = handle(s.call(tx, r.Account(), r.Region, r.Now, name, r.Caller.ARN), input)
				if err == nil && dryRun(input) {
					// The error undoes what the handler did.
					err = wire.Fail("DryRunOperation", 412, "Request would have succeeded, but DryRun flag is set.")
				}
				return err
			})
			if err != nil {
				return nil, err
			}
			return out, nil
		})
}

// dryRun reads the parameter that nearly every operation has.
func dryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	if !f.IsValid() {
		return false
	}
	b, _ := f.Interface().(*bool)
	return aws.ToBool(b)
}

// key is where a resource of the call's account and region is stored.
func (c *call) key(id string) string { return c.scope() + id }

func (c *call) scope() string { return scope(c.account, c.region) }

func scope(account, region string) string { return account + "/" + region + "/" }

// splitKey reads account and region out of a key.
func splitKey(key string) (account, region string) {
	account, rest, _ := strings.Cut(key, "/")
	region, _, _ = strings.Cut(rest, "/")
	return account, region
}

// all lists the rows of a table in the call's account and region, by id.
func all[T any](c *call, t store.Table[T]) []T {
	var out []T
	for _, v := range t.Range(c.tx, c.scope()) {
		out = append(out, v)
	}
	return out
}

// get finds a row by id.
func get[T any](c *call, t store.Table[T], id string) (T, bool) { return t.Get(c.tx, c.key(id)) }
