package dynamodb

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Limits of batches: requests, and bytes of an answer.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const (
	maxBatchGet   = 100
	maxBatchWrite = 25
	maxBatchBytes = 16 << 20
)

func errDuplicates() error { return invalid("Provided list of item keys contains duplicates") }

// batchGetChecks asks once for each table.
func (d *DynamoDB) batchGetChecks(r *service.Request, in *api.BatchGetItemInput) (checks, error) {
	total := 0
	for _, keys := range in.RequestItems {
		if err := legacy("AttributesToGet", keys.AttributesToGet != nil, "ProjectionExpression"); err != nil {
			return nil, err
		}
		total += len(keys.Keys)
	}
	if total > maxBatchGet {
		return nil, invalid("Too many items requested for the BatchGetItem call")
	}
	return d.accesses(r, func(tx *store.Tx) (out []*access, err error) {
		for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
			keys := in.RequestItems[name]
			ref, t, err := look(tx, r, &name)
			if err != nil {
				return nil, err
			}
			a := newAccess("BatchGetItem", ref, t, in.ReturnConsumedCapacity)
			paths, touched, err := d.compileGet(nil, keys.ProjectionExpression, keys.ExpressionAttributeNames)
			if err != nil {
				return nil, err
			}
			maps.Copy(a.attributes, touched)
			a.selects("", paths, "")
			for _, key := range keys.Keys {
				if err := normalizeItem(key); err != nil {
					return nil, err
				}
				a.names(key)
				a.key(key)
			}
			out = append(out, a)
		}
		return out, nil
	})
}

func (d *DynamoDB) batchGet(_ context.Context, r *service.Request, in *api.BatchGetItemInput) (*api.BatchGetItemOutput, error) {
	out := &api.BatchGetItemOutput{Responses: map[string][]map[string]value{}, UnprocessedKeys: map[string]types.KeysAndAttributes{}}
	bytes := 0
	err := d.st.View(func(tx *store.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
			keys := in.RequestItems[name]
			_, t, err := find(tx, r, &name)
			if err != nil {
				return err
			}
			paths, _, err := d.compileGet(nil, keys.ProjectionExpression, keys.ExpressionAttributeNames)
			if err != nil {
				return err
			}
			got, seen := []map[string]value{}, map[string]bool{}
			m := newMeter(name)
			var later []map[string]value
			for _, key := range keys.Keys {
				if err := t.primary().checkKey(key); err != nil {
					return err
				}
				at := t.itemKey(key)
				if seen[at] {
					return errDuplicates()
				}
				seen[at] = true
				if bytes >= maxBatchBytes {
					later = append(later, key)
					continue
				}
				it := t.get(tx, key)
				m.table += readUnits(itemSize(it), aws.ToBool(keys.ConsistentRead))
				if it != nil {
					bytes += itemSize(it)
					got = append(got, project(it, paths))
				}
			}
			if later != nil {
				keys.Keys = later
				out.UnprocessedKeys[name] = keys
			}
			out.Responses[name] = got
			if c := m.report(in.ReturnConsumedCapacity); c != nil {
				out.ConsumedCapacity = append(out.ConsumedCapacity, *c)
			}
		}
		return nil
	})
	return out, err
}

// batchWriteChecks asks once for each table.
func (d *DynamoDB) batchWriteChecks(r *service.Request, in *api.BatchWriteItemInput) (checks, error) {
	total := 0
	for _, requests := range in.RequestItems {
		total += len(requests)
	}
	if total > maxBatchWrite {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	return d.accesses(r, func(tx *store.Tx) (out []*access, err error) {
		for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
			ref, t, err := look(tx, r, &name)
			if err != nil {
				return nil, err
			}
			a := newAccess("BatchWriteItem", ref, t, in.ReturnConsumedCapacity)
			for _, q := range in.RequestItems[name] {
				w, err := ofRequest(&name, q)
				if err != nil {
					return nil, err
				}
				if err := normalizeItem(w.subject()); err != nil {
					return nil, err
				}
				a.names(w.subject())
				a.key(w.subject())
			}
			out = append(out, a)
		}
		return out, nil
	})
}

func ofRequest(table *string, q types.WriteRequest) (*write, error) {
	switch {
	case q.PutRequest != nil && q.DeleteRequest == nil:
		return &write{kind: putKind, table: table, item: q.PutRequest.Item}, nil
	case q.DeleteRequest != nil && q.PutRequest == nil:
		return &write{kind: deleteKind, table: table, key: q.DeleteRequest.Key}, nil
	}
	return nil, invalid("A WriteRequest must contain exactly one of PutRequest and DeleteRequest")
}

// batchWrite does all writes at once, so nothing is ever left unprocessed.
func (d *DynamoDB) batchWrite(_ context.Context, r *service.Request, in *api.BatchWriteItemInput) (*api.BatchWriteItemOutput, error) {
	out := &api.BatchWriteItemOutput{UnprocessedItems: map[string][]types.WriteRequest{}}
	err := d.st.Update(func(tx *store.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
			_, t, err := find(tx, r, &name)
			if err != nil {
				return err
			}
			m, seen := newMeter(name), map[string]bool{}
			for _, q := range in.RequestItems[name] {
				w, err := ofRequest(&name, q)
				if err != nil {
					return err
				}
				if err := w.compile(d); err != nil {
					return err
				}
				if err := w.bind(t); err != nil {
					return err
				}
				at := t.itemKey(w.subject())
				if seen[at] {
					return errDuplicates()
				}
				seen[at] = true
				if _, _, err := w.run(tx, t, m); err != nil {
					return err
				}
				if c := t.collection(in.ReturnItemCollectionMetrics, w.subject()); c != nil {
					if out.ItemCollectionMetrics == nil {
						out.ItemCollectionMetrics = map[string][]types.ItemCollectionMetrics{}
					}
					out.ItemCollectionMetrics[name] = append(out.ItemCollectionMetrics[name], *c)
				}
			}
			if c := m.report(in.ReturnConsumedCapacity); c != nil {
				out.ConsumedCapacity = append(out.ConsumedCapacity, *c)
			}
		}
		return nil
	})
	return out, err
}
