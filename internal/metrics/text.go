package metrics

import (
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// contentType is that of Prometheus's text format,
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

const (
	counter       = "counter"
	gauge         = "gauge"
	histogramKind = "histogram"
)

// page appends families of series, and to each its samples.
type page struct {
	b    []byte
	name string // of the family that was begun last
}

// family begins a family.
func (p *page) family(name, kind, help string) {
	p.name = name
	p.b = append(p.b, "# HELP "+name+" "...)
	for _, c := range []byte(help) {
		switch c {
		case '\\':
			p.b = append(p.b, `\\`...)
		case '\n':
			p.b = append(p.b, `\n`...)
		default:
			p.b = append(p.b, c)
		}
	}
	p.b = append(p.b, "\n# TYPE "+name+" "+kind+"\n"...)
}

// sample appends a series with its labels, in pairs.
func (p *page) sample(v float64, labels ...string) { p.line("", v, labels...) }

// count appends a series of a counter.
func (p *page) count(v uint64, labels ...string) { p.line("", float64(v), labels...) }

// counts appends a series for each value of a label.
func (p *page) counts(by map[string]*atomic.Uint64, label string) {
	for _, value := range slices.Sorted(maps.Keys(by)) {
		p.count(by[value].Load(), label, value)
	}
}

// line appends a series of the family, or of its name with a suffix.
func (p *page) line(suffix string, v float64, labels ...string) {
	p.b = append(append(p.b, p.name...), suffix...)
	for i := 0; i < len(labels); i += 2 {
		p.b = append(p.b, "{,"[min(i, 1)])
		p.b = append(p.b, labels[i]+`="`...)
		for _, c := range []byte(labels[i+1]) {
			switch c {
			case '\\', '"':
				p.b = append(p.b, '\\', c)
			case '\n':
				p.b = append(p.b, `\n`...)
			default:
				p.b = append(p.b, c)
			}
		}
		p.b = append(p.b, '"')
	}
	if len(labels) > 0 {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	p.b = strconv.AppendFloat(p.b, v, 'g', -1, 64)
	p.b = append(p.b, '\n')
}

// histogram counts durations in buckets.
type histogram struct {
	upTo   []float64 // seconds, ascending
	counts []atomic.Uint64
	nanos  atomic.Int64 // sum
}

func newHistogram(upTo ...float64) *histogram {
	return &histogram{upTo: upTo, counts: make([]atomic.Uint64, len(upTo)+1)}
}

func (h *histogram) add(d time.Duration) {
	i, _ := slices.BinarySearch(h.upTo, d.Seconds())
	h.counts[i].Add(1)
	h.nanos.Add(int64(d))
}

func (p *page) histogram(h *histogram) {
	n := uint64(0)
	for i := range h.counts {
		n += h.counts[i].Load()
		le := "+Inf"
		if i < len(h.upTo) {
			le = strconv.FormatFloat(h.upTo[i], 'g', -1, 64)
		}
		p.line("_bucket", float64(n), "le", le)
	}
	p.line("_sum", time.Duration(h.nanos.Load()).Seconds())
	p.line("_count", float64(n))
}
