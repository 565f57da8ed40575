package wire

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// values draws attribute values, nested up to a depth.
func values(depth int) *rapid.Generator[attributeValue] {
	text := rapid.String()
	options := []*rapid.Generator[attributeValue]{
		rapid.Map(text, func(s string) attributeValue { return &attributeValueMemberS{s} }),
		rapid.Map(text, func(s string) attributeValue { return &attributeValueMemberN{s} }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) attributeValue { return &attributeValueMemberB{b} }),
		rapid.Map(rapid.Bool(), func(b bool) attributeValue { return &attributeValueMemberBOOL{b} }),
		rapid.Map(rapid.Bool(), func(b bool) attributeValue { return &attributeValueMemberNULL{b} }),
		rapid.Map(rapid.SliceOf(text), func(l []string) attributeValue { return &attributeValueMemberSS{l} }),
		rapid.Map(rapid.SliceOf(rapid.SliceOf(rapid.Byte())), func(l [][]byte) attributeValue { return &attributeValueMemberBS{l} }),
	}
	if depth > 0 {
		options = append(options,
			rapid.Map(rapid.SliceOfN(values(depth-1), 0, 3), func(l []attributeValue) attributeValue { return &attributeValueMemberL{l} }),
			rapid.Map(rapid.MapOfN(text, values(depth-1), 0, 3), func(m map[string]attributeValue) attributeValue { return &attributeValueMemberM{m} }))
	}
	return rapid.OneOf(options...)
}

