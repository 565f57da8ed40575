package dynamodb

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

func (d *DynamoDB) updateTable(_ context.Context, r *service.Request, in *api.UpdateTableInput) (*api.UpdateTableOutput, error) {
	if in.ReplicaUpdates != nil {
		return nil, unsupported("ReplicaUpdates", "a table has one region here")
	}
	if in.MultiRegionConsistency != "" {
		return nil, unsupported("MultiRegionConsistency", "a table has one region here")
	}
	out := &api.UpdateTableOutput{}
	err := d.st.Update(func(tx *store.Tx) error {
		_, old, err := findNamed(tx, r, in.TableName)
		if err != nil {
			return err
		}
		t, err := old.modified(r, in)
		if err != nil {
			return err
		}
		t.save(tx)
		t.rebuildIndexes(tx, old)
		out.TableDescription = t.describe(tx)
		return nil
	})
	return out, err
}

// modified is the table after UpdateTable.
func (t *table) modified(r *service.Request, in *api.UpdateTableInput) (*table, error) {
	t = t.edit()
	if in.BillingMode == "" && in.ProvisionedThroughput == nil && in.GlobalSecondaryIndexUpdates == nil && in.StreamSpecification == nil &&
		in.SSESpecification == nil && in.TableClass == "" && in.DeletionProtectionEnabled == nil && in.OnDemandThroughput == nil && in.WarmThroughput == nil {
		return nil, invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	if err := t.updateBilling(r, in); err != nil {
		return nil, err
	}
	if in.StreamSpecification != nil {
		if !aws.ToBool(in.StreamSpecification.StreamEnabled) && t.Stream == nil {
			return nil, invalid("Table already has a disabled stream: TableName: %s", t.Name)
		}
		if err := t.setStream(r.Now, in.StreamSpecification); err != nil {
			return nil, err
		}
	}
	if err := t.setSSE(in.SSESpecification); err != nil {
		return nil, err
	}
	if in.TableClass != "" {
		t.Class = in.TableClass
	}
	if in.DeletionProtectionEnabled != nil {
		t.Protected = *in.DeletionProtectionEnabled
	}
	if in.OnDemandThroughput != nil {
		t.OnDemand = mergeOnDemand(t.OnDemand, in.OnDemandThroughput)
	}
	if in.WarmThroughput != nil {
		t.Warm = in.WarmThroughput
	}
	if in.AttributeDefinitions != nil {
		t.Attributes = t.mergeDefinitions(in.AttributeDefinitions)
	}
	if err := t.updateIndexes(in.GlobalSecondaryIndexUpdates); err != nil {
		return nil, err
	}
	t.dropUnusedDefinitions(in.AttributeDefinitions)
	return t, t.checkShape()
}

// updateBilling changes mode and throughput, of the indexes as well.
func (t *table) updateBilling(r *service.Request, in *api.UpdateTableInput) error {
	if in.BillingMode == "" && in.ProvisionedThroughput == nil {
		return nil
	}
	mode := in.BillingMode
	if mode == "" {
		mode = t.Billing
	}
	switched := mode != t.Billing
	p := in.ProvisionedThroughput
	if p == nil && !switched {
		p = t.Throughput
	}
	if err := t.setBilling(r.Now, mode, p); err != nil {
		return err
	}
	if switched && mode == types.BillingModePayPerRequest {
		t.Globals = slices.Clone(t.Globals)
		for i := range t.Globals {
			t.Globals[i].ProvisionedThroughput = nil
		}
	}
	return nil
}

// mergeOnDemand replaces the limits that are given; -1 takes one away.
func mergeOnDemand(old, change *types.OnDemandThroughput) *types.OnDemandThroughput {
	out := types.OnDemandThroughput{}
	if old != nil {
		out = *old
	}
	if change.MaxReadRequestUnits != nil {
		out.MaxReadRequestUnits = change.MaxReadRequestUnits
	}
	if change.MaxWriteRequestUnits != nil {
		out.MaxWriteRequestUnits = change.MaxWriteRequestUnits
	}
	return &out
}

// mergeDefinitions adds attribute definitions; those of key attributes stay.
func (t *table) mergeDefinitions(add []types.AttributeDefinition) []types.AttributeDefinition {
	out := slices.Clone(t.Attributes)
	for _, a := range add {
		if !slices.ContainsFunc(out, func(o types.AttributeDefinition) bool { return *o.AttributeName == *a.AttributeName }) {
			out = append(out, a)
		}
	}
	return out
}

// dropUnusedDefinitions forgets the attributes of indexes that are gone, as
// long as the request did not insist on them.
func (t *table) dropUnusedDefinitions(asked []types.AttributeDefinition) {
	used := map[string]bool{}
	for _, a := range t.primary().attributes() {
		used[a.name] = true
	}
	for x := range t.indexes() {
		for _, a := range x.schema.attributes() {
			used[a.name] = true
		}
	}
	t.Attributes = slices.DeleteFunc(slices.Clone(t.Attributes), func(a types.AttributeDefinition) bool {
		return !used[*a.AttributeName] && !slices.ContainsFunc(asked, func(o types.AttributeDefinition) bool { return *o.AttributeName == *a.AttributeName })
	})
}

// updateIndexes creates, changes or deletes global secondary indexes.
func (t *table) updateIndexes(updates []types.GlobalSecondaryIndexUpdate) error {
	t.Globals = slices.Clone(t.Globals)
	online := 0
	for _, u := range updates {
		switch {
		case u.Create != nil:
			online++
			c := u.Create
			if _, ok := t.index(*c.IndexName); ok {
				return invalid("Attempting to create an index which already exists")
			}
			t.Globals = append(t.Globals, types.GlobalSecondaryIndex{
				IndexName: c.IndexName, KeySchema: c.KeySchema, Projection: c.Projection,
				ProvisionedThroughput: c.ProvisionedThroughput, OnDemandThroughput: c.OnDemandThroughput, WarmThroughput: c.WarmThroughput,
			})
		case u.Update != nil:
			g := t.global(*u.Update.IndexName)
			if g == nil {
				return invalid("The table does not have the specified index: %s", *u.Update.IndexName)
			}
			if p := u.Update.ProvisionedThroughput; p != nil {
				g.ProvisionedThroughput = p
			}
			if o := u.Update.OnDemandThroughput; o != nil {
				g.OnDemandThroughput = mergeOnDemand(g.OnDemandThroughput, o)
			}
			if w := u.Update.WarmThroughput; w != nil {
				g.WarmThroughput = w
			}
		case u.Delete != nil:
			online++
			if t.global(*u.Delete.IndexName) == nil {
				return fail("ResourceNotFoundException", "Requested resource not found: Table: %s, Index: %s not found", t.Name, *u.Delete.IndexName)
			}
			t.Globals = slices.DeleteFunc(t.Globals, func(g types.GlobalSecondaryIndex) bool { return *g.IndexName == *u.Delete.IndexName })
		default:
			return badValues("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		}
	}
	if online > 1 {
		return fail("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	if len(t.Globals) == 0 {
		t.Globals = nil
	}
	return nil
}

func (t *table) global(name string) *types.GlobalSecondaryIndex {
	i := slices.IndexFunc(t.Globals, func(g types.GlobalSecondaryIndex) bool { return *g.IndexName == name })
	if i < 0 {
		return nil
	}
	return &t.Globals[i]
}

// rebuildIndexes makes the rows of indexes that old does not have, and drops
// those that only old has. Items whose attributes do not fit are left out, as
// AWS does when it backfills.
func (t *table) rebuildIndexes(tx *store.Tx, old *table) {
	for x := range old.indexes() {
		if _, ok := t.index(x.name); !ok {
			for key := range entries.Range(tx, t.indexPrefix(x.name)) {
				entries.Delete(tx, key)
			}
		}
	}
	for x := range t.indexes() {
		if _, ok := old.index(x.name); ok {
			continue
		}
		for key, it := range items.Range(tx, t.prefix()) {
			if e, ok := t.entryKey(x, it); ok && x.fits(it) {
				entries.Put(tx, e, []byte(key))
			}
		}
	}
}

// fits tells whether the item's attributes have the types of the index's
// keys.
func (x index) fits(it map[string]value) bool {
	for _, a := range x.schema.attributes() {
		v := it[a.name]
		if typeName(v) != string(a.typ) || checkKeyValue(v, maxSort, a.name) != nil {
			return false
		}
	}
	return true
}

func (d *DynamoDB) deleteTable(_ context.Context, r *service.Request, in *api.DeleteTableInput) (*api.DeleteTableOutput, error) {
	out := &api.DeleteTableOutput{}
	id := ""
	err := d.st.Update(func(tx *store.Tx) error {
		ref, t, err := findNamed(tx, r, in.TableName)
		if err != nil {
			return err
		}
		if t.Protected {
			return invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		out.TableDescription = &types.TableDescription{
			TableName: &t.Name, TableArn: new(ref.arn()), TableId: &t.ID, TableStatus: types.TableStatusDeleting,
			ItemCount: aws.Int64(0), TableSizeBytes: aws.Int64(0), ProvisionedThroughput: throughput(t.Throughput),
			DeletionProtectionEnabled: &t.Protected,
		}
		for key := range items.Range(tx, t.prefix()) {
			items.Delete(tx, key)
		}
		for key := range entries.Range(tx, t.prefix()) {
			entries.Delete(tx, key)
		}
		tables.Delete(tx, ref.key())
		id = t.ID
		return nil
	})
	d.policies.drop(id)
	return out, err
}
