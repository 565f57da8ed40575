package sts

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

func testSealer(t testing.TB, fill byte) *sealer {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testClaims(policy string) *Claims {
	c := &Claims{
		Type: kind{iam.AssumedRole}, ARN: "arn:aws:sts::111122223333:assumed-role/app/one", Account: "111122223333",
		Issuer: "arn:aws:iam::111122223333:role/app", ID: "AROAEXAMPLE", Name: "app", UserID: "AROAEXAMPLE:one",
		Session: service.Session{Name: "one", Issued: time.Unix(1e9, 0).UTC(), Expires: time.Unix(1e9+3600, 0).UTC(), Tags: map[string]string{"team": "a"}},
	}
	if policy != "" {
		c.Session.Policies = []string{policy}
	}
	return c
}

// TestToken: a token opens beside the key it was issued with, under the key
// it was sealed with, as it was; and in no other case.
func TestToken(t *testing.T) {
	s := testSealer(t, 1)
	for _, policy := range []string{"", strings.Repeat("a policy text ", 200)} {
		want := testClaims(policy)
		token, err := s.seal("ASIAONE", want)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token, "IQoJb3JpZ2luX2Vj") {
			t.Errorf("token begins with %.16s", token)
		}
		got, err := s.open("ASIAONE", token)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if policy != "" && len(token) > len(policy) {
			t.Errorf("a session policy of %d characters makes a token of %d", len(policy), len(token))
		}
		for what, open := range map[string]func() (*Claims, error){
			"another key id":  func() (*Claims, error) { return s.open("ASIATWO", token) },
			"another sandbox": func() (*Claims, error) { return testSealer(t, 2).open("ASIAONE", token) },
			"cut short":       func() (*Claims, error) { return s.open("ASIAONE", token[:len(token)-8]) },
			"nothing":         func() (*Claims, error) { return s.open("ASIAONE", "") },
		} {
			if c, err := open(); err == nil {
				t.Errorf("%s: opened as %+v", what, c)
			}
		}
	}
	if a, b := s.secretKey("ASIAONE"), s.secretKey("ASIATWO"); a == b || len(a) != 40 {
		t.Errorf("secret keys %q and %q", a, b)
	}
}

// FuzzOpen: no token but one's own opens.
func FuzzOpen(f *testing.F) {
	s := testSealer(f, 1)
	token, err := s.seal("ASIAONE", testClaims(""))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ASIAONE", token[:40])
	f.Add("ASIATWO", token)
	f.Fuzz(func(t *testing.T, id, tok string) {
		if c, err := s.open(id, tok); err == nil && (id != "ASIAONE" || tok != token) {
			t.Errorf("%q opened as %+v", tok, c)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	s, c := testSealer(b, 1), testClaims("")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.seal("ASIAONE", c); err != nil {
			b.Fatal(err)
		}
	}
}
