package ecr

import (
	"context"
	"encoding/base64"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// call is one API call at work: the service, the transaction and the
// request. Handlers are methods of it.
type call struct {
	*ECR
	tx  *store.Tx
	req *service.Request
	// action is what a check asks permission for, "ecr:" and the
	// operation's name.
	action string
	// dropped are the bytes that nobody names any more once the call is
	// committed.
	dropped []piece
}

// now is the time that answers show: milliseconds, as ECR has them.
func (c *call) now() time.Time { return c.req.Now.UTC().Truncate(time.Millisecond) }

// checker names the permissions of a call.
type checker[In any] func(*call, *In) ([]service.Check, error)

// read makes a row whose handler only looks.
func read[In, Out any](s *ECR, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.View)
}

// write makes a row whose handler changes the state: all of its changes, or
// none if it returns an error.
func write[In, Out any](s *ECR, name string, check checker[In], handle func(*call, *In) (*Out, error)) service.Operation {
	return row(s, name, check, handle, s.store.Update)
}

func row[In, Out any](s *ECR, name string, check checker[In], handle func(*call, *In) (*Out, error), in func(func(*store.Tx) error) error) service.Operation {
	return service.Op(name,
		func(r *service.Request, input *In) (checks []service.Check, err error) {
			err = s.store.View(func(tx *store.Tx) error {
				checks, err = check(&call{ECR: s, tx: tx, req: r, action: "ecr:" + name}, input)
				return err
			})
			return checks, err
		},
		func(_ context.Context, r *service.Request, input *In) (out *Out, err error) {
			c := &call{ECR: s, req: r}
			err = in(func(tx *store.Tx) error {
				c.tx = tx
				out, err = handle(c, input)
				return err
			})
			if err == nil {
				s.drop(c.dropped)
			}
			return out, err
		})
}

// registry is the account and region that repositories are in.
type registry struct{ account, region string }

// registry reads the parameter registryId; nil is the caller's own.
func (c *call) registry(id *string) registry {
	if id != nil {
		return registry{*id, c.req.Region}
	}
	return registry{c.req.Account(), c.req.Region}
}

func (r registry) key() string { return r.account + "/" + r.region + "/" }

// host is the registry's name for docker.
func (s *ECR) host(r registry) string {
	host := r.account + ".dkr.ecr." + r.region + ".amazonaws.com"
	if strings.HasPrefix(r.region, "cn-") {
		host += ".cn"
	}
	return host
}

// repository is a repository as parameters name it, whether it exists or
// not.
type repository struct {
	registry
	name string
}

func (r repository) key() string    { return r.registry.key() + r.name }
func (r repository) images() string { return r.key() + ":" } // prefix of its images

func (s *ECR) arn(r repository) string {
	return iam.ARN{Partition: s.opt.Partition, Service: "ecr", Region: r.region, Account: r.account, Resource: "repository/" + r.name}.String()
}

// find finds the repository that a call names.
func (c *call) find(id, name *string) (repository, repositoryRow, error) {
	r := repository{c.registry(id), aws.ToString(name)}
	row, ok := repositories.Get(c.tx, r.key())
	if !ok {
		return r, row, r.missing()
	}
	return r, row, nil
}

// paginate takes a page out of a listing: from yields the rows whose key is
// greater than its argument, in key order, and keep makes the items that a
// row stands for. A row is never cut, so that a page can be a little longer
// than asked for.
func paginate[T, Item any](token *string, limit *int32, usual int, from func(after string) iter.Seq2[string, T], keep func(T) []Item) (items []Item, next *string, err error) {
	after := ""
	if t := aws.ToString(token); t != "" {
		raw, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil || len(raw) == 0 {
			return nil, nil, invalid("nextToken", "Invalid token")
		}
		after = string(raw)
	}
	if limit != nil {
		usual = int(*limit) // the model bounds it
	}
	items = []Item{}
	last := ""
	for key, row := range from(after) {
		more := keep(row)
		if len(more) == 0 {
			continue
		}
		if len(items) >= usual {
			return items, new(base64.RawURLEncoding.EncodeToString([]byte(last))), nil
		}
		items = append(items, more...)
		last = key
	}
	return items, nil, nil
}

// below yields the rows of a table under a prefix that come after a key, by
// what follows the prefix.
func below[T any](tx *store.Tx, t store.Table[T], prefix string) func(after string) iter.Seq2[string, T] {
	return func(after string) iter.Seq2[string, T] {
		return func(yield func(string, T) bool) {
			for key, row := range t.After(tx, prefix, prefix+after) {
				if !yield(key[len(prefix):], row) {
					return
				}
			}
		}
	}
}
