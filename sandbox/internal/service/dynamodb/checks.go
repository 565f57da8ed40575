package dynamodb

import (
	"encoding/base64"
	"maps"
	"slices"

	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// The permissions of the API: "Actions, resources, and condition keys for
// Amazon DynamoDB",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html,
// and the condition keys of item operations,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html.
// A table that does not exist is checked at the ARN it would have; only who
// may ask learns that it is missing.

type (
	listTablesInput     = api.ListTablesInput
	describeLimitsInput = api.DescribeLimitsInput
)

// The tables that the inputs name.
func nameOfDescribe(in *api.DescribeTableInput) *string                    { return in.TableName }
func nameOfUpdate(in *api.UpdateTableInput) *string                        { return in.TableName }
func nameOfDelete(in *api.DeleteTableInput) *string                        { return in.TableName }
func nameOfDescribeTTL(in *api.DescribeTimeToLiveInput) *string            { return in.TableName }
func nameOfUpdateTTL(in *api.UpdateTimeToLiveInput) *string                { return in.TableName }
func nameOfDescribeBackups(in *api.DescribeContinuousBackupsInput) *string { return in.TableName }
func nameOfUpdateBackups(in *api.UpdateContinuousBackupsInput) *string     { return in.TableName }

// checks is what Operation.Checks is made of.
type checks = []service.Check

// onAccount checks an action without resource-level permissions.
func onAccount[In any](action string, _ In) func(*service.Request, *In) (checks, error) {
	return func(*service.Request, *In) (checks, error) {
		return checks{{Action: "dynamodb:" + action, Resource: "*"}}, nil
	}
}

// onTable checks an action on the table that a parameter names.
func onTable[In any](d *DynamoDB, action string, name func(*In) *string) func(*service.Request, *In) (checks, error) {
	return func(r *service.Request, in *In) (checks, error) {
		return d.one(r, action, name(in))
	}
}

// one is the check of an action on one table.
func (d *DynamoDB) one(r *service.Request, action string, name *string, keys ...service.KV) (out checks, err error) {
	ref, err := refOf(r, name)
	if err != nil {
		return nil, err
	}
	err = d.st.View(func(tx *store.Tx) error {
		t, _ := tables.Get(tx, ref.key())
		c, err := d.check(action, ref, t, "", keys...)
		out = checks{c}
		return err
	})
	return out, err
}

// check is the check of an action on a table, or on one of its indexes. t is
// nil if there is no such table.
func (d *DynamoDB) check(action string, ref ref, t *table, index string, keys ...service.KV) (service.Check, error) {
	c := service.Check{Action: "dynamodb:" + action, Resource: ref.arn(), Owner: ref.account, Context: keys}
	if index != "" {
		c.Resource = ref.indexARN(index)
	}
	if t == nil {
		return c, nil
	}
	for _, tag := range t.Tags {
		c.Context = append(c.Context, kv("aws:ResourceTag/"+*tag.Key, *tag.Value))
	}
	var err error
	c.Policy, err = d.policies.get(t)
	return c, err
}

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

// requestTags are the keys that the tags of a request add.
func requestTags(tags []types.Tag) []service.KV {
	var out []service.KV
	var all []string
	for _, t := range tags {
		if t.Key != nil && t.Value != nil {
			out = append(out, kv("aws:RequestTag/"+*t.Key, *t.Value))
			all = append(all, *t.Key)
		}
	}
	return append(out, tagKeys(all)...)
}

func tagKeys(keys []string) []service.KV {
	if len(keys) == 0 {
		return nil
	}
	return []service.KV{kv("aws:TagKeys", keys...)}
}

// access collects what an item operation tells policies about itself.
type access struct {
	action string
	ref    ref
	table  *table // nil if there is none
	index  string
	// leading are the partition key values that the request names.
	leading map[string]bool
	// attributes are the top-level attributes that it names.
	attributes map[string]bool
	sel        string // Select
	returns    string // ReturnValues
	consumed   string // ReturnConsumedCapacity
	enclosing  string // EnclosingOperation
}

func newAccess(action string, ref ref, t *table, consumed types.ReturnConsumedCapacity) *access {
	a := &access{action: action, ref: ref, table: t, leading: map[string]bool{}, attributes: map[string]bool{}, consumed: string(consumed)}
	if a.consumed == "" {
		a.consumed = string(types.ReturnConsumedCapacityNone)
	}
	return a
}

// names notes the attributes of a key or an item.
func (a *access) names(it map[string]value) {
	for k := range it {
		a.attributes[k] = true
	}
}

// key notes the partition key value in a key or an item.
func (a *access) key(it map[string]value) {
	if a.table == nil {
		return
	}
	if v, ok := it[a.table.primary().hash.name]; ok {
		a.lead(v)
	}
}

// lead notes a partition key value, as policies write it.
func (a *access) lead(v value) {
	switch v := v.(type) {
	case *vS:
		a.leading[v.Value] = true
	case *vN:
		a.leading[v.Value] = true
	case *vB:
		a.leading[base64.StdEncoding.EncodeToString(v.Value)] = true
	}
}

// selects notes what a read returns. paths are those of its projection.
func (a *access) selects(s types.Select, paths []path, index string) {
	switch {
	case s != "":
	case paths != nil:
		s = types.SelectSpecificAttributes
	case index != "":
		s = types.SelectAllProjectedAttributes
	default:
		s = types.SelectAllAttributes
	}
	a.sel = string(s)
}

// writes notes ReturnValues.
func (a *access) writes(v types.ReturnValue) {
	if a.returns = string(v); v == "" {
		a.returns = string(types.ReturnValueNone)
	}
}

// check is the permission that the access needs.
func (a *access) check(d *DynamoDB) (service.Check, error) {
	keys := []service.KV{kv("dynamodb:ReturnConsumedCapacity", a.consumed)}
	if len(a.leading) > 0 {
		keys = append(keys, kv("dynamodb:LeadingKeys", slices.Sorted(maps.Keys(a.leading))...))
	}
	if len(a.attributes) > 0 {
		keys = append(keys, kv("dynamodb:Attributes", slices.Sorted(maps.Keys(a.attributes))...))
	}
	for _, k := range []service.KV{kv("dynamodb:Select", a.sel), kv("dynamodb:ReturnValues", a.returns), kv("dynamodb:EnclosingOperation", a.enclosing)} {
		if k.Values[0] != "" {
			keys = append(keys, k)
		}
	}
	return d.check(a.action, a.ref, a.table, a.index, keys...)
}

// accesses has fn make the accesses of an operation, and turns them into
// checks.
func (d *DynamoDB) accesses(r *service.Request, fn func(*store.Tx) ([]*access, error)) (out checks, err error) {
	err = d.st.View(func(tx *store.Tx) error {
		all, err := fn(tx)
		if err != nil {
			return err
		}
		for _, a := range all {
			c, err := a.check(d)
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// look finds the table that a parameter names; t is nil if there is none.
func look(tx *store.Tx, r *service.Request, name *string) (ref ref, t *table, err error) {
	if ref, err = refOf(r, name); err != nil {
		return ref, nil, err
	}
	t, _ = tables.Get(tx, ref.key())
	return ref, t, nil
}

// find is look for handlers of operations on items.
func find(tx *store.Tx, r *service.Request, name *string) (ref, *table, error) {
	ref, t, err := look(tx, r, name)
	if err == nil && t == nil {
		err = noTable()
	}
	return ref, t, err
}

// findNamed is look for handlers of operations on tables.
func findNamed(tx *store.Tx, r *service.Request, name *string) (ref, *table, error) {
	ref, t, err := look(tx, r, name)
	if err == nil && t == nil {
		err = noTableNamed(ref.name)
	}
	return ref, t, err
}
