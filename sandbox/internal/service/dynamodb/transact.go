package dynamodb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Transactions. They have no permissions of their own: each request needs the
// permission of the operation that it stands for.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html

// maxTransactionBytes is the size of all items of a transaction together.
const maxTransactionBytes = 4 << 20

func (d *DynamoDB) transactGetChecks(r *service.Request, in *api.TransactGetItemsInput) (checks, error) {
	return d.accesses(r, func(tx *store.Tx) (out []*access, err error) {
		for _, q := range in.TransactItems {
			if q.Get == nil {
				return nil, invalid("TransactItems can only contain Get")
			}
			paths, touched, err := d.compileGet(q.Get.Key, q.Get.ProjectionExpression, q.Get.ExpressionAttributeNames)
			if err != nil {
				return nil, err
			}
			ref, t, err := look(tx, r, q.Get.TableName)
			if err != nil {
				return nil, err
			}
			a := getAccess("GetItem", ref, t, q.Get.Key, paths, touched, in.ReturnConsumedCapacity)
			a.enclosing = "TransactGetItems"
			out = append(out, a)
		}
		return out, nil
	})
}

func (d *DynamoDB) transactGet(_ context.Context, r *service.Request, in *api.TransactGetItemsInput) (*api.TransactGetItemsOutput, error) {
	out := &api.TransactGetItemsOutput{}
	var ms meters
	err := d.st.View(func(tx *store.Tx) error {
		seen := map[string]bool{}
		for _, q := range in.TransactItems {
			paths, _, err := d.compileGet(q.Get.Key, q.Get.ProjectionExpression, q.Get.ExpressionAttributeNames)
			if err != nil {
				return err
			}
			ref, t, err := find(tx, r, q.Get.TableName)
			if err != nil {
				return err
			}
			if err := t.primary().checkKey(q.Get.Key); err != nil {
				return err
			}
			at := t.itemKey(q.Get.Key)
			if seen[at] {
				return errSameItem()
			}
			seen[at] = true
			it := t.get(tx, q.Get.Key)
			ms.of(ref.given).table += 2 * readUnits(itemSize(it), true)
			answer := types.ItemResponse{}
			if it != nil {
				answer.Item = project(it, paths)
			}
			out.Responses = append(out.Responses, answer)
		}
		return nil
	})
	out.ConsumedCapacity = ms.report(in.ReturnConsumedCapacity)
	return out, err
}

func (m *meters) report(want types.ReturnConsumedCapacity) (out []types.ConsumedCapacity) {
	for _, one := range m.order {
		if c := one.transactional(want); c != nil {
			out = append(out, *c)
		}
	}
	return out
}

func errSameItem() error {
	return invalid("Transaction request cannot include multiple operations on one item")
}

// ofTransact makes the write that a request of a transaction stands for.
func ofTransact(q *types.TransactWriteItem) (*write, error) {
	var out []*write
	if p := q.Put; p != nil {
		out = append(out, &write{kind: putKind, table: p.TableName, item: p.Item, condition: p.ConditionExpression,
			names: p.ExpressionAttributeNames, values: p.ExpressionAttributeValues, onFail: p.ReturnValuesOnConditionCheckFailure})
	}
	if u := q.Update; u != nil {
		out = append(out, &write{kind: updateKind, table: u.TableName, key: u.Key, condition: u.ConditionExpression, update: u.UpdateExpression,
			names: u.ExpressionAttributeNames, values: u.ExpressionAttributeValues, onFail: u.ReturnValuesOnConditionCheckFailure})
	}
	if x := q.Delete; x != nil {
		out = append(out, &write{kind: deleteKind, table: x.TableName, key: x.Key, condition: x.ConditionExpression,
			names: x.ExpressionAttributeNames, values: x.ExpressionAttributeValues, onFail: x.ReturnValuesOnConditionCheckFailure})
	}
	if c := q.ConditionCheck; c != nil {
		out = append(out, &write{kind: checkKind, table: c.TableName, key: c.Key, condition: c.ConditionExpression,
			names: c.ExpressionAttributeNames, values: c.ExpressionAttributeValues, onFail: c.ReturnValuesOnConditionCheckFailure})
	}
	if len(out) != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return out[0], nil
}

