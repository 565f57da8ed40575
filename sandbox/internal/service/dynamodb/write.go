package dynamodb

import (
	"context"
	"maps"

	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// writeKind is what a write does; its name is the action that it needs.
type writeKind string

const (
	putKind    writeKind = "PutItem"
	updateKind writeKind = "UpdateItem"
	deleteKind writeKind = "DeleteItem"
	checkKind  writeKind = "ConditionCheckItem"
)

// write is one write of an item, alone or in a transaction.
type write struct {
	kind  writeKind
	table *string
	// item is the whole item of a put, key the key of others.
	item, key map[string]value
	condition *string
	update    *string
	names     map[string]string
	values    map[string]value
	onFail    types.ReturnValuesOnConditionCheckFailure

	// what compile makes of the expressions
	cond    condition
	upd     *update
	touched map[string]bool
}

// subject is the item or the key.
func (w *write) subject() map[string]value {
	if w.kind == putKind {
		return w.item
	}
	return w.key
}

// compile checks what can be checked without the table.
func (w *write) compile(d *DynamoDB) error {
	absent := "ConditionExpression"
	if w.kind == updateKind {
		absent = "UpdateExpression"
	}
	sc, err := d.newScope(w.names, w.values, w.condition != nil || w.update != nil, absent)
	if err != nil {
		return err
	}
	if w.upd, err = sc.update(w.update); err != nil {
		return err
	}
	if w.cond, err = sc.condition("ConditionExpression", w.condition); err != nil {
		return err
	}
	if err := sc.done(); err != nil {
		return err
	}
	w.touched = sc.touched
	return normalizeItem(w.subject())
}

// access is what the write tells policies. t is nil if there is no table.
func (w *write) access(ref ref, t *table, consumed types.ReturnConsumedCapacity, returns types.ReturnValue) *access {
	a := newAccess(string(w.kind), ref, t, consumed)
	a.names(w.subject())
	maps.Copy(a.attributes, w.touched)
	a.key(w.subject())
	a.writes(returns)
	return a
}

// bind checks the write against its table.
func (w *write) bind(t *table) error {
	if w.kind == putKind {
		return t.checkItem(w.item, tooLargeItem)
	}
	if err := t.primary().checkKey(w.key); err != nil {
		return err
	}
	for _, p := range w.upd.paths {
		if t.primary().has(p[0].name) {
			return badValues("Cannot update attribute %s. This attribute is part of the key", p[0].name)
		}
	}
	return nil
}

// run does the write and returns the item before and after it.
func (w *write) run(tx *store.Tx, t *table, m *meter) (old, it map[string]value, err error) {
	old = t.get(tx, w.subject())
	if w.cond != nil && !w.cond.match(old) {
		return old, nil, conditionFailedOn(old, w.onFail)
	}
	switch w.kind {
	case putKind:
		it = w.item
	case updateKind:
		if it, err = w.updated(t, old); err != nil {
			return old, nil, err
		}
	case checkKind:
		m.write = true
		m.table += writeUnits(itemSize(old))
		return old, old, nil
	}
	t.replace(tx, old, it, m)
	return old, it, nil
}

// updated is the item after an update; a missing item begins as its key.
func (w *write) updated(t *table, old map[string]value) (map[string]value, error) {
	if old == nil {
		old = w.key
	}
	it, err := w.upd.apply(old)
	if err != nil {
		return nil, err
	}
	for x := range t.indexes() {
		for _, a := range x.schema.attributes() {
			if v, ok := it[a.name]; ok && typeName(v) != string(a.typ) {
				return nil, badValues("The update expression attempted to update the secondary index key to unsupported type")
			}
		}
	}
	for _, v := range it {
		if depth(v) > maxDepth {
			return nil, invalid("Nesting Levels have exceeded supported limits")
		}
	}
	return it, t.checkItem(it, tooLargeUpdate)
}

// depth counts the levels of lists and maps.
func depth(v value) int {
	n := 0
	switch v := v.(type) {
	case *vL:
		for _, e := range v.Value {
			n = max(n, depth(e)+1)
		}
	case *vM:
		for _, e := range v.Value {
			n = max(n, depth(e)+1)
		}
	}
	return n
}

// writeChecks are the permissions of a single write.
func (d *DynamoDB) writeChecks(r *service.Request, w *write, consumed types.ReturnConsumedCapacity, returns types.ReturnValue) (checks, error) {
	if err := w.compile(d); err != nil {
		return nil, err
	}
	return d.accesses(r, func(tx *store.Tx) ([]*access, error) {
		ref, t, err := look(tx, r, w.table)
		return []*access{w.access(ref, t, consumed, returns)}, err
	})
}

// written is the outcome of a single write.
type written struct {
	ref      ref
	table    *table
	old, new map[string]value
	meter    *meter
}

func (d *DynamoDB) write(r *service.Request, w *write) (*written, error) {
	if err := w.compile(d); err != nil {
		return nil, err
	}
	var out written
	err := d.st.Update(func(tx *store.Tx) (err error) {
		if out.ref, out.table, err = find(tx, r, w.table); err != nil {
			return err
		}
		if err := w.bind(out.table); err != nil {
			return err
		}
		out.meter = newMeter(out.ref.given)
		out.old, out.new, err = w.run(tx, out.table, out.meter)
		return err
	})
	return &out, err
}

func ofPut(in *api.PutItemInput) *write {
	return &write{kind: putKind, table: in.TableName, item: in.Item, condition: in.ConditionExpression,
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, onFail: in.ReturnValuesOnConditionCheckFailure}
}

func ofUpdate(in *api.UpdateItemInput) *write {
	return &write{kind: updateKind, table: in.TableName, key: in.Key, condition: in.ConditionExpression, update: in.UpdateExpression,
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, onFail: in.ReturnValuesOnConditionCheckFailure}
}

func ofDelete(in *api.DeleteItemInput) *write {
	return &write{kind: deleteKind, table: in.TableName, key: in.Key, condition: in.ConditionExpression,
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, onFail: in.ReturnValuesOnConditionCheckFailure}
}

// legacy refuses the conditional parameters of before 2014.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
func legacy(parameter string, given bool, instead string) error {
	if given {
		return unsupported(parameter, "use "+instead)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func legacyWrite(expected map[string]types.ExpectedAttributeValue, operator types.ConditionalOperator) error {
	return firstError(
		legacy("Expected", expected != nil, "ConditionExpression"),
		legacy("ConditionalOperator", operator != "", "AND and OR in ConditionExpression"))
}

func allOldOrNone(v types.ReturnValue) error {
	if v != "" && v != types.ReturnValueNone && v != types.ReturnValueAllOld {
		return invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

func (d *DynamoDB) putItemChecks(r *service.Request, in *api.PutItemInput) (checks, error) {
	if err := firstError(legacyWrite(in.Expected, in.ConditionalOperator), allOldOrNone(in.ReturnValues)); err != nil {
		return nil, err
	}
	return d.writeChecks(r, ofPut(in), in.ReturnConsumedCapacity, in.ReturnValues)
}

func (d *DynamoDB) putItem(_ context.Context, r *service.Request, in *api.PutItemInput) (*api.PutItemOutput, error) {
	w, err := d.write(r, ofPut(in))
	if err != nil {
		return nil, err
	}
	out := &api.PutItemOutput{ConsumedCapacity: w.meter.report(in.ReturnConsumedCapacity), ItemCollectionMetrics: w.table.collection(in.ReturnItemCollectionMetrics, in.Item)}
	if in.ReturnValues == types.ReturnValueAllOld {
		out.Attributes = w.old
	}
	return out, nil
}

func (d *DynamoDB) deleteItemChecks(r *service.Request, in *api.DeleteItemInput) (checks, error) {
	if err := firstError(legacyWrite(in.Expected, in.ConditionalOperator), allOldOrNone(in.ReturnValues)); err != nil {
		return nil, err
	}
	return d.writeChecks(r, ofDelete(in), in.ReturnConsumedCapacity, in.ReturnValues)
}

func (d *DynamoDB) deleteItem(_ context.Context, r *service.Request, in *api.DeleteItemInput) (*api.DeleteItemOutput, error) {
	w, err := d.write(r, ofDelete(in))
	if err != nil {
		return nil, err
	}
	out := &api.DeleteItemOutput{ConsumedCapacity: w.meter.report(in.ReturnConsumedCapacity), ItemCollectionMetrics: w.table.collection(in.ReturnItemCollectionMetrics, in.Key)}
	if in.ReturnValues == types.ReturnValueAllOld {
		out.Attributes = w.old
	}
	return out, nil
}

func (d *DynamoDB) updateItemChecks(r *service.Request, in *api.UpdateItemInput) (checks, error) {
	if err := firstError(legacy("AttributeUpdates", in.AttributeUpdates != nil, "UpdateExpression"), legacyWrite(in.Expected, in.ConditionalOperator)); err != nil {
		return nil, err
	}
	return d.writeChecks(r, ofUpdate(in), in.ReturnConsumedCapacity, in.ReturnValues)
}

func (d *DynamoDB) updateItem(_ context.Context, r *service.Request, in *api.UpdateItemInput) (*api.UpdateItemOutput, error) {
	u := ofUpdate(in)
	w, err := d.write(r, u)
	if err != nil {
		return nil, err
	}
	out := &api.UpdateItemOutput{ConsumedCapacity: w.meter.report(in.ReturnConsumedCapacity), ItemCollectionMetrics: w.table.collection(in.ReturnItemCollectionMetrics, in.Key)}
	paths := u.upd.paths
	if paths == nil {
		paths = []path{} // nothing was updated
	}
	switch in.ReturnValues {
	case types.ReturnValueAllOld:
		out.Attributes = w.old
	case types.ReturnValueAllNew:
		out.Attributes = w.new
	case types.ReturnValueUpdatedOld:
		out.Attributes = present(project(w.old, paths))
	case types.ReturnValueUpdatedNew:
		out.Attributes = present(project(w.new, paths))
	}
	return out, nil
}

// present leaves an empty answer out.
func present(it map[string]value) map[string]value {
	if len(it) == 0 {
		return nil
	}
	return it
}

// compileGet checks the expressions of a GetItem.
func (d *DynamoDB) compileGet(key map[string]value, projection *string, names map[string]string) (paths []path, touched map[string]bool, err error) {
	sc, err := d.newScope(names, nil, projection != nil, "")
	if err != nil {
		return nil, nil, err
	}
	if paths, err = sc.projection(projection); err != nil {
		return nil, nil, err
	}
	if err := sc.done(); err != nil {
		return nil, nil, err
	}
	return paths, sc.touched, normalizeItem(key)
}

// getAccess is what a GetItem tells policies.
func getAccess(action string, ref ref, t *table, key map[string]value, paths []path, touched map[string]bool, consumed types.ReturnConsumedCapacity) *access {
	a := newAccess(action, ref, t, consumed)
	a.names(key)
	maps.Copy(a.attributes, touched)
	a.key(key)
	a.selects("", paths, "")
	return a
}

func (d *DynamoDB) getItemChecks(r *service.Request, in *api.GetItemInput) (checks, error) {
	if err := legacy("AttributesToGet", in.AttributesToGet != nil, "ProjectionExpression"); err != nil {
		return nil, err
	}
	paths, touched, err := d.compileGet(in.Key, in.ProjectionExpression, in.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	return d.accesses(r, func(tx *store.Tx) ([]*access, error) {
		ref, t, err := look(tx, r, in.TableName)
		return []*access{getAccess("GetItem", ref, t, in.Key, paths, touched, in.ReturnConsumedCapacity)}, err
	})
}

func (d *DynamoDB) getItem(_ context.Context, r *service.Request, in *api.GetItemInput) (*api.GetItemOutput, error) {
	paths, _, err := d.compileGet(in.Key, in.ProjectionExpression, in.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	out := &api.GetItemOutput{}
	err = d.st.View(func(tx *store.Tx) error {
		ref, t, err := find(tx, r, in.TableName)
		if err != nil {
			return err
		}
		if err := t.primary().checkKey(in.Key); err != nil {
			return err
		}
		it := t.get(tx, in.Key)
		if it != nil {
			out.Item = project(it, paths)
		}
		m := newMeter(ref.given)
		m.table = readUnits(itemSize(it), in.ConsistentRead != nil && *in.ConsistentRead)
		out.ConsumedCapacity = m.report(in.ReturnConsumedCapacity)
		return nil
	})
	return out, err
}
