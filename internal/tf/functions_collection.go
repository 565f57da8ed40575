package tf

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// anything is a parameter of any type.
func anything(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowNull: true}
}

// dynamic is a function whose type is that of its result.
func dynamic(params []function.Parameter, rest *function.Parameter, f func([]cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: params, VarParam: rest,
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := f(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args) },
	})
}

// lengthFunction also counts the characters of a string.
var lengthFunction = dynamic([]function.Parameter{anything("value")}, nil, func(args []cty.Value) (cty.Value, error) {
	v := args[0]
	switch t := v.Type(); {
	case v.IsNull():
		return cty.NilVal, function.NewArgErrorf(0, "the value is null")
	case t == cty.DynamicPseudoType:
		return cty.UnknownVal(cty.Number), nil
	case t == cty.String:
		return stdlib.Strlen(v)
	case t.IsObjectType():
		return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
	case t.IsTupleType() || t.IsCollectionType():
		return v.Length(), nil
	}
	return cty.NilVal, function.NewArgErrorf(0, "it is neither a string nor a collection")
})

var indexFunction = dynamic([]function.Parameter{anything("list"), anything("value")}, nil, func(args []cty.Value) (cty.Value, error) {
	list := args[0]
	if !list.IsWhollyKnown() || !args[1].IsWhollyKnown() {
		return cty.UnknownVal(cty.Number), nil
	}
	if list.IsNull() || !list.CanIterateElements() {
		return cty.NilVal, function.NewArgErrorf(0, "it is not a list")
	}
	for it := list.ElementIterator(); it.Next(); {
		i, v := it.Element()
		if eq, err := stdlib.Equal(v, args[1]); err == nil && eq.IsKnown() && eq.True() {
			return i, nil
		}
	}
	return cty.NilVal, errors.New("item not found")
})

var lookupFunction = dynamic([]function.Parameter{anything("map"), {Name: "key", Type: cty.String}}, &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	func(args []cty.Value) (cty.Value, error) {
		m := args[0]
		if !m.IsKnown() {
			return cty.DynamicVal, nil
		}
		if m.IsNull() || !m.Type().IsObjectType() && !m.Type().IsMapType() {
			return cty.NilVal, function.NewArgErrorf(0, "it is not a map")
		}
		if !args[1].IsKnown() {
			return cty.DynamicVal, nil
		}
		if v, ok := m.AsValueMap()[args[1].AsString()]; ok {
			return v, nil
		}
		if len(args) == 3 {
			return args[2], nil
		}
		return cty.NilVal, fmt.Errorf("lookup failed to find key %q", args[1].AsString())
	})

var oneFunction = dynamic([]function.Parameter{anything("list")}, nil, func(args []cty.Value) (cty.Value, error) {
	list := args[0]
	if !list.IsKnown() {
		return cty.DynamicVal, nil
	}
	if list.IsNull() || !list.CanIterateElements() {
		return cty.NilVal, function.NewArgErrorf(0, "it is not a list")
	}
	switch values := list.AsValueSlice(); len(values) {
	case 0:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case 1:
		return values[0], nil
	}
	return cty.NilVal, function.NewArgErrorf(0, "it has more than one element")
})

var sumFunction = dynamic([]function.Parameter{anything("list")}, nil, func(args []cty.Value) (cty.Value, error) {
	list := args[0]
	if !list.IsWhollyKnown() {
		return cty.UnknownVal(cty.Number), nil
	}
	if list.IsNull() || !list.CanIterateElements() || list.LengthInt() == 0 {
		return cty.NilVal, function.NewArgErrorf(0, "it is not a list with elements")
	}
	sum := cty.Zero
	for _, v := range list.AsValueSlice() {
		n := converted(v, cty.Number)
		if n == cty.NilVal || n.IsNull() {
			return cty.NilVal, function.NewArgErrorf(0, "an element is not a number")
		}
		sum = sum.Add(n)
	}
	return sum, nil
})

// truthFunction is alltrue, or anytrue.
func truthFunction(all bool) function.Function {
	return dynamic([]function.Parameter{anything("list")}, nil, func(args []cty.Value) (cty.Value, error) {
		list := args[0]
		if !list.IsKnown() {
			return cty.UnknownVal(cty.Bool), nil
		}
		if list.IsNull() || !list.CanIterateElements() {
			return cty.NilVal, function.NewArgErrorf(0, "it is not a list")
		}
		unknown := false
		for _, v := range list.AsValueSlice() {
			b := converted(v, cty.Bool)
			switch {
			case b == cty.NilVal:
				return cty.NilVal, function.NewArgErrorf(0, "an element is not a bool")
			case !b.IsKnown():
				unknown = true
			case (!b.IsNull() && b.True()) != all:
				return cty.BoolVal(!all), nil
			}
		}
		if unknown {
			return cty.UnknownVal(cty.Bool), nil
		}
		return cty.BoolVal(all), nil
	})
}

