package dynamodb

import (
	"strings"
	"testing"
)

// testScope has the names #a…#d for a…d and values of all types.
func testScope(t testing.TB) *scope {
	t.Helper()
	names := map[string]string{"#a": "a", "#n": "name", "#dot": "a.b"}
	values := map[string]value{
		":s": &vS{Value: "abc"}, ":ab": &vS{Value: "ab"}, ":n": &vN{Value: "5"}, ":m": &vN{Value: "10"}, ":b": &vB{Value: []byte{1, 2}},
		":ss": &vSS{Value: []string{"x", "y"}}, ":ns": &vNS{Value: []string{"1", "5"}}, ":bs": &vBS{Value: [][]byte{{1}}}, ":l": &vL{Value: []value{&vS{Value: "z"}}}, ":true": &vBOOL{Value: true},
		":null": &vNULL{Value: true}, ":map": &vM{Value: map[string]value{"k": &vS{Value: "v"}}}, ":S": &vS{Value: "S"}, ":NS": &vS{Value: "NS"}, ":x": &vS{Value: "x"}, ":zero": &vN{Value: "0"},
	}
	d := &DynamoDB{parsers: newParsers()}
	sc, err := d.newScope(names, values, true, "")
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestConditions(t *testing.T) {
	it := parseItem(t, `{"a":{"S":"abc"},"name":{"S":"x"},"n":{"N":"5"},"b":{"B":"AQI="},"ss":{"SS":["y","x"]},"ns":{"NS":["1","5"]},"l":{"L":[{"S":"z"},{"M":{"deep":{"N":"5"}}}]},
		"m":{"M":{"k":{"S":"v"}}},"t":{"BOOL":true},"nul":{"NULL":true},"a.b":{"S":"dotted"}}`)
	for expr, want := range map[string]bool{
		"a = :s": true, "a <> :s": false, "a = :n": false, "a <> :n": true, "gone = :s": false, "gone <> :s": true, "gone = gone2": false,
		"n < :m": true, "n <= :n": true, "n > :n": false, "n >= :n": true, "n < :s": false, "gone < :n": false, ":n < n": false, "a > :ab": true,
		"b = :b": true, "ss = :ss": true, "ns = :ns": true, "l[0] = :s": false, "l[1].deep = :n": true, "l[7] = :n": false, "m = :map": true, "m.k = :s": false, "t = :true": true, "nul = :null": true,
		"n BETWEEN :n AND :m": true, "n BETWEEN :m AND :m": false, "n between :zero and n": true, "a IN (:n, :s)": true, "a IN (:n)": false, "gone IN (:s)": false,
		"attribute_exists(a)": true, "attribute_exists(gone)": false, "attribute_not_exists(gone)": true, "attribute_not_exists(m.k)": false, "attribute_exists(l[1].deep)": true,
		"attribute_type(a, :S)": true, "attribute_type(ns, :NS)": true, "attribute_type(a, :NS)": false, "attribute_type(gone, :S)": false,
		"begins_with(a, :ab)": true, "begins_with(a, :b)": false, "begins_with(b, :b)": true, "begins_with(n, :ab)": false, "begins_with(gone, :ab)": false,
		"contains(a, :ab)": true, "contains(ss, :x)": true, "contains(ss, :ab)": false, "contains(ns, :n)": true, "contains(l, :s)": false, "contains(b, :b)": true, "contains(gone, :s)": false, "contains(n, :n)": false,
		"size(a) < :n": true, "size(ss) = size(ns)": true, "size(m) > :zero": true, "size(l) < :n": true, "size(b) < :n": true, "size(n) >= :zero": false, "size(gone) >= :zero": false,
		"NOT a = :s": false, "NOT gone = :s": true, "NOT NOT a = :s": true, "a = :s AND n = :n": true, "a = :s AND n = :m": false, "a = :n OR n = :n": true,
		"a = :s OR a = :n AND a = :m": true, "(a = :s OR a = :n) AND a = :m": false, "NOT a = :n AND n = :n": true, "NOT (a = :s AND n = :m)": true,
		"#a = :s": true, "#n = :x": true, "#dot = :s": false, "attribute_exists(#dot)": true, "a=:s": true, " a  =\n:s ": true, "attribute_not_exists ( gone )": true,
	} {
		c, err := testScope(t).condition("ConditionExpression", &expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := c.match(it); got != want {
			t.Errorf("%s: got %v", expr, got)
		}
	}
}

func TestBadConditions(t *testing.T) {
	for expr, want := range map[string]string{
		"":                           "The expression can not be empty;",
		"  ":                         "The expression can not be empty;",
		"a = ":                       `Syntax error; token: "<EOF>", near: "="`,
		"a == :s":                    `Syntax error; token: "=", near: "==`,
		"a = :s AND":                 `Syntax error; token: "<EOF>", near: "AND"`,
		"a = :s b":                   `Syntax error; token: "b", near: ":s b"`,
		"a $ :s":                     `Syntax error; token: "$"`,
		"AND = :s":                   `Syntax error; token: "AND"`,
		"a":                          "Syntax error",
		":s":                         "Syntax error",
		"(a = :s":                    "Syntax error",
		"((a = :s))":                 "The expression has redundant parentheses;",
		"name = :s":                  "Attribute name is a reserved keyword; reserved keyword: name",
		"a.Status = :s":              "Attribute name is a reserved keyword; reserved keyword: Status",
		"#z = :s":                    "An expression attribute name used in the document path is not defined; attribute name: #z",
		"a = :z":                     "An expression attribute value used in expression is not defined; attribute value: :z",
		"foo(a)":                     "Invalid function name; function: foo",
		"Attribute_Exists(a)":        "Invalid function name; function: Attribute_Exists",
		"attribute_exists(:s)":       "Operator or function requires a document path; operator or function: attribute_exists",
		"attribute_exists(a, b)":     "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
		"size(a)":                    "The function is not allowed to be used this way in an expression; function: size",
		"size(:n) = :n":              "Incorrect operand type for operator or function; operator or function: size, operand type: N",
		"attribute_exists(a) = :s":   "The function is not allowed to be used this way in an expression; function: attribute_exists",
		"if_not_exists(a, :s) = :s":  "The function is not allowed to be used this way in an expression; function: if_not_exists",
		"begins_with(a, :n)":         "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
		"attribute_type(a, :s)":      "Invalid attribute type name found; type: abc",
		"attribute_type(a, :n)":      "operator or function: attribute_type, operand type: N",
		"a < :true":                  "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
		"a = a":                      "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
		"a BETWEEN :m AND :n":        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:5}",
		"a BETWEEN :s AND :n":        "The BETWEEN operator requires same data type",
		"a[99999999999999] = :s":     "List index is not within the allowable range",
		strings.Repeat("a", 4097):    "Expression size has exceeded the maximum allowed size; expression size: 4097",
		strings.Repeat("(", 4000):    "Syntax error",
		strings.Repeat("NOT ", 1000): "Syntax error",
	} {
		_, err := testScope(t).condition("ConditionExpression", &expr)
		if err == nil || !strings.Contains(err.Error(), "ValidationException: Invalid ConditionExpression: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v\nwant %s", expr, err, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	const before = `{"a":{"S":"abc"},"n":{"N":"5"},"ss":{"SS":["x","q"]},"l":{"L":[{"S":"0"},{"S":"1"},{"S":"2"},{"S":"3"}]},"m":{"M":{"k":{"S":"v"},"n":{"N":"1"}}}}`
	for _, c := range []struct{ expr, want string }{
		{"SET c = :n", `"c":{"N":"5"}`},
		{"set c = :n, d = a", `"c":{"N":"5"},"d":{"S":"abc"}`},
		{"SET n = n + :n", `"n":{"N":"10"}`},
		{"SET n = n - :m", `"n":{"N":"-5"}`},
		{"SET n = (n + :n)", `"n":{"N":"10"}`},
		{"SET n = if_not_exists(n, :zero) + :n", `"n":{"N":"10"}`},
		{"SET c = if_not_exists(c, :zero) + :n", `"c":{"N":"5"}`},
		{"SET c = if_not_exists(a, :n)", `"c":{"S":"abc"}`},
		{"SET l = list_append(l, :l)", `{"S":"3"},{"S":"z"}]`},
		{"SET l = list_append(:l, l)", `"l":{"L":[{"S":"z"},{"S":"0"}`},
		{"SET c = list_append(if_not_exists(c, :l), :l)", `"c":{"L":[{"S":"z"},{"S":"z"}]}`},
		{"SET l[1] = :s", `{"S":"0"},{"S":"abc"},{"S":"2"}`},
		{"SET l[9] = :n, l[7] = :s", `{"S":"3"},{"S":"abc"},{"N":"5"}]`},
		{"SET m.k = :n, m.fresh = :s", `"m":{"M":{"fresh":{"S":"abc"},"k":{"N":"5"},"n":{"N":"1"}}}`},
		{"SET m.n = m.n + :n", `"n":{"N":"6"}}}`},
		{"SET a = n, n = a", `"a":{"N":"5"}` + "…" + `"n":{"S":"abc"}`}, // both from before
		{"REMOVE a, m.k", `{"l":` + "…" + `"m":{"M":{"n":{"N":"1"}}}`},
		{"REMOVE gone", `"a":{"S":"abc"}`},
		{"REMOVE m.gone", `"k":{"S":"v"}`},
		{"REMOVE l[0], l[2]", `"l":{"L":[{"S":"1"},{"S":"3"}]}`},
		{"REMOVE l[2], l[0]", `"l":{"L":[{"S":"1"},{"S":"3"}]}`},
		{"REMOVE l[9]", `{"S":"3"}]`},
		{"ADD n :n", `"n":{"N":"10"}`},
		{"ADD c :n", `"c":{"N":"5"}`},
		{"ADD m.n :n", `"n":{"N":"6"}}}`},
		{"ADD ss :ss", `"ss":{"SS":["x","q","y"]}`},
		{"ADD c :ss", `"c":{"SS":["x","y"]}`},
		{"DELETE ss :ss", `"ss":{"SS":["q"]}`},
		{"DELETE c :ss", `"ss":{"SS":["x","q"]}`},
		{"SET c = :n REMOVE a ADD n :n DELETE ss :ss", `"c":{"N":"5"}`},
		{"SET l[0] = :n REMOVE l[1]", `"l":{"L":[{"N":"5"},{"S":"2"},{"S":"3"}]}`},
		{"SET #n = :n", `"name":{"N":"5"}`},
		{"SET #dot = :n", `"a.b":{"N":"5"}`},
	} {
		old := parseItem(t, before)
		u, err := testScope(t).update(&c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		it, err := u.apply(old)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		for part := range strings.SplitSeq(c.want, "…") {
			if got := show(it); !strings.Contains(got, part) {
				t.Errorf("%s: got %s\nwant …%s…", c.expr, got, part)
			}
		}
		if got := show(old); got != show(parseItem(t, before)) {
			t.Errorf("%s changed the item before it: %s", c.expr, got)
		}
	}
	// A set that loses its last member goes.
	expr := "DELETE ss :ss"
	u, err := testScope(t).update(&expr)
	if err != nil {
		t.Fatal(err)
	}
	it, err := u.apply(parseItem(t, `{"ss":{"SS":["y"]}}`))
	if err != nil || len(it) != 0 {
		t.Errorf("an empty set is left: %s %v", show(it), err)
	}
}

func TestBadUpdates(t *testing.T) {
	it := parseItem(t, `{"a":{"S":"abc"},"n":{"N":"5"},"l":{"L":[]},"m":{"M":{}}}`)
	for expr, want := range map[string]string{
		"":                               "The expression can not be empty;",
		"SET a :s":                       `Syntax error; token: ":s", near: "a :s"`,
		"c = :s":                         `Syntax error; token: "c"`,
		"SET c = :s SET d = :s":          `The "SET" section can only be used once in an update expression;`,
		"SET c = :s, c = :n":             "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [c], path two: [c]",
		"SET c.d = :s REMOVE c":          "Two document paths overlap",
		"SET c.d = :s, c[1] = :s":        "Two document paths conflict with each other",
		"SET c = size(a)":                "The function is not allowed in an update expression; function: size",
		"SET c = if_not_exists(:s, :s)":  "Operator or function requires a document path",
		"SET c = if_not_exists(a)":       "Incorrect number of operands",
		"SET c = :s + :n":                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
		"SET c = list_append(a, :s)":     "operator or function: list_append, operand type: S",
		"ADD a :s":                       "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
		"DELETE a :n":                    "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
		"SET name = :s":                  "reserved keyword: name",
		"SET c = gone":                   "The provided expression refers to an attribute that does not exist in the item",
		"SET c = gone + :n":              "does not exist in the item",
		"SET c = a + :n":                 "An operand in the update expression has an incorrect data type",
		"SET c = list_append(a, :l)":     "An operand in the update expression has an incorrect data type",
		"ADD a :n":                       "An operand in the update expression has an incorrect data type",
		"ADD n :ss":                      "An operand in the update expression has an incorrect data type",
		"DELETE a :ss":                   "An operand in the update expression has an incorrect data type",
		"SET gone.c = :n":                "The document path provided in the update expression is invalid for update",
		"SET a.c = :n":                   "The document path provided in the update expression is invalid for update",
		"SET m[0] = :n":                  "The document path provided in the update expression is invalid for update",
		"SET l.c = :n":                   "The document path provided in the update expression is invalid for update",
		"REMOVE gone.c":                  "The document path provided in the update expression is invalid for update",
		"SET c = :z":                     "attribute value: :z",
		"SET a = :s,":                    "Syntax error",
		"SET c = list_append(a, :l, :l)": "Incorrect number of operands",
	} {
		u, err := testScope(t).update(&expr)
		if err == nil {
			_, err = u.apply(it)
		}
		if err == nil || !strings.Contains(err.Error(), "ValidationException: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v\nwant %s", expr, err, want)
		}
	}
}

func TestProjections(t *testing.T) {
	it := parseItem(t, `{"a":{"S":"abc"},"l":{"L":[{"S":"0"},{"M":{"x":{"N":"1"},"y":{"N":"2"}}},{"S":"2"}]},"m":{"M":{"k":{"S":"v"},"n":{"N":"1"}}}}`)
	for expr, want := range map[string]string{
		"a":              `{"a":{"S":"abc"}}`,
		"#a, gone":       `{"a":{"S":"abc"}}`,
		"gone":           `{}`,
		"m.k":            `{"m":{"M":{"k":{"S":"v"}}}}`,
		"m.k, m.n":       `{"m":{"M":{"k":{"S":"v"},"n":{"N":"1"}}}}`,
		"m.gone":         `{}`,
		"l[2], l[0]":     `{"l":{"L":[{"S":"0"},{"S":"2"}]}}`,
		"l[1].y, a":      `{"a":{"S":"abc"},"l":{"L":[{"M":{"y":{"N":"2"}}}]}}`,
		"a.b":            `{}`,
		"m[0]":           `{}`,
		"remove, set_to": `{}`,
	} {
		paths, err := testScope(t).projection(&expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := show(project(it, paths)); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
	for expr, want := range map[string]string{
		"a, a": "overlap", "m, m.k": "overlap", "l[0], l.x": "conflict", "a,": "Syntax error", "": "can not be empty", ":s": "Syntax error", "a = b": "Syntax error", "size": "reserved keyword: size",
	} {
		if _, err := testScope(t).projection(&expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", expr, err, want)
		}
	}
}

func TestNamesAndValues(t *testing.T) {
	d := &DynamoDB{parsers: newParsers()}
	for _, c := range []struct {
		names  map[string]string
		values map[string]value
		cond   string
		want   string
	}{
		{map[string]string{"#a": "a"}, nil, "", "ExpressionAttributeNames can only be specified when using expressions"},
		{nil, map[string]value{":a": &vS{}}, "", "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		{map[string]string{}, nil, "a = b", "ExpressionAttributeNames must not be empty"},
		{nil, map[string]value{}, "a = b", "ExpressionAttributeValues must not be empty"},
		{map[string]string{"a": "a"}, nil, "a = b", `ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`},
		{nil, map[string]value{":": &vS{}}, "a = b", `ExpressionAttributeValues contains invalid key: Syntax error; key: ":"`},
		{nil, map[string]value{":a": &vN{Value: "x"}}, "a = :a", "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :a"},
		{map[string]string{"#a": "a", "#b": "b"}, nil, "#a = c", "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"},
		{nil, map[string]value{":a": &vS{}, ":b": &vS{}, ":c": &vS{}}, "a = :a", "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b, :c}"},
	} {
		w := &write{kind: deleteKind, names: c.names, values: c.values, key: item{}}
		if c.cond != "" {
			w.condition = &c.cond
		}
		if err := w.compile(d); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// FuzzExpressions feeds the three grammars: every answer is a tree or a
// ValidationException, and a tree can be compiled, matched and applied.
func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		"attribute_not_exists(LockID)", "(a = :x OR NOT #b.c[0] < :y) and size(d) between :lo AND :hi", "a IN (:a, :b) AND begins_with(p, :q)",
		"SET a.b[2] = if_not_exists(a.b[2], :z) + :o, #n = list_append(#n, :l) REMOVE x, y[1] ADD cnt :one DELETE s :v", "a, b.c[1], #d", "a == :b", "((", "a[", "é = :s", "a = :s \x00",
	} {
		f.Add(s)
	}
	it := parseItem(f, `{"a":{"S":"abc"},"n":{"N":"5"},"ss":{"SS":["x"]},"l":{"L":[{"S":"0"},{"M":{"b":{"N":"1"}}}]},"m":{"M":{"b":{"L":[{"N":"1"}]}}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		check := func(err error) {
			if err != nil && !strings.HasPrefix(err.Error(), "ValidationException: ") {
				t.Fatalf("%q: %v", s, err)
			}
		}
		sc := testScope(t)
		c, err := sc.condition("ConditionExpression", &s)
		check(err)
		if err == nil {
			c.match(it)
			c.match(nil)
			_, err = keyConditions(c)
			check(err)
		}
		u, err := sc.update(&s)
		check(err)
		if err == nil {
			after, err := u.apply(it)
			check(err)
			if err == nil && len(u.paths) > 0 {
				project(after, u.paths)
			}
		}
		p, err := sc.projection(&s)
		check(err)
		if err == nil {
			project(it, p)
		}
	})
}