// TestUnions writes items with the codec, reads them with encoding/json and
// with the codec, and wants the same.
func TestUnions(t *testing.T) {
	m := mustLoad(t, "dynamodb").With(Options{Unions: []Union{attributeValues}})
	rapid.Check(t, func(t *rapid.T) {
		item := rapid.MapOfN(rapid.String(), values(3), 0, 3).Draw(t, "item")
		c, e := target(m, "GetItem", "{}")
		if e != nil {
			t.Fatal(e)
		}
		w := httptest.NewRecorder()
		c.Reply(w, &dynamoGetItemOutput{Item: item})
		if got, want := w.Header().Get("X-Amz-Crc32"), strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10); got != want {
			t.Fatalf("got checksum %s, want %s", got, want)
		}
		var x struct{ Item any }
		if err := json.Unmarshal(w.Body.Bytes(), &x); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		if got, want := x.Item, dump(reflect.ValueOf(item)); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		body, err := json.Marshal(map[string]any{"TableName": "table", "Key": x.Item})
		if err != nil {
			t.Fatal(err)
		}
		if c, e = target(m, "GetItem", string(body)); e != nil {
			t.Fatal(e)
		}
		var in dynamoGetItemInput
		if e := c.Input(&in); e != nil && e.Code != "ValidationException" {
			t.Fatal(e)
		}
		if got, want := dump(reflect.ValueOf(in.Key)), dump(reflect.ValueOf(item)); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestJSONInput(t *testing.T) {
	m := mustLoad(t, "dynamodb").With(Options{Unions: []Union{attributeValues}})
	for _, test := range []struct{ body, want string }{
		{`{"TableName":"t","Key":{"a":{"S":""}},"ConsistentRead":null,"Unknown":[1]}`, ""},
		{``, "ValidationException: 2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null"},
		{`{"Key":{}}`, "ValidationException: 1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"},
		{`{"TableName":1}`, "SerializationException: NUMBER_VALUE can not be converted to String"},
		{`{"TableName":true}`, "SerializationException: TRUE_VALUE can not be converted to String"},
		{`{"TableName":{}}`, "SerializationException: Start of structure or map found where not expected."},
		{`{"TableName":["a"]}`, "SerializationException: Start of list found where not expected"},
		{`{"ConsistentRead":"true"}`, "SerializationException: STRING_VALUE can not be converted to Boolean"},
		{`{"Key":"a"}`, "SerializationException: STRING_VALUE can not be converted to Map"},
		{`{"TableName":"t","Key":{"a":{}}}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{`{"TableName":"t","Key":{"a":{"S":"x","N":"1"}}}`, "ValidationException: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
		{`{"TableName":"t","Key":{"a":{"B":"?"}}}`, "SerializationException: STRING_VALUE can not be converted to Blob"},
		{`[]`, "SerializationException: Start of list found where not expected"},
		{`{`, "SerializationException: The request body is not valid JSON."},
		{`{} {}`, "SerializationException: The request body holds more than one JSON document."},
		{strings.Repeat(`{"M":`, 200), "SerializationException: The request is nested more than 128 levels deep."},
		{strings.Repeat(`[`, 1_000_000), "SerializationException: The request is nested more than 128 levels deep."},
	} {
		c, e := target(m, "GetItem", test.body)
		if e == nil {
			e = c.Input(&dynamoGetItemInput{})
		}
		if test.want == "" && e != nil || test.want != "" && (e == nil || e.Error() != test.want || e.Status != 400) {
			t.Errorf("%.60s:\ngot  %v\nwant %s", test.body, e, test.want)
		}
	}
	// Without the union the error names the cure.
	c, _ := target(mustLoad(t, "dynamodb"), "GetItem", "{}")
	if e := c.Input(&dynamoGetItemInput{}); e == nil || !strings.Contains(e.Message, "Options.Unions") {
		t.Errorf("got %v, want an error that names Options.Unions", e)
	}
}

func TestScalars(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z"},
		{"2006-01-02T15:04:05.123Z", "2006-01-02T15:04:05.123Z"},
		{"2006-01-02T17:04:05+02:00", "2006-01-02T15:04:05Z"},
		{"20060102T150405Z", "2006-01-02T15:04:05Z"},
		{"1136214245", "2006-01-02T15:04:05Z"},
		{"1.136214245123e9", "2006-01-02T15:04:05.123Z"},
		{"Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"},
		{"yesterday", ""}, {"1e99", ""}, {"NaN", ""}, {"0x10", ""}, {"", ""},
	} {
		got, err := parseTime(test.in)
		if test.want == "" {
			if err == nil {
				t.Errorf("%q: got %v, want an error", test.in, got)
			}
			continue
		}
		if s := got.Format(time.RFC3339Nano); err != nil || s != test.want {
			t.Errorf("%q: got %s, %v, want %s", test.in, s, err, test.want)
		}
	}
	at := time.Date(2006, 1, 2, 15, 4, 5, 120e6, time.UTC)
	for format, want := range map[string]string{
		"": "2006-01-02T15:04:05Z", formatISO: "2006-01-02T15:04:05Z", layoutMillis: "2006-01-02T15:04:05.120Z",
		formatHTTP: "Mon, 02 Jan 2006 15:04:05 GMT", formatEpoch: "1136214245.12",
	} {
		if got := string(appendTime(nil, at, format)); got != want {
			t.Errorf("%s: got %s, want %s", format, got, want)
		}
	}
	for in, want := range map[float64]string{math.NaN(): "NaN", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", 1.5: "1.5", 1e21: "1e+21"} {
		if got := string(appendFloat(nil, in, 64)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestText compares the two escapers with what other readers make of them.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Fatalf("JSON: got %q, %v, want %q", got, err, s)
		}
	})
	for in, want := range map[string]string{
		`a&b<c>"d'`:     `a&amp;b&lt;c&gt;&quot;d'`,
		"a\r\n\tb":      "a&#xD;\n\tb",
		"a\x00\x1fb":    "a&#x0;&#x1F;b",
		"é😀\uFFFD":      "é😀\uFFFD",
		"a\xffb\uFFFEc": "a\uFFFDb\uFFFDc",
		"\u00a0\u2028x": "\u00a0\u2028x",
	} {
		if got := string(appendXML(nil, in, false)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := string(appendXML(nil, "a\nb\t", true)); got != "a&#xA;b&#x9;" {
		t.Errorf("attribute: got %q", got)
	}
	if got := string(appendString(nil, "a\xffb")); got != "\"a\uFFFDb\"" {
		t.Errorf("got %q", got)
	}
}
