package dynamodb

import (
	"hash/fnv"
	"iter"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// maxPage is how many bytes one page of a query or scan reads.
const maxPage = 1 << 20

// reading is a query or a scan.
type reading struct {
	action             string
	table, index       *string
	key                *string // KeyConditionExpression; nil for a scan
	projection, filter *string
	names              map[string]string
	values             map[string]value
	sel                types.Select
	limit              *int32
	start              map[string]value
	consistent         *bool
	consumed           types.ReturnConsumedCapacity
	backward           bool
	segment, segments  *int32

	// what compile makes of the expressions
	paths      []path
	matches    condition
	conditions map[string]keyCondition
	touched    map[string]bool
	filtered   map[string]bool // attributes of the filter
}

// compile checks what can be checked without the table.
func (q *reading) compile(d *DynamoDB) error {
	absent := "FilterExpression"
	if q.action == "Query" {
		absent = "KeyConditionExpression"
	}
	sc, err := d.newScope(q.names, q.values, q.key != nil || q.projection != nil || q.filter != nil, absent)
	if err != nil {
		return err
	}
	if q.matches, err = sc.condition("FilterExpression", q.filter); err != nil {
		return err
	}
	q.filtered = maps.Clone(sc.touched)
	if q.paths, err = sc.projection(q.projection); err != nil {
		return err
	}
	keys, err := sc.condition("KeyConditionExpression", q.key)
	if err != nil {
		return err
	}
	if err := sc.done(); err != nil {
		return err
	}
	q.touched = sc.touched
	if keys != nil {
		if q.conditions, err = keyConditions(keys); err != nil {
			return err
		}
	}
	return firstError(q.checkSelect(), q.checkSegments(), normalizeItem(q.start))
}

func (q *reading) checkSelect() error {
	switch {
	case q.sel == types.SelectSpecificAttributes && q.projection == nil:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case q.projection != nil && q.sel == types.SelectCount:
		return invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
	case q.projection != nil && q.sel != "" && q.sel != types.SelectSpecificAttributes:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", q.sel)
	case q.sel == types.SelectAllProjectedAttributes && q.index == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
	return nil
}

func (q *reading) checkSegments() error {
	switch {
	case q.segment == nil && q.segments == nil:
	case q.segments == nil:
		return invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case q.segment == nil:
		return invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *q.segment >= *q.segments:
		return invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *q.segment, *q.segments)
	}
	return nil
}

// readChecks are the permissions of a reading: of an index, if it reads one.
func (d *DynamoDB) readChecks(r *service.Request, q *reading) (checks, error) {
	if err := q.compile(d); err != nil {
		return nil, err
	}
	return d.accesses(r, func(tx *store.Tx) ([]*access, error) {
		ref, t, err := look(tx, r, q.table)
		if err != nil {
			return nil, err
		}
		a := newAccess(q.action, ref, t, q.consumed)
		maps.Copy(a.attributes, q.touched)
		if q.index != nil {
			a.index = *q.index
		}
		a.selects(q.sel, q.paths, a.index)
		if t != nil && q.conditions != nil {
			s := t.primary()
			if x, ok := t.index(a.index); ok {
				s = x.schema
			}
			if k, ok := q.conditions[s.hash.name]; ok && k.op == "=" {
				a.lead(k.low)
			}
		}
		return []*access{a}, nil
	})
}

// page is the outcome of a reading.
type page struct {
	items   []map[string]value // nil if only the count was asked for
	count   int32
	scanned int32
	last    map[string]value // LastEvaluatedKey; nil at the end
	meter   *meter
}

func (d *DynamoDB) read(r *service.Request, q *reading) (p page, err error) {
	if err := q.compile(d); err != nil {
		return p, err
	}
	err = d.st.View(func(tx *store.Tx) error {
		ref, t, err := find(tx, r, q.table)
		if err != nil {
			return err
		}
		p.meter = newMeter(ref.given)
		return q.run(tx, t, &p)
	})
	return p, err
}

// run fills a page.
func (q *reading) run(tx *store.Tx, t *table, p *page) error {
	var x *index
	s, prefix := t.primary(), t.prefix()
	if q.index != nil {
		found, ok := t.index(*q.index)
		if !ok {
			return invalid("The table does not have the specified index: %s", *q.index)
		}
		x, s, prefix = &found, found.schema, t.indexPrefix(found.name)
		if err := q.checkIndex(t, found); err != nil {
			return err
		}
	}
	rows := span{prefix: prefix}
	if q.action == "Query" {
		var err error
		if rows, err = s.span(prefix, q.conditions); err != nil {
			return err
		}
		for _, a := range s.attributes() {
			if q.filtered[a.name] {
				return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", a.name)
			}
		}
	}
	start, err := q.startKey(t, x, rows)
	if err != nil {
		return err
	}
	if q.sel != types.SelectCount {
		p.items = []map[string]value{}
	}
	bytes, fetched := 0, 0.0
	for it := range q.rows(tx, t, x, rows, start) {
		if !q.inSegment(s, it) {
			continue
		}
		seen, fetch := q.view(t, x, it)
		if fetch {
			fetched += readUnits(itemSize(it), q.isConsistent())
		}
		p.scanned++
		if x != nil {
			bytes += itemSize(t.projected(*x, it))
		} else {
			bytes += itemSize(it)
		}
		if q.matches == nil || q.matches.match(seen) {
			p.count++
			if p.items != nil {
				p.items = append(p.items, project(seen, q.paths))
			}
		}
		if q.limit != nil && p.scanned >= *q.limit || bytes >= maxPage {
			p.last = keyOf(it, t.primary(), s)
			break
		}
	}
	units := readUnits(bytes, q.isConsistent())
	if x != nil {
		p.meter.index(*x, units)
		p.meter.table += fetched
	} else {
		p.meter.table = units
	}
	return nil
}

func (q *reading) isConsistent() bool { return q.consistent != nil && *q.consistent }

// checkIndex refuses what an index cannot do.
func (q *reading) checkIndex(t *table, x index) error {
	if !x.global {
		return nil
	}
	if q.isConsistent() {
		return invalid("Consistent reads are not supported on global secondary indexes")
	}
	if x.projection.ProjectionType == types.ProjectionTypeAll {
		return nil
	}
	if q.sel == types.SelectAllAttributes {
		return badValues("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", x.name)
	}
	for _, p := range q.paths {
		if name := p[0].name; !t.primary().has(name) && !x.schema.has(name) && !slices.Contains(x.projection.NonKeyAttributes, name) {
			return badValues("Global secondary index %s does not project [%s]", x.name, name)
		}
	}
	return nil
}

// view is what a reading sees of an item, and whether a local index had to
// fetch it from the table.
func (q *reading) view(t *table, x *index, it map[string]value) (seen map[string]value, fetch bool) {
	switch {
	case x == nil || x.projection.ProjectionType == types.ProjectionTypeAll:
		return it, false
	case !x.global && (q.sel == types.SelectAllAttributes || q.paths != nil):
		return it, true
	}
	return t.projected(*x, it), false
}

// startKey is the row key of ExclusiveStartKey, "" if there is none.
func (q *reading) startKey(t *table, x *index, rows span) (string, error) {
	if q.start == nil {
		return "", nil
	}
	want := t.primary().attributes()
	if x != nil {
		want = append(want, x.schema.attributes()...)
	}
	names := map[string]bool{}
	for _, a := range want {
		if v := q.start[a.name]; typeName(v) != string(a.typ) {
			return "", errStart("The provided key element does not match the schema")
		}
		names[a.name] = true
	}
	if len(q.start) != len(names) {
		return "", errStart("The provided key element does not match the schema")
	}
	key := t.itemKey(q.start)
	if x != nil {
		key, _ = t.entryKey(*x, q.start)
	}
	if q.action == "Query" {
		if len(key) < len(rows.prefix) || key[:len(rows.prefix)] != rows.prefix || key < rows.low || rows.high != "" && key >= rows.high {
			return "", invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
	}
	s := t.primary()
	if x != nil {
		s = x.schema
	}
	if !q.inSegment(s, q.start) {
		return "", errStart("Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", *q.segments, *q.segment)
	}
	return key, nil
}

func errStart(format string, args ...any) error {
	return invalid("The provided starting key is invalid: "+format, args...)
}

// inSegment tells whether a parallel scan's segment holds an item: whole
// partitions go to one segment.
func (q *reading) inSegment(s schema, it map[string]value) bool {
	if q.segments == nil {
		return true
	}
	h := fnv.New32a()
	h.Write(appendKey(nil, it[s.hash.name]))
	return h.Sum32()%uint32(*q.segments) == uint32(*q.segment)
}

// rows yields the items of a span in order, after start.
func (q *reading) rows(tx *store.Tx, t *table, x *index, rows span, start string) iter.Seq[map[string]value] {
	forward := func(yield func(string, map[string]value) bool) {
		from := ""
		if len(rows.low) > len(rows.prefix) {
			from = rows.low[:len(rows.low)-1] // rows of exactly low are wanted
		}
		if !q.backward {
			from = max(from, start)
		}
		inside := func(key string) bool { return rows.high == "" || key < rows.high }
		if x == nil {
			for key, it := range items.After(tx, rows.prefix, from) {
				if !inside(key) || key >= rows.low && !yield(key, it) {
					return
				}
			}
			return
		}
		for key, at := range entries.After(tx, rows.prefix, from) {
			if !inside(key) {
				return
			}
			it, ok := items.Get(tx, string(at))
			if ok && key >= rows.low && !yield(key, it) {
				return
			}
		}
	}
	return func(yield func(map[string]value) bool) {
		if !q.backward {
			for _, it := range forward {
				if !yield(it) {
					return
				}
			}
			return
		}
		var all []map[string]value
		for key, it := range forward {
			if start != "" && key >= start {
				break
			}
			all = append(all, it)
		}
		for _, it := range slices.Backward(all) {
			if !yield(it) {
				return
			}
		}
	}
}
