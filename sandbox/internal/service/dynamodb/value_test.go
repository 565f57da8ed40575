package dynamodb

import (
	"bytes"
	"cmp"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{"0", "0", ""}, {"-0", "0", ""}, {"0.000", "0", ""}, {"1.0", "1", ""}, {"+7", "7", ""}, {"007", "7", ""}, {".5", "0.5", ""}, {"5.", "5", ""},
		{"1e3", "1000", ""}, {"1E-3", "0.001", ""}, {"-12.340", "-12.34", ""}, {"100e-2", "1", ""}, {"0e999999999999", "0", ""},
		{"1e125", "1" + strings.Repeat("0", 125), ""}, {"1e-130", "0." + strings.Repeat("0", 129) + "1", ""},
		{strings.Repeat("9", 38), strings.Repeat("9", 38), ""},
		{strings.Repeat("9", 38) + "000", strings.Repeat("9", 38) + "000", ""},
		{strings.Repeat("0", 5000) + "1", "1", ""},
		{strings.Repeat("9", 39), "", "more than 38 significant digits"},
		{"1" + strings.Repeat("0", 38) + "1", "", "more than 38 significant digits"},
		{"1e126", "", "Number overflow"}, {"1e-131", "", "Number underflow"}, {"1e99999999999999999999", "", "Number overflow"}, {"1e-99999999999999999999", "", "Number underflow"},
		{"", "", "cannot be converted to a numeric value"}, {"NaN", "", "cannot be converted"}, {"Infinity", "", "cannot be converted"},
		{"0x10", "", "cannot be converted"}, {"1_000", "", "cannot be converted"}, {"1e", "", "cannot be converted"}, {"1.2.3", "", "cannot be converted"},
		{" 1", "", "cannot be converted"}, {"--1", "", "cannot be converted"}, {"1e1.5", "", "cannot be converted"}, {".", "", "cannot be converted"}, {"e5", "", "cannot be converted"},
	} {
		got, err := normalNumber(c.in)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%.50s: got %q %v, want %q %q", c.in, got, err, c.want, c.err)
		}
	}
}

func TestSums(t *testing.T) {
	for _, c := range []struct {
		a, b     string
		subtract bool
		want     string
		err      string
	}{
		{"1", "2", false, "3", ""}, {"1", "2", true, "-1", ""}, {"0.1", "0.2", false, "0.3", ""}, {"5", "5", true, "0", ""},
		{"99999999999999999999999999999999999999", "1", false, "100000000000000000000000000000000000000", ""},
		{"9" + strings.Repeat("0", 125), "9" + strings.Repeat("0", 125), false, "", "Number overflow"},
		{"1" + strings.Repeat("0", 60), "1", false, "", "more than 38"},
	} {
		got, err := addNumbers(c.a, c.b, c.subtract)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %s %v: got %q %v, want %q %q", c.a, c.b, c.subtract, got, err, c.want, c.err)
		}
	}
}

// number draws a number in stored form.
func number(t *rapid.T, label string) string {
	s := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,15})?(e-?[0-9]{1,2})?`).Draw(t, label)
	n, err := normalNumber(s)
	if err != nil {
		t.Skip(err)
	}
	return n
}

// TestNumbersAgainstRationals checks normal form, order and sums against
// math/big.
func TestNumbersAgainstRationals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number(t, "a"), number(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if again, err := normalNumber(a); err != nil || again != a {
			t.Fatalf("%s is normalised to %s %v", a, again, err)
		}
		if got := compareNumbers(a, b); got != x.Cmp(y) {
			t.Fatalf("compare %s %s: %d", a, b, got)
		}
		if (a == b) != (x.Cmp(y) == 0) {
			t.Fatalf("%s and %s: one number has one form", a, b)
		}
		if got := bytes.Compare(appendNumberKey(nil, a), appendNumberKey(nil, b)); got != x.Cmp(y) {
			t.Fatalf("keys of %s %s: %d", a, b, got)
		}
		if sum, err := addNumbers(a, b, false); err == nil {
			z, _ := new(big.Rat).SetString(sum)
			if z.Cmp(new(big.Rat).Add(x, y)) != 0 {
				t.Fatalf("%s + %s = %s", a, b, sum)
			}
		}
	})
}

// TestKeyOrder checks that keys order as their values do, that no key begins
// another, and that after finds the place behind.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b value
		want := 0
		if rapid.Bool().Draw(t, "numbers") {
			x, y := number(t, "a"), number(t, "b")
			a, b, want = &vN{Value: x}, &vN{Value: y}, compareNumbers(x, y)
		} else {
			gen := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xfe, 0xff}), 0, 5)
			x, y := gen.Draw(t, "a"), gen.Draw(t, "b")
			a, b, want = &vB{Value: x}, &vB{Value: y}, bytes.Compare(x, y)
		}
		x, y := appendKey(nil, a), appendKey(nil, b)
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%x %x: %d, want %d", x, y, got, want)
		}
		if want != 0 && bytes.HasPrefix(y, x) {
			t.Fatalf("%x begins %x", x, y)
		}
		if got := cmp.Compare(string(y), after(string(x))) < 0; got != (want >= 0) {
			t.Fatalf("%x before the end of %x: %v", y, x, got)
		}
		if tail := string(x) + "\xff\xff\xff"; tail >= after(string(x)) {
			t.Fatalf("after %x is not after what begins with it", x)
		}
	})
}

func TestItemJSON(t *testing.T) {
	const full = `{"b":{"B":"AAH/"},"bool":{"BOOL":false},"bs":{"BS":["AQ=="]},"e":{"S":""},"l":{"L":[{"N":"1"},{"M":{}},{"L":[]}]},"m":{"M":{"x":{"NULL":true}}},"n":{"N":"-1.5"},"ns":{"NS":["1","2"]},"s":{"S":"é"},"ss":{"SS":["a"]}}`
	it := parseItem(t, full)
	if got := show(it); got != full {
		t.Errorf("got  %s\nwant %s", got, full)
	}
	if !equalItems(it, cloneItem(it)) {
		t.Error("a clone differs")
	}
	if got, want := itemSize(it), 51; got != want {
		t.Errorf("size %d, want %d", got, want)
	}
	var bad item
	if err := bad.UnmarshalJSON([]byte(`{"a":{}}`)); err == nil {
		t.Error("a value without a type was read")
	}
}

func TestBadValues(t *testing.T) {
	deep := value(&vS{Value: "x"})
	for range maxDepth + 1 {
		deep = &vL{Value: []value{deep}}
	}
	for _, c := range []struct {
		v    value
		want string
	}{
		{nil, "Supplied AttributeValue is empty"},
		{&vSS{}, "An string set  may not be empty"},
		{&vNS{Value: []string{"1", "1.0"}}, "contains duplicates"},
		{&vBS{Value: [][]byte{{1}, {1}}}, "contains duplicates"},
		{&vN{Value: "x"}, "cannot be converted to a numeric value: x"},
		{&vNULL{}, "Null attribute value types must have the value of true"},
		{&vM{Value: map[string]value{"a": &vL{Value: []value{&vSS{}}}}}, "may not be empty"},
		{deep, "Nesting Levels have exceeded supported limits"},
	} {
		if err := normalize(c.v, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.v, err, c.want)
		}
	}
}
