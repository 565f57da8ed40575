package iam

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	tests := []struct {
		kind         Kind
		src          string
		line, column int
		rule, want   string // want is part of the error
	}{
		{Identity, "", 1, 1, "invalid-json", "value is missing"},
		{Identity, "{\n  \"Version\": '2012'\n}", 2, 14, "invalid-json", `unexpected '\''`},
		{Identity, `{"Statement": [],}`, 1, 17, "invalid-json", "comma before"},
		{Identity, `{"Statement": {}} x`, 1, 19, "invalid-json", "after the end"},
		{Identity, "{\"a\": \"\xff\"}", 1, 8, "invalid-json", "not UTF-8"},
		{Identity, `{"a": "\ud83d"}`, 1, 8, "invalid-json", "surrogate"},
		{Identity, `{"a": 01}`, 1, 7, "invalid-json", "malformed"},
		{Identity, "{\"a\": \"\n\"}", 1, 8, "invalid-json", "control character"},
		{Identity, strings.Repeat("[", 100), 1, 26, "invalid-json", "nested deeper"},
		{Identity, "{\"Statement\": {\"Effect\": \"Allow\",\n \"Effect\": \"Deny\"}}", 2, 2, "duplicate-key", "occurs twice"},
		{Identity, `[]`, 1, 1, "not-an-object", "not a list"},
		{Identity, `{"statement": []}`, 1, 2, "unknown-key", `write "Statement"`},
		{Identity, `{"Statement": {"Effect": "Allow", "Actions": "*"}}`, 1, 35, "unknown-key", `write "Action"`},
		{Identity, `{"Version": "2012-10-18", "Statement": {}}`, 1, 13, "unknown-version", "2012-10-17"},
		{Identity, `{"Version": "2012-10-17"}`, 1, 1, "missing-statement", "no Statement"},
		{Identity, `{"Statement": []}`, 1, 15, "empty-statement", "empty"},
		{Identity, `{"Statement": {"Action": "*", "Resource": "*"}}`, 1, 15, "missing-effect", "no Effect"},
		{Identity, `{"Statement": {"Effect": "Maybe"}}`, 1, 26, "unknown-effect", "Maybe"},
		{Identity, `{"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}`, 1, 26, "effect-case", "case matters"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}`, 1, 50, "exclusive-elements", "in one statement"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": 5, "Resource": "*"}}`, 1, 45, "wrong-type", "a number"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": [null]}}`, 1, 63, "wrong-type", "null"},
		{Identity, `{"Statement": {"Effect": "Allow", "Resource": "*"}}`, 1, 15, "missing-action", "no actions"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*"}}`, 1, 15, "missing-resource", "no resources"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": []}}`, 1, 62, "missing-resource", "empty"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}`, 1, 80, "principal-not-allowed", "names a principal"},
		{Trust, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}`, 1, 62, "missing-resource", "its own role"},
		{Resource, `{"Statement": {"Effect": "Allow", "Action": "*", "NotPrincipal": {"AWS": "*"}}}`, 1, 66, "not-principal-allow", "NotPrincipal"},
		{Resource, `{"Statement": {"Effect": "Allow", "Action": "*", "Principal": "ec2.amazonaws.com"}}`, 1, 63, "unknown-principal-kind", `{"Service": "ec2.amazonaws.com"}`},
		{Resource, `{"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"aws": "*"}}}`, 1, 64, "unknown-principal-kind", `write "AWS"`},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringMatches": {"k": "v"}}}}`, 1, 81, "unknown-operator", "did you mean String"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NullIfExists": {"k": "true"}}}}`, 1, 81, "unknown-operator", "no IfExists"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForSome:Bool": {"k": "true"}}}}`, 1, 81, "unknown-operator", "ForAllValues and ForAnyValue"},
		{Identity, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"k": "soon"}}}}`, 1, 103, "invalid-date", "not a date"},
	}
	for _, test := range tests {
		p, err := Parse(test.kind, "f.json", []byte(test.src))
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%s: got %v, %v", test.src, p, err)
			continue
		}
		if se.Line != test.line || se.Column != test.column || se.Rule != test.rule || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60s: got %d:%d %s: %v; want %d:%d %s with %q", test.src, se.Line, se.Column, se.Rule, err, test.line, test.column, test.rule, test.want)
		}
	}
}

func TestStatement(t *testing.T) {
	p := mustParse(t, Resource, "p", `{"Version": "2012-10-17", "Id": "x",
 "Statement": [
  {"Sid": "One", "Effect": "Allow", "Principal": {"AWS": "111122223333", "Service": ["a.amazonaws.com"]}, "Action": "s3:*"},
  {"Effect": "Deny", "NotPrincipal": "*", "NotAction": ["a:b"], "NotResource": ["*"], "Condition": {"Bool": {"k": true}, "NumericLessThan": {"n": 5}}}]}`)
	if p.Len() != 2 || p.ID() != "x" || p.Version() != "2012-10-17" || p.Kind() != Resource || p.Name() != "p" || !strings.HasPrefix(p.Source(), "{") {
		t.Errorf("got %d statements, id %q, version %q", p.Len(), p.ID(), p.Version())
	}
	want := []string{
		`{0 One Allow 3 3 [{AWS 111122223333} {Service a.amazonaws.com}] false true [s3:*] false [] false []}`,
		`{1  Deny 4 3 [{AWS *}] true true [a:b] true [*] true [{Bool k [true]} {NumericLessThan n [5]}]}`,
	}
	i := 0
	for s := range p.Statements() {
		if got := fmt.Sprint(s); got != want[i] {
			t.Errorf("got %s\nwant %s", got, want[i])
		}
		i++
	}
}

func TestKindNames(t *testing.T) {
	for k := Identity; k <= Endpoint; k++ {
		if got, err := ParseKind(k.String()); got != k || err != nil {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
	}
	if _, err := ParseKind("policy"); err == nil {
		t.Error("policy is a kind")
	}
	for p := User; p <= Anonymous; p++ {
		if got, err := ParsePrincipalType(p.String()); got != p || err != nil {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
	if _, err := ParsePrincipalType(""); err == nil {
		t.Error("the empty string is a kind of principal")
	}
}
