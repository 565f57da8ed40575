package ecs

import (
	"context"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// call is one API call at work: the service, the transaction and the
// request. Handlers are methods of it.
type call struct {
	*ECS
	tx  *store.Tx
	req *service.Request
	// action is what a check asks permission for, "ecs:" and the
	// operation's name.
	action string
}

func (c *call) account() string { return c.req.Account() }

// now is the time that answers show: milliseconds, as ECS has them.
func (c *call) now() time.Time { return c.req.Now.UTC().Truncate(time.Millisecond) }

// checker names the permissions of a call.
type checker[In any] func(*call, *In) ([]service.Check, error)

// read makes a row whose handler only looks.
func read[In, Out any](s *ECS, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.View)
}

// write makes a row whose handler changes the state: all of its changes, or
// none if it returns an error.
func write[In, Out any](s *ECS, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.Update)
}

func row[In, Out any](s *ECS, name string, check checker[In], handle func(*call, *In) (*Out, error), in func(func(*store.Tx) error) error) service.Operation {
	return service.Op(name,
		func(r *service.Request, input *In) (checks []service.Check, err error) {
			err = s.store.View(func(tx *store.Tx) error {
				checks, err = check(&call{ECS: s, tx: tx, req: r, action: "ecs:" + name}, input)
				return err
			})
			return checks, err
		},
		func(_ context.Context, r *service.Request, input *In) (out *Out, err error) {
			err = in(func(tx *store.Tx) error {
				out, err = handle(&call{ECS: s, tx: tx, req: r}, input)
				return err
			})
			return out, err
		})
}
