package wire

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"
)

// A plan (codec) says how a shape of the model and a Go type meet. It is
// made once per pair and then followed without asking names again.
type codec struct {
	shape  *shape
	typ    reflect.Type // without the pointer
	ptr    bool         // the value is held by a pointer
	fields []field      // of a structure, in the model's order
	key    *codec       // of a map
	elem   *codec       // of a list or map
	union  *unionPlan
	reader bool // a body that is streamed: io.Reader or io.ReadCloser
}

type field struct {
	m     *member
	c     *codec
	index int
	text  int // index of the XString twin of a timestamp X; -1 if none
}

// unionPlan holds the members of an interface-typed union, in the model's
// order, each a struct with the one field Value.
type unionPlan struct {
	byType map[reflect.Type]*unionMember
	byName map[string]*unionMember
}

type unionMember struct {
	m   *member
	c   *codec
	typ reflect.Type // the struct, without the pointer
}

// Union names the Go types of a union's members; see UnionOf.
type Union struct {
	iface   reflect.Type
	members map[string]reflect.Type
}

// UnionOf describes a union as aws-sdk-go-v2 models it: an interface T and,
// for each member M, a pointer to a struct TMemberM with the field Value.
// For DynamoDB:
//
//	wire.UnionOf[types.AttributeValue](&types.AttributeValueMemberS{}, &types.AttributeValueMemberN{}, …)
func UnionOf[T any](members ...T) Union {
	u := Union{iface: reflect.TypeFor[T](), members: make(map[string]reflect.Type, len(members))}
	for _, v := range members {
		t := reflect.TypeOf(v)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		name := t.Name()
		if i := strings.LastIndex(name, "Member"); i >= 0 {
			name = name[i+len("Member"):]
		}
		u.members[name] = t
	}
	return u
}

type planKey struct {
	shape *shape
	typ   reflect.Type
}

// plans caches codecs. Finished ones are in done; mu serialises the making.
type plans struct {
	unions map[reflect.Type]Union
	done   sync.Map // planKey to *codec
	mu     sync.Mutex
}

func newPlans(unions []Union) *plans {
	p := &plans{unions: make(map[reflect.Type]Union, len(unions))}
	for _, u := range unions {
		p.unions[u.iface] = u
	}
	return p
}

