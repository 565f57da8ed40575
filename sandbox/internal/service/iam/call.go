package iam

import (
	"context"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// call is one API call at work: the service, the transaction and the request.
// Handlers are methods of it.
type call struct {
	*IAM
	tx  *store.Tx
	req *service.Request
	// action is what a check asks permission for, "iam:" and the
	// operation's name.
	action string
}

// account is the account that the call acts in.
func (c *call) account() string { return c.req.Account() }

// now is the time of entities made by this call; IAM shows whole seconds.
func (c *call) now() time.Time { return c.req.Now.UTC().Truncate(time.Second) }

// checker names the permissions of a call.
type checker[In any] func(*call, *In) ([]service.Check, error)

// read makes a row whose handler only looks.
func read[In, Out any](s *IAM, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.View)
}

// write makes a row whose handler changes the state: all of its changes, or
// none if it returns an error.
func write[In, Out any](s *IAM, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.Update)
}

func row[In, Out any](s *IAM, name string, check checker[In], handle func(*call, *In) (*Out, error), in func(func(*store.Tx) error) error) service.Operation {
	return service.Op(name,
		func(r *service.Request, input *In) (checks []service.Check, err error) {
			err = s.store.View(func(tx *store.Tx) error {
				checks, err = check(&call{IAM: s, tx: tx, req: r, action: "iam:" + name}, input)
				return err
			})
			return checks, err
		},
		func(_ context.Context, r *service.Request, input *In) (out *Out, err error) {
			err = in(func(tx *store.Tx) error {
				out, err = handle(&call{IAM: s, tx: tx, req: r}, input)
				return err
			})
			return out, err
		})
}

// named finds the role, user or group that a parameter names.
func (c *call) named(k kind, name *string) (*entity, error) {
	if err := checkName(k, name); err != nil {
		return nil, err
	}
	e, ok := find(c.tx, c.account(), k, *name)
	if !ok {
		return nil, missing(k, *name)
	}
	return e, nil
}

// change finds an entity and returns a clone of it to change, unless it is a
// service-linked role, which only its service may change.
func (c *call) change(k kind, name *string) (*entity, error) {
	e, err := c.named(k, name)
	if err != nil {
		return nil, err
	}
	if e.Service != "" {
		return nil, unmodifiable(e.Name)
	}
	return e.clone(), nil
}

// save stores a changed entity.
func (c *call) save(e *entity) { entities.Put(c.tx, e.ID, e) }

// profile finds the instance profile that a parameter names, as a clone.
func (c *call) profile(name *string) (*profileRow, error) {
	if err := checkName(profileKind, name); err != nil {
		return nil, err
	}
	p, ok := findProfile(c.tx, c.account(), *name)
	if !ok {
		return nil, missing(profileKind, *name)
	}
	return p.clone(), nil
}
