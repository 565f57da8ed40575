package store

import "testing"

// TestMoment: an earlier moment shows what there was, whatever came later.
func TestMoment(t *testing.T) {
	s, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := NewTable[string]("rows")
	put := func(v string) {
		if err := s.Update(func(tx *Tx) error { rows.Put(tx, "a", v); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	at := func(m Moment) (got string) {
		if err := s.ViewAt(m, func(tx *Tx) error { got, _ = rows.Get(tx, "a"); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := s.Moment()
	put("one")
	first := s.Moment()
	put("two")
	if at(before) != "" || at(first) != "one" || at(s.Moment()) != "two" {
		t.Errorf("moments show %q, %q and %q", at(before), at(first), at(s.Moment()))
	}
}
