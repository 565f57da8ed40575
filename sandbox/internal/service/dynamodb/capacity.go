package dynamodb

import (
	"math"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Consumed capacity.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html

// readUnits is what reading so many bytes costs, by 4 KB; half of it for
// eventually consistent reads.
func readUnits(bytes int, consistent bool) float64 {
	n := math.Max(1, math.Ceil(float64(bytes)/4096))
	if consistent {
		return n
	}
	return n / 2
}

// writeUnits is what writing so many bytes costs, by 1 KB.
func writeUnits(bytes int) float64 { return math.Max(1, math.Ceil(float64(bytes)/1024)) }

// meter sums up the capacity that a request consumes of one table.
type meter struct {
	name    string // as the request names the table
	table   float64
	locals  map[string]float64
	globals map[string]float64
	// write tells in transactions whether units are of writes.
	write bool
}

func newMeter(name string) *meter {
	return &meter{name: name, locals: map[string]float64{}, globals: map[string]float64{}}
}

// index counts units of an index.
func (m *meter) index(x index, units float64) {
	if x.global {
		m.globals[x.name] += units
	} else {
		m.locals[x.name] += units
	}
}

// scale multiplies everything; transactions cost twice.
func (m *meter) scale(f float64) {
	m.table *= f
	for k := range m.locals {
		m.locals[k] *= f
	}
	for k := range m.globals {
		m.globals[k] *= f
	}
}

// report is the answer to ReturnConsumedCapacity, nil if it asks for none.
func (m *meter) report(want types.ReturnConsumedCapacity) *types.ConsumedCapacity {
	if want != types.ReturnConsumedCapacityTotal && want != types.ReturnConsumedCapacityIndexes {
		return nil
	}
	total := m.table
	for _, u := range m.locals {
		total += u
	}
	for _, u := range m.globals {
		total += u
	}
	out := &types.ConsumedCapacity{TableName: &m.name, CapacityUnits: &total}
	if want == types.ReturnConsumedCapacityIndexes {
		out.Table = &types.Capacity{CapacityUnits: &m.table}
		out.LocalSecondaryIndexes, out.GlobalSecondaryIndexes = capacities(m.locals), capacities(m.globals)
	}
	return out
}

// transactional reports reads or writes apart, as transactions do.
func (m *meter) transactional(want types.ReturnConsumedCapacity) *types.ConsumedCapacity {
	out := m.report(want)
	switch {
	case out == nil:
	case m.write:
		out.WriteCapacityUnits = out.CapacityUnits
		if out.Table != nil {
			out.Table.WriteCapacityUnits = out.Table.CapacityUnits
		}
	default:
		out.ReadCapacityUnits = out.CapacityUnits
		if out.Table != nil {
			out.Table.ReadCapacityUnits = out.Table.CapacityUnits
		}
	}
	return out
}

func capacities(units map[string]float64) map[string]types.Capacity {
	if len(units) == 0 {
		return nil
	}
	out := make(map[string]types.Capacity, len(units))
	for k, u := range units {
		out[k] = types.Capacity{CapacityUnits: &u}
	}
	return out
}

// meters are the meters of a request on several tables, in the order in which
// it names them.
type meters struct {
	order []*meter
	by    map[string]*meter
}

func (m *meters) of(name string) *meter {
	if m.by == nil {
		m.by = map[string]*meter{}
	}
	if m.by[name] == nil {
		m.by[name] = newMeter(name)
		m.order = append(m.order, m.by[name])
	}
	return m.by[name]
}

// collection is the answer to ReturnItemCollectionMetrics: tables without
// local secondary indexes have no item collections. A collection's size is
// told in whole GB, between 0 and 1 here.
func (t *table) collection(want types.ReturnItemCollectionMetrics, it map[string]value) *types.ItemCollectionMetrics {
	if want != types.ReturnItemCollectionMetricsSize || len(t.Locals) == 0 {
		return nil
	}
	hash := t.primary().hash.name
	return &types.ItemCollectionMetrics{ItemCollectionKey: map[string]value{hash: it[hash]}, SizeEstimateRangeGB: []float64{0, 1}}
}
