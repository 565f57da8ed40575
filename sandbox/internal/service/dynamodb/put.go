package dynamodb

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// get reads an item by a checked key or an item that holds one; nil if there
// is none.
func (t *table) get(tx *store.Tx, key map[string]value) map[string]value {
	it, _ := items.Get(tx, t.itemKey(key))
	return it
}

// replace puts an item in the place of old, which has the same key; either
// may be nil. Indexes follow, and the meter counts.
func (t *table) replace(tx *store.Tx, old, it map[string]value, m *meter) {
	m.write = true
	m.table += writeUnits(max(itemSize(old), itemSize(it)))
	if old == nil && it == nil {
		return
	}
	key := it
	if it == nil {
		key = old
	}
	at := t.itemKey(key)
	for x := range t.indexes() {
		before, had := t.entryKey(x, old)
		after, has := t.entryKey(x, it)
		if had && (!has || before != after) {
			entries.Delete(tx, before)
			m.index(x, writeUnits(itemSize(t.projected(x, old))))
		}
		switch {
		case has && (!had || before != after):
			entries.Put(tx, after, []byte(at))
			m.index(x, writeUnits(itemSize(t.projected(x, it))))
		case has && !equalItems(t.projected(x, old), t.projected(x, it)):
			m.index(x, writeUnits(max(itemSize(t.projected(x, old)), itemSize(t.projected(x, it)))))
		}
	}
	if it == nil {
		items.Delete(tx, at)
		return
	}
	items.Put(tx, at, item(it))
}

// projected is what an index holds of an item.
func (t *table) projected(x index, it map[string]value) map[string]value {
	if x.projection.ProjectionType == types.ProjectionTypeAll {
		return it
	}
	out := keyOf(it, t.primary(), x.schema)
	for _, name := range x.projection.NonKeyAttributes {
		if v, ok := it[name]; ok {
			out[name] = v
		}
	}
	return out
}

// checkItem checks a whole item that is to be stored: keys and size.
func (t *table) checkItem(it map[string]value, tooLarge string) error {
	if err := t.primary().checkItemKey(it); err != nil {
		return err
	}
	if err := t.checkIndexKeys(it); err != nil {
		return err
	}
	if itemSize(it) > maxItem {
		return invalid("%s", tooLarge)
	}
	return nil
}

// normalizeItem checks the values of an item that a client sent.
func normalizeItem(it map[string]value) error {
	for name, v := range it {
		if name == "" {
			return badValues("The parameter 'AttributeName' must not be empty")
		}
		if err := normalize(v, 0); err != nil {
			return err
		}
	}
	return nil
}

const (
	tooLargeItem   = "Item size has exceeded the maximum allowed size"
	tooLargeUpdate = "Item size to update has exceeded the maximum allowed size"
)