var matchKeysFunction = dynamic([]function.Parameter{anything("values"), anything("keys"), anything("searchset")}, nil, func(args []cty.Value) (cty.Value, error) {
	for i, a := range args {
		if !a.IsWhollyKnown() {
			return cty.DynamicVal, nil
		}
		if a.IsNull() || !a.CanIterateElements() {
			return cty.NilVal, function.NewArgErrorf(i, "it is not a list")
		}
	}
	values, keys, want := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
	if len(values) != len(keys) {
		return cty.NilVal, errors.New("there must be as many keys as values")
	}
	var out []cty.Value
	for i, k := range keys {
		for _, w := range want {
			if eq, err := stdlib.Equal(k, w); err == nil && eq.True() {
				out = append(out, values[i])
				break
			}
		}
	}
	return cty.TupleVal(out), nil
})

var transposeFunction = dynamic([]function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String)), AllowUnknown: true}}, nil, func(args []cty.Value) (cty.Value, error) {
	t := cty.Map(cty.List(cty.String))
	if !args[0].IsWhollyKnown() {
		return cty.UnknownVal(t), nil
	}
	lists := map[string][]cty.Value{}
	for it := args[0].ElementIterator(); it.Next(); {
		k, list := it.Element()
		for _, v := range list.AsValueSlice() {
			lists[v.AsString()] = append(lists[v.AsString()], k)
		}
	}
	if len(lists) == 0 {
		return cty.MapValEmpty(cty.List(cty.String)), nil
	}
	out := map[string]cty.Value{}
	for k, list := range lists {
		out[k] = cty.ListVal(list)
	}
	return cty.MapVal(out), nil
})

// The functions on networks, as "IP Network Functions" of the Terraform
// language describes them.

var cidrSubnetFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		bits, _ := args[1].AsBigFloat().Int64()
		n, _ := args[2].AsBigFloat().Int(nil)
		p, err := subnet(args[0].AsString(), int(bits), n)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(p.String()), nil
	},
})

var cidrSubnetsFunction = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam: &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:     function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		width := base.Addr().BitLen()
		at := new(big.Int)
		var out []cty.Value
		for _, a := range args[1:] {
			bits, _ := a.AsBigFloat().Int64()
			length := base.Bits() + int(bits)
			if bits < 1 || length > width {
				return cty.NilVal, fmt.Errorf("%d further bits do not fit into %s", bits, base)
			}
			size := new(big.Int).Lsh(big.NewInt(1), uint(width-length))
			// The next multiple of the size.
			at.Add(at, new(big.Int).Sub(size, big.NewInt(1))).Div(at, size)
			p, err := subnet(base.String(), int(bits), at)
			if err != nil {
				return cty.NilVal, err
			}
			out = append(out, cty.StringVal(p.String()))
			at.Add(at, big.NewInt(1)).Mul(at, size)
		}
		if len(out) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(out), nil
	},
})

var cidrHostFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "hostnum", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		n, _ := args[1].AsBigFloat().Int(nil)
		size := new(big.Int).Lsh(big.NewInt(1), uint(base.Addr().BitLen()-base.Bits()))
		if n.Sign() < 0 {
			n.Add(n, size)
		}
		if n.Sign() < 0 || n.Cmp(size) >= 0 {
			return cty.NilVal, function.NewArgErrorf(1, "%s has no such host", base)
		}
		return cty.StringVal(shifted(base.Masked().Addr(), n).String()), nil
	},
})

var cidrNetmaskFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, err := netip.ParsePrefix(args[0].AsString())
		if err != nil || !base.Addr().Is4() {
			return cty.NilVal, function.NewArgErrorf(0, "it is not an IPv4 prefix")
		}
		all, err := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(base.Bits())
		return cty.StringVal(all.Addr().String()), err
	},
})

func subnet(prefix string, bits int, n *big.Int) (netip.Prefix, error) {
	base, err := netip.ParsePrefix(prefix)
	if err != nil {
		return netip.Prefix{}, err
	}
	length := base.Bits() + bits
	if bits < 0 || length > base.Addr().BitLen() || n.Sign() < 0 || n.BitLen() > bits {
		return netip.Prefix{}, fmt.Errorf("%s has no subnet %s with %d further bits", base, n, bits)
	}
	offset := new(big.Int).Lsh(n, uint(base.Addr().BitLen()-length))
	return netip.PrefixFrom(shifted(base.Masked().Addr(), offset), length), nil
}

// shifted is an address further on.
func shifted(a netip.Addr, by *big.Int) netip.Addr {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), by)
	b := make([]byte, a.BitLen()/8)
	sum.FillBytes(b)
	out, _ := netip.AddrFromSlice(b)
	return out
}