// of returns the codec for a value of type t, a struct or a pointer to one.
func (p *plans) of(s *shape, t reflect.Type) (*codec, error) {
	k := planKey{s, t}
	if c, ok := p.done.Load(k); ok {
		return c.(*codec), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	made := map[planKey]*codec{}
	c, err := p.make(s, t, made)
	if err != nil {
		return nil, fmt.Errorf("shape %s and Go type %s: %w", s.name, t, err)
	}
	// Only a complete graph is published.
	for k, c := range made {
		p.done.LoadOrStore(k, c)
	}
	return c, nil
}

var (
	timeType       = reflect.TypeFor[time.Time]()
	readerType     = reflect.TypeFor[io.Reader]()
	readCloserType = reflect.TypeFor[io.ReadCloser]()
	anyType        = reflect.TypeFor[any]()
	bytesType      = reflect.TypeFor[[]byte]()
)

func (p *plans) make(s *shape, t reflect.Type, made map[planKey]*codec) (*codec, error) {
	k := planKey{s, t}
	if c := made[k]; c != nil {
		return c, nil
	}
	if c, ok := p.done.Load(k); ok {
		return c.(*codec), nil
	}
	c := &codec{shape: s, typ: t}
	made[k] = c
	if t.Kind() == reflect.Pointer {
		c.ptr, c.typ = true, t.Elem()
	}
	var err error
	fits := false
	switch s.kind {
	case kindStructure:
		switch {
		case c.typ.Kind() == reflect.Interface:
			u, ok := p.unions[c.typ]
			if !ok {
				if s.stream {
					// Handlers write event streams themselves.
					c.reader, fits = true, true
					break
				}
				return nil, fmt.Errorf("the union is not registered: pass UnionOf[%s] in Options.Unions", c.typ)
			}
			fits, err = true, p.makeUnion(c, u, made)
		case c.typ.Kind() == reflect.Struct:
			fits, err = true, p.makeFields(c, made)
		}
	case kindList:
		if fits = c.typ.Kind() == reflect.Slice; fits {
			c.elem, err = p.make(s.member.shape, c.typ.Elem(), made)
		}
	case kindMap:
		if fits = c.typ.Kind() == reflect.Map && c.typ.Key().Kind() == reflect.String; fits {
			if c.key, err = p.make(s.key.shape, c.typ.Key(), made); err == nil {
				c.elem, err = p.make(s.value.shape, c.typ.Elem(), made)
			}
		}
	case kindString:
		fits = c.typ.Kind() == reflect.String
	case kindBool:
		fits = c.typ.Kind() == reflect.Bool
	case kindInt:
		// The SDK holds PartNumberMarker of S3 as text.
		fits = c.typ.Kind() >= reflect.Int && c.typ.Kind() <= reflect.Int64 || c.typ.Kind() == reflect.String
	case kindFloat:
		fits = c.typ.Kind() == reflect.Float32 || c.typ.Kind() == reflect.Float64
	case kindTime:
		// S3's Expires headers are text in newer SDKs.
		fits = c.typ == timeType || c.typ.Kind() == reflect.String
	case kindBlob:
		c.reader = c.typ == readerType || c.typ == readCloserType
		fits = c.reader || c.typ == bytesType
	case kindDocument:
		fits = c.typ.Kind() == reflect.Interface
	}
	if err != nil {
		return nil, err
	}
	if !fits {
		return nil, fmt.Errorf("%s does not hold shape %s", t, s.name)
	}
	return c, nil
}

func (p *plans) makeFields(c *codec, made map[planKey]*codec) error {
	for _, m := range c.shape.members {
		f, ok := c.typ.FieldByName(strings.ToUpper(m.name[:1]) + m.name[1:])
		if !ok || len(f.Index) != 1 || !f.IsExported() {
			continue // an SDK older or newer than the model
		}
		e, err := p.make(m.shape, f.Type, made)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		d := field{m: m, c: e, index: f.Index[0], text: -1}
		if m.shape.kind == kindTime && m.location == "header" {
			if twin, ok := c.typ.FieldByName(f.Name + "String"); ok && len(twin.Index) == 1 && twin.Type == reflect.TypeFor[*string]() {
				d.text = twin.Index[0]
			}
		}
		c.fields = append(c.fields, d)
	}
	return nil
}

func (p *plans) makeUnion(c *codec, u Union, made map[planKey]*codec) error {
	c.union = &unionPlan{byType: map[reflect.Type]*unionMember{}, byName: map[string]*unionMember{}}
	for _, m := range c.shape.members {
		t, ok := u.members[strings.ToUpper(m.name[:1])+m.name[1:]]
		if !ok {
			continue
		}
		f, ok := t.FieldByName("Value")
		if !ok || len(f.Index) != 1 || f.Index[0] != 0 {
			return fmt.Errorf("%s has no leading field Value", t)
		}
		e, err := p.make(m.shape, f.Type, made)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		d := &unionMember{m: m, c: e, typ: t}
		c.union.byType[reflect.PointerTo(t)] = d
		c.union.byName[m.wire] = d
	}
	return nil
}

// alloc returns the settable value behind v's pointer, made if need be.
func (c *codec) alloc(v reflect.Value) reflect.Value {
	if !c.ptr {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(c.typ))
	}
	return v.Elem()
}

// value returns what v holds, and whether it is present: a nil pointer,
// slice, map or interface and an empty enumeration value are absent.
func (c *codec) value(v reflect.Value) (reflect.Value, bool) {
	if c.ptr {
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		return v, !v.IsNil()
	case reflect.String:
		return v, v.Len() > 0
	}
	return v, true
}

// root returns the codec for a pointer to an input or output struct.
func (m *Model) root(s *shape, x any) (*codec, reflect.Value, error) {
	v := reflect.ValueOf(x)
	if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, v, fmt.Errorf("want a pointer to a struct, got %T", x)
	}
	c, err := m.plans.of(s, v.Type())
	return c, v.Elem(), err
}

// Check tells whether the Go types fit an operation: in and out are pointers
// to the structs that Input and Reply are to be given, or nil.
func (m *Model) Check(operation string, in, out any) error {
	op := m.Operation(operation)
	if op == nil {
		return fmt.Errorf("%s has no operation %s", m.service, operation)
	}
	for _, p := range []struct {
		s *shape
		x any
	}{{op.input, in}, {op.output, out}} {
		if p.s == nil || p.x == nil {
			continue
		}
		if _, _, err := m.root(p.s, p.x); err != nil {
			return fmt.Errorf("%s %s: %w", m.service, operation, err)
		}
	}
	return nil
}
