package dynamodb

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attribute is a key attribute.
type attribute struct {
	name string
	typ  types.ScalarAttributeType
}

// schema is a key schema with its types; sort.name is "" if there is no sort
// key.
type schema struct{ hash, sort attribute }

// schema resolves a key schema of the table or one of its indexes.
func (t *table) schema(keys []types.KeySchemaElement) schema {
	var s schema
	for _, k := range keys {
		a := attribute{name: *k.AttributeName}
		for _, def := range t.Attributes {
			if *def.AttributeName == a.name {
				a.typ = def.AttributeType
			}
		}
		if k.KeyType == types.KeyTypeHash {
			s.hash = a
		} else {
			s.sort = a
		}
	}
	return s
}

func (t *table) primary() schema { return t.schema(t.Keys) }

// attributes lists the schema's attributes.
func (s schema) attributes() []attribute {
	if s.sort.name == "" {
		return []attribute{s.hash}
	}
	return []attribute{s.hash, s.sort}
}

func (s schema) has(name string) bool { return name == s.hash.name || name == s.sort.name }

// index is one of a table's secondary indexes.
type index struct {
	name       string
	schema     schema
	keys       []types.KeySchemaElement
	projection *types.Projection
	global     bool
}

// index finds an index by name.
func (t *table) index(name string) (index, bool) {
	for x := range t.indexes() {
		if x.name == name {
			return x, true
		}
	}
	return index{}, false
}

// indexes yields the indexes, the local ones first.
func (t *table) indexes() func(func(index) bool) {
	return func(yield func(index) bool) {
		for _, l := range t.Locals {
			if !yield(index{*l.IndexName, t.schema(l.KeySchema), l.KeySchema, l.Projection, false}) {
				return
			}
		}
		for _, g := range t.Globals {
			if !yield(index{*g.IndexName, t.schema(g.KeySchema), g.KeySchema, g.Projection, true}) {
				return
			}
		}
	}
}

// Limits of keys, in bytes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-partition-sort-keys
const (
	maxHash = 2048
	maxSort = 1024
)

// checkKeyValue checks a value of a key attribute that has the right type.
func checkKeyValue(v value, limit int, name string) error {
	n := 1
	switch v := v.(type) {
	case *vS:
		if n = len(v.Value); n == 0 {
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
		}
	case *vB:
		if n = len(v.Value); n == 0 {
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", name)
		}
	}
	if n > limit {
		if limit == maxHash {
			return badValues("Size of hashkey has exceeded the maximum size limit of%d bytes", maxHash)
		}
		return badValues("Aggregated size of all range keys has exceeded the size limit of %d bytes", maxSort)
	}
	return nil
}

// checkKey checks a Key parameter: exactly the key attributes.
func (s schema) checkKey(key map[string]value) error {
	if len(key) != len(s.attributes()) {
		return invalid("The provided key element does not match the schema")
	}
	for _, v := range key {
		if err := normalize(v, 0); err != nil {
			return err
		}
	}
	for i, a := range s.attributes() {
		v, ok := key[a.name]
		if !ok || typeName(v) != string(a.typ) {
			return invalid("The provided key element does not match the schema")
		}
		if err := checkKeyValue(v, []int{maxHash, maxSort}[i], a.name); err != nil {
			return err
		}
	}
	return nil
}

// checkItemKey checks that an item holds the key attributes.
func (s schema) checkItemKey(it map[string]value) error {
	for i, a := range s.attributes() {
		v, ok := it[a.name]
		if !ok {
			return badValues("Missing the key %s in the item", a.name)
		}
		if typeName(v) != string(a.typ) {
			return badValues("Type mismatch for key %s expected: %s actual: %s", a.name, a.typ, typeName(v))
		}
		if err := checkKeyValue(v, []int{maxHash, maxSort}[i], a.name); err != nil {
			return err
		}
	}
	return nil
}

// checkIndexKeys checks that what an item holds of index keys can be one.
func (t *table) checkIndexKeys(it map[string]value) error {
	for x := range t.indexes() {
		for i, a := range x.schema.attributes() {
			v, ok := it[a.name]
			if !ok {
				continue
			}
			if typeName(v) != string(a.typ) {
				return badValues("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.name, a.typ, typeName(v), x.name)
			}
			if sizeOf(v) == 0 {
				return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: %s, IndexKey: %s", x.name, a.name)
			}
			if err := checkKeyValue(v, []int{maxHash, maxSort}[i], a.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keys of rows. An item's is the table's id, "/" and its key values in a form
// whose byte order is that of the values, hash key first. An index row's is
// the table's id, "/", the index's name, "/", the index's key values and then
// those of the item, so that rows of the same index key differ.

// appendKey appends a key value so that the bytes order as the values do and
// no value's form begins another's.
func appendKey(b []byte, v value) []byte {
	switch v := v.(type) {
	case *vS:
		return append(appendEscaped(b, v.Value), 0, 1)
	case *vB:
		return append(appendEscaped(b, string(v.Value)), 0, 1)
	case *vN:
		return appendNumberKey(b, v.Value)
	}
	return b
}

// appendEscaped appends a string so that the end mark 00 01 cannot be in it.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return b
}

// bytes is the key of an item that holds the schema's attributes.
func (s schema) bytes(it map[string]value) []byte {
	b := appendKey(nil, it[s.hash.name])
	if s.sort.name != "" {
		b = appendKey(b, it[s.sort.name])
	}
	return b
}

func (t *table) prefix() string { return t.ID + "/" }

func (t *table) indexPrefix(name string) string { return t.ID + "/" + name + "/" }

// itemKey is the store key of an item.
func (t *table) itemKey(it map[string]value) string {
	return t.prefix() + string(t.primary().bytes(it))
}

// entryKey is the store key of an item's row in an index; ok is false if the
// item is not in the index because it lacks one of its keys.
func (t *table) entryKey(x index, it map[string]value) (key string, ok bool) {
	for _, a := range x.schema.attributes() {
		if _, ok := it[a.name]; !ok {
			return "", false
		}
	}
	return t.indexPrefix(x.name) + string(x.schema.bytes(it)) + string(t.primary().bytes(it)), true
}

// keyOf picks the attributes of the schemas out of an item.
func keyOf(it map[string]value, schemas ...schema) map[string]value {
	key := map[string]value{}
	for _, s := range schemas {
		for _, a := range s.attributes() {
			if v, ok := it[a.name]; ok {
				key[a.name] = v
			}
		}
	}
	return key
}
