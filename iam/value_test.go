package iam

import "testing"

func TestCompareNumbers(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"10", "10.0", 0}, {"010", "10", 0}, {"-0", "0", 0}, {".5", "0.50", 0}, {"1e3", "1000", 0}, {"25e-1", "2.5", 0}, {"+7", "7", 0},
		{"9", "10", -1}, {"-3", "-2", -1}, {"-1", "0", -1}, {"0.09", "0.1", -1}, {"9007199254740992", "9007199254740993", -1},
		{"100", "99.999", 1}, {"0.001", "0.0009", 1}, {"1.0000000000000000001", "1", 1},
	}
	for _, test := range tests {
		a, ok := parseNumber(test.a)
		b, ok2 := parseNumber(test.b)
		if !ok || !ok2 {
			t.Errorf("%q or %q is no number", test.a, test.b)
			continue
		}
		if got, back := a.compare(&b), b.compare(&a); got != test.want || back != -test.want {
			t.Errorf("%s with %s: got %d and %d, want %d", test.a, test.b, got, back, test.want)
		}
	}
	for _, s := range []string{"", "ten", "1 ", "1.2.3", "0x10", "--1", ".", "1e", "1e9999", "${n}", "∞"} {
		if _, ok := parseNumber(s); ok {
			t.Errorf("%q is a number", s)
		}
	}
}

func TestParseDate(t *testing.T) {
	tests := []struct{ in, same string }{
		{"2026-03-01T00:00:00Z", "1772323200"},
		{"2026-03-01", "2026-03-01T00:00:00Z"},
		{"2026-03", "2026-03-01"},
		{"2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00Z"},
		{"2026-03-01t02:00:00.000+0200", "2026-03-01"},
		{"2026-02-28T19:00-05", "2026-03-01"},
		{"2026-03-01T12:30", "2026-03-01T12:30:00.0Z"},
	}
	for _, test := range tests {
		a, ok := parseDate(test.in)
		b, ok2 := parseDate(test.same)
		if !ok || !ok2 || !a.Equal(b) {
			t.Errorf("%q is %v (%v), %q is %v (%v)", test.in, a, ok, test.same, b, ok2)
		}
	}
	for _, s := range []string{"", "2026-13-01", "2026-3-01", "2026-01-32", "2026-01-01T24:00", "2026-01-01T00:0", "2026-01-01T00:00:60", "2026-01-01T00:00:00.1234567890", "2026-01-01T00:00:00+1", "yesterday", "12:00", "9223372036854775808", "2026-01-01-01", "2026-"} {
		if d, ok := parseDate(s); ok {
			t.Errorf("%q is %v", s, d)
		}
	}
	if early, _ := parseDate("-292275054"); early.Year() != -292275054 {
		t.Errorf("got year %d", early.Year())
	}
	late, _ := parseDate("9223372036854775807")
	now, _ := parseDate("2026-03-01")
	if !late.After(now) {
		t.Errorf("%v is not after %v", late, now)
	}
}

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"198.51.100.77/24": "198.51.100.0/24", "198.51.100.7": "198.51.100.7/32", "2001:DB8::1": "2001:db8::1/128", "::/0": "::/0",
	} {
		if got, ok := parsePrefix(in); !ok || got.String() != want {
			t.Errorf("%q: got %v, %v; want %s", in, got, ok, want)
		}
	}
	for _, s := range []string{"", "x", "198.51.100.0/33", "198.51.100", "fe80::1%eth0", "1.2.3.4/", "${ip}"} {
		if got, ok := parsePrefix(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestLowerEqual(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"HR", "hr", true}, {"Ä", "ä", true}, {"ß", "SS", false}, {"ſ", "s", false}, {"a", "ab", false}, {"", "", true},
	}
	for _, test := range tests {
		if got := lowerEqual(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: got %v", test.a, test.b, got)
		}
	}
}