// ofTransaction makes and compiles all writes of a transaction.
func (d *DynamoDB) ofTransaction(in *api.TransactWriteItemsInput) ([]*write, error) {
	var out []*write
	for i := range in.TransactItems {
		w, err := ofTransact(&in.TransactItems[i])
		if err != nil {
			return nil, err
		}
		if err := w.compile(d); err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func (d *DynamoDB) transactWriteChecks(r *service.Request, in *api.TransactWriteItemsInput) (checks, error) {
	writes, err := d.ofTransaction(in)
	if err != nil {
		return nil, err
	}
	return d.accesses(r, func(tx *store.Tx) (out []*access, err error) {
		for _, w := range writes {
			ref, t, err := look(tx, r, w.table)
			if err != nil {
				return nil, err
			}
			a := w.access(ref, t, in.ReturnConsumedCapacity, "")
			a.enclosing = "TransactWriteItems"
			out = append(out, a)
		}
		return out, nil
	})
}

func (d *DynamoDB) transactWrite(_ context.Context, r *service.Request, in *api.TransactWriteItemsInput) (*api.TransactWriteItemsOutput, error) {
	writes, err := d.ofTransaction(in)
	if err != nil {
		return nil, err
	}
	out := &api.TransactWriteItemsOutput{}
	var ms meters
	err = d.st.Update(func(tx *store.Tx) error {
		again, err := repeated(tx, r, in, writes)
		if err != nil {
			return err
		}
		found, err := locate(tx, r, writes)
		if err != nil {
			return err
		}
		if again {
			for i, w := range writes {
				ms.of(found[i].ref.given).table += 2 * readUnits(itemSize(found[i].table.get(tx, w.subject())), true)
			}
			return nil
		}
		reasons, failed, bytes := make([]reason, len(writes)), false, 0
		for i, w := range writes {
			t := found[i].table
			m := ms.of(found[i].ref.given)
			err := w.bind(t)
			var old, it map[string]value
			if err == nil {
				old, it, err = w.run(tx, t, m)
				bytes += max(itemSize(old), itemSize(it))
			}
			if err != nil {
				failed = true
				if reasons[i], err = why(err); err != nil {
					return err
				}
			}
			if c := t.collection(in.ReturnItemCollectionMetrics, w.subject()); c != nil {
				if out.ItemCollectionMetrics == nil {
					out.ItemCollectionMetrics = map[string][]types.ItemCollectionMetrics{}
				}
				name := found[i].ref.given
				out.ItemCollectionMetrics[name] = append(out.ItemCollectionMetrics[name], *c)
			}
		}
		switch {
		case failed:
			return cancelled(reasons)
		case bytes > maxTransactionBytes:
			return invalid("Collection size of TransactItems exceeds the limit of %d bytes", maxTransactionBytes)
		}
		for _, m := range ms.order {
			m.scale(2)
		}
		return nil
	})
	out.ConsumedCapacity = ms.report(in.ReturnConsumedCapacity)
	return out, err
}

type located struct {
	ref   ref
	table *table
}

// locate finds the tables of the writes, and refuses two writes of one item.
func locate(tx *store.Tx, r *service.Request, writes []*write) ([]located, error) {
	out := make([]located, len(writes))
	seen := map[string]bool{}
	for i, w := range writes {
		var err error
		if out[i].ref, out[i].table, err = find(tx, r, w.table); err != nil {
			return nil, err
		}
		at := out[i].table.itemKey(w.subject())
		if seen[at] {
			return nil, errSameItem()
		}
		seen[at] = true
	}
	return out, nil
}

// why words the error of one write as a reason; an error of the sandbox
// itself is returned.
func why(err error) (reason, error) {
	out := reason{}
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		return out, err
	}
	for _, m := range e.Members {
		if m.Name == "Item" {
			if err := json.Unmarshal(m.Value, &out.Item); err != nil {
				return out, fmt.Errorf("read the item of a failed condition: %w", err)
			}
		}
	}
	out.Code, out.Message = strings.TrimSuffix(e.Code, "Exception"), e.Message
	if e.Code == "ValidationException" {
		out.Code = "ValidationError"
	}
	return out, nil
}

// tokenLife is how long a ClientRequestToken makes a transaction idempotent.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const tokenLife = 10 * time.Minute

// token is a transaction that was done.
type token struct {
	Hash [sha256.Size]byte
	At   time.Time
}

var (
	// tokens holds transactions by account, region and token.
	tokens = store.NewTable[token]("dynamodb.token")
	// tokenAges holds the keys of tokens in the order of their age.
	tokenAges = store.NewTable[string]("dynamodb.token.age")
)

// repeated tells whether the transaction was done before, and notes it if
// not. Tokens that are over are dropped.
func repeated(tx *store.Tx, r *service.Request, in *api.TransactWriteItemsInput, writes []*write) (bool, error) {
	for age, key := range tokenAges.Range(tx, "") {
		t, ok := tokens.Get(tx, key)
		if ok && r.Now.Sub(t.At) < tokenLife {
			break
		}
		tokens.Delete(tx, key)
		tokenAges.Delete(tx, age)
	}
	if in.ClientRequestToken == nil {
		return false, nil
	}
	hash, err := fingerprint(writes)
	if err != nil {
		return false, err
	}
	key := r.Account() + "/" + r.Region + "/" + *in.ClientRequestToken
	if t, ok := tokens.Get(tx, key); ok {
		if t.Hash != hash {
			return false, fail("IdempotentParameterMismatchException", "Request parameters do not match those of an earlier request with the same ClientRequestToken")
		}
		return true, nil
	}
	tokens.Put(tx, key, token{hash, r.Now})
	tokenAges.Put(tx, fmt.Sprintf("%020d/%s", r.Now.UnixNano(), key), key)
	return false, nil
}

// fingerprint is a hash of everything that makes up the writes.
func fingerprint(writes []*write) (sum [sha256.Size]byte, err error) {
	type flat struct {
		Kind              writeKind
		Table             *string
		Item, Key, Values item
		Condition, Update *string
		Names             map[string]string
	}
	all := make([]flat, len(writes))
	for i, w := range writes {
		all[i] = flat{w.kind, w.table, w.item, w.key, w.values, w.condition, w.update, w.names}
	}
	text, err := json.Marshal(all)
	return sha256.Sum256(text), err
}
