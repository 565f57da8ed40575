package iam

import "testing"

// TestNamesRoundTrip: what is written in JSON can be read again.
func TestNamesRoundTrip(t *testing.T) {
	for _, o := range []Outcome{ImplicitDeny, ExplicitDeny, Allow} {
		b, _ := o.MarshalText()
		var back Outcome
		if err := back.UnmarshalText(b); err != nil || back != o {
			t.Errorf("outcome %s came back as %s, %v", o, back, err)
		}
	}
	for i := range layerNames {
		l := Layer(i)
		b, _ := l.MarshalText()
		var back Layer
		if err := back.UnmarshalText(b); err != nil || back != l {
			t.Errorf("layer %s came back as %s, %v", l, back, err)
		}
	}
	var o Outcome
	if o.UnmarshalText([]byte("Perhaps")) == nil {
		t.Error("Perhaps is an outcome")
	}
	var l Layer
	if l.UnmarshalText([]byte("onion")) == nil {
		t.Error("onion is a layer")
	}
}
