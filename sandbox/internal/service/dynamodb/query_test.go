package dynamodb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"
)

// indexed makes the table events with a global and a local index.
func indexed(w world) {
	w.Helper()
	attr := func(n, typ string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeType(typ)}
	}
	key := func(n string, k types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &n, KeyType: k}
	}
	_, err := w.CreateTable(w.Context(), &api.CreateTableInput{
		TableName: aws.String("events"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{attr("id", "S"), attr("at", "N"), attr("who", "S"), attr("level", "N")},
		KeySchema:            []types.KeySchemaElement{key("id", "HASH"), key("at", "RANGE")},
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{{IndexName: aws.String("by-level"), KeySchema: []types.KeySchemaElement{key("id", "HASH"), key("level", "RANGE")},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("by-who"), KeySchema: []types.KeySchemaElement{key("who", "HASH"), key("at", "RANGE")},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"level"}}}},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Checks()
}

// gsi adds a global index on a string attribute.
func gsi(w world, table, name, hash string) {
	w.Helper()
	out, err := w.DescribeTable(w.Context(), &api.DescribeTableInput{TableName: &table})
	if err != nil {
		w.Fatal(err)
	}
	_, err = w.UpdateTable(w.Context(), &api.UpdateTableInput{TableName: &table,
		AttributeDefinitions: append(out.Table.AttributeDefinitions, types.AttributeDefinition{AttributeName: &hash, AttributeType: "S"}),
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: &name,
			KeySchema: []types.KeySchemaElement{{AttributeName: &hash, KeyType: "HASH"}}, Projection: &types.Projection{ProjectionType: "ALL"}}}}})
	if err != nil {
		w.Fatal(err)
	}
}

// brief prints the "at" of items.
func brief(its []map[string]value) string {
	var out []string
	for _, it := range its {
		n, _ := it["at"].(*vN)
		out = append(out, n.Value)
	}
	return strings.Join(out, " ")
}

func TestQuery(t *testing.T) {
	w := newWorld(t)
	indexed(w)
	for _, at := range []string{"-10", "-2.5", "-2", "0", "0.5", "3", "20", "100"} {
		w.put("events", item{"id": &vS{Value: "1"}, "at": &vN{Value: at}, "who": &vS{Value: "bob"}, "level": &vN{Value: strconv.Itoa(len(at))}, "x": &vS{Value: "x" + at}})
	}
	w.put("events", item{"id": &vS{Value: "2"}, "at": &vN{Value: "7"}, "who": &vS{Value: "bob"}}, item{"id": &vS{Value: "2"}, "at": &vN{Value: "8"}})
	for _, c := range []struct {
		key, filter, index string
		backward           bool
		want               string
	}{
		{"id = :i", "", "", false, "-10 -2.5 -2 0 0.5 3 20 100"},
		{"id = :i", "", "", true, "100 20 3 0.5 0 -2 -2.5 -10"},
		{"id = :i AND #at = :zero", "", "", false, "0"},
		{"id = :i AND #at < :zero", "", "", false, "-10 -2.5 -2"},
		{"id = :i AND #at <= :zero", "", "", false, "-10 -2.5 -2 0"},
		{"id = :i AND #at > :zero", "", "", false, "0.5 3 20 100"},
		{"id = :i AND #at >= :zero", "", "", true, "100 20 3 0.5 0"},
		{"#at BETWEEN :low AND :three AND id = :i", "", "", false, "-2 0 0.5 3"},
		{"(id = :i) AND (#at > :low)", "", "", false, "0 0.5 3 20 100"},
		{"id = :i", "contains(x, :dot)", "", false, "-2.5 0.5"},
		{"id = :i", "contains(x, :dot)", "", true, "0.5 -2.5"},
		{"who = :bob", "", "by-who", false, "-10 -2.5 -2 0 0.5 3 7 20 100"},
		{"who = :bob AND #at > :three", "", "by-who", false, "7 20 100"},
		{"who = :bob", "attribute_exists(x)", "by-who", false, ""}, // x is not projected
		{"id = :i", "", "by-level", false, "0 3 -2 20 -10 0.5 100 -2.5"},
		{"id = :i AND #level >= :three", "", "by-level", false, "-10 0.5 100 -2.5"},
	} {
		in := &api.QueryInput{TableName: aws.String("events"), KeyConditionExpression: &c.key, ExpressionAttributeValues: item{}, ScanIndexForward: aws.Bool(!c.backward)}
		for k, v := range map[string]value{":i": &vS{Value: "1"}, ":zero": &vN{Value: "0"}, ":low": &vN{Value: "-2"}, ":three": &vN{Value: "3"}, ":dot": &vS{Value: "."}, ":bob": &vS{Value: "bob"}} {
			if strings.Contains(c.key+c.filter, k) {
				in.ExpressionAttributeValues[k] = v
			}
		}
		for _, n := range []string{"at", "level"} {
			if strings.Contains(c.key, "#"+n) {
				in.ExpressionAttributeNames = map[string]string{"#" + n: n}
			}
		}
		if c.filter != "" {
			in.FilterExpression = &c.filter
		}
		if c.index != "" {
			in.IndexName = &c.index
		}
		out, err := w.Query(t.Context(), in)
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		if got := brief(out.Items); got != c.want || int(out.Count) != len(out.Items) || out.LastEvaluatedKey != nil {
			t.Errorf("%s %s %s: got %q, want %q", c.index, c.key, c.filter, got, c.want)
		}
		// The same, page by page.
		var pages []map[string]value
		in.Limit = aws.Int32(2)
		p := api.NewQueryPaginator(w.Client, in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if page.ScannedCount > 2 {
				t.Errorf("%s: a page scanned %d", c.key, page.ScannedCount)
			}
			pages = append(pages, page.Items...)
		}
		if got := brief(pages); got != c.want {
			t.Errorf("%s %s %s by pages: got %q, want %q", c.index, c.key, c.filter, got, c.want)
		}
		in.Limit, in.Select = nil, types.SelectCount
		count, err := w.Query(t.Context(), in)
		if err != nil || count.Items != nil || count.Count != out.Count || count.ScannedCount != out.ScannedCount {
			t.Errorf("%s: count %v %v, want %d of %d", c.key, count, err, out.Count, out.ScannedCount)
		}
	}
}

func TestIndexViews(t *testing.T) {
	w := newWorld(t)
	indexed(w)
	w.put("events", parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"},"who":{"S":"bob"},"level":{"N":"5"},"x":{"S":"x"}}`))
	query := func(index, key string, edit func(*api.QueryInput)) (string, error) {
		in := &api.QueryInput{TableName: aws.String("events"), IndexName: &index, KeyConditionExpression: &key, ExpressionAttributeValues: item{":v": &vS{Value: map[string]string{"by-who": "bob", "by-level": "1"}[index]}}}
		edit(in)
		out, err := w.Query(t.Context(), in)
		if err != nil || len(out.Items) == 0 {
			return "", err
		}
		return show(out.Items[0]), nil
	}
	none := func(*api.QueryInput) {}
	for _, c := range []struct {
		index, key string
		edit       func(*api.QueryInput)
		want, err  string
	}{
		{"by-who", "who = :v", none, `{"at":{"N":"1"},"id":{"S":"1"},"level":{"N":"5"},"who":{"S":"bob"}}`, ""},
		{"by-level", "id = :v", none, `{"at":{"N":"1"},"id":{"S":"1"},"level":{"N":"5"}}`, ""},
		{"by-level", "id = :v", func(in *api.QueryInput) { in.Select = types.SelectAllAttributes }, `{"at":{"N":"1"},"id":{"S":"1"},"level":{"N":"5"},"who":{"S":"bob"},"x":{"S":"x"}}`, ""},
		{"by-level", "id = :v", func(in *api.QueryInput) { in.ProjectionExpression = aws.String("x") }, `{"x":{"S":"x"}}`, ""},
		{"by-who", "who = :v", func(in *api.QueryInput) { in.Select = types.SelectAllAttributes }, "", "Select type ALL_ATTRIBUTES is not supported for global secondary index by-who"},
		{"by-who", "who = :v", func(in *api.QueryInput) { in.ProjectionExpression = aws.String("x") }, "", "Global secondary index by-who does not project [x]"},
		{"by-who", "who = :v", func(in *api.QueryInput) { in.ConsistentRead = aws.Bool(true) }, "", "Consistent reads are not supported on global secondary indexes"},
		{"by-level", "id = :v", func(in *api.QueryInput) { in.ConsistentRead = aws.Bool(true) }, `{"at":{"N":"1"},"id":{"S":"1"},"level":{"N":"5"}}`, ""},
		{"none", "id = :v", none, "", "The table does not have the specified index: none"},
		{"by-who", "who = :v", func(in *api.QueryInput) { in.Select = types.SelectSpecificAttributes }, "", "Must specify the AttributesToGet or ProjectionExpression"},
		{"by-who", "who = :v", func(in *api.QueryInput) {
			in.Select, in.ProjectionExpression = types.SelectCount, aws.String("id")
		}, "", "Cannot specify the ProjectionExpression when choosing to get only the Count"},
	} {
		got, err := query(c.index, c.key, c.edit)
		if c.err != "" {
			wantError(t, err, "ValidationException", c.err)
		} else if err != nil || got != c.want {
			t.Errorf("%s: got %s %v, want %s", c.index, got, err, c.want)
		}
	}
	// An index follows its items.
	update := func(expr string, values item) {
		t.Helper()
		in := &api.UpdateItemInput{TableName: aws.String("events"), Key: parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"}}`), UpdateExpression: &expr}
		if values != nil {
			in.ExpressionAttributeValues = values
		}
		if _, err := w.UpdateItem(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	update("SET x = :x", item{":x": &vS{Value: "y"}})
	update("REMOVE who", nil)
	if got, err := query("by-who", "who = :v", none); got != "" || err != nil {
		t.Errorf("after REMOVE who: %s %v", got, err)
	}
	update("SET who = :w", item{":w": &vS{Value: "bob"}})
	if got, err := query("by-who", "who = :v", none); got == "" || err != nil {
		t.Errorf("after SET who: %s %v", got, err)
	}
	_, err := w.UpdateItem(t.Context(), &api.UpdateItemInput{TableName: aws.String("events"), Key: parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"}}`), UpdateExpression: aws.String("SET who = :w"), ExpressionAttributeValues: item{":w": &vN{Value: "1"}}})
	wantError(t, err, "ValidationException", "The update expression attempted to update the secondary index key to unsupported type")
	_, err = w.PutItem(t.Context(), &api.PutItemInput{TableName: aws.String("events"), Item: parseItem(t, `{"id":{"S":"1"},"at":{"N":"2"},"level":{"S":"x"}}`)})
	wantError(t, err, "ValidationException", "Type mismatch for Index Key level Expected: N Actual: S IndexName: by-level")
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t)
	indexed(w)
	w.make("flat", "id:S")
	base := item{":s": &vS{Value: "1"}, ":n": &vN{Value: "1"}, ":m": &vN{Value: "2"}, ":e": &vS{}}
	for _, c := range []struct{ table, key, filter, want string }{
		{"events", "at = :n", "", "Query condition missed key schema element: id"},
		{"events", "id > :s", "", "Query key condition not supported"},
		{"events", "id = :s AND who = :s", "", "Query condition missed key schema element: at"},
		{"events", "id = :n", "", "Condition parameter type does not match schema type"},
		{"events", "id = :e", "", "cannot contain an empty string value. Key: id"},
		{"events", "id = :s AND id = :s", "", "KeyConditionExpressions must only contain one condition per key"},
		{"events", "id = :s OR id = :e", "", "Invalid operator used in KeyConditionExpression: OR"},
		{"events", "NOT id = :s", "", "Invalid operator used in KeyConditionExpression: NOT"},
		{"events", "id <> :s", "", "Invalid operator used in KeyConditionExpression: <>"},
		{"events", "id IN (:s)", "", "Invalid operator used in KeyConditionExpression: IN"},
		{"events", "id = :s AND attribute_exists(who)", "", "Invalid operator used in KeyConditionExpression: attribute_exists"},
		{"events", "id.x = :s", "", "KeyConditionExpressions cannot have conditions on nested attributes"},
		{"events", ":s = id", "", "= operator must have the key attribute as its first operand"},
		{"events", "id = who", "", "Multiple attribute names used in one condition"},
		{"events", "id = :s AND at BETWEEN :m AND :n", "", "The BETWEEN operator requires upper bound to be greater than or equal to lower bound"},
		{"events", "id = :s AND begins_with(at, :n)", "", "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
		{"events", "id = :s", "id = :s", "Filter Expression can only contain non-primary key attributes: Primary key attribute: id"},
		{"events", "id = :s", "at = :n", "Filter Expression can only contain non-primary key attributes: Primary key attribute: at"},
		{"flat", "id = :s AND x = :s", "", "Query key condition not supported"},
		{"events", "id = ", "", "Invalid KeyConditionExpression: Syntax error"},
	} {
		in := &api.QueryInput{TableName: &c.table, KeyConditionExpression: &c.key}
		if c.filter != "" {
			in.FilterExpression = &c.filter
		}
		// at is a reserved word
		names := strings.NewReplacer(" at ", " #at ", "(at,", "(#at,")
		key := strings.TrimSpace(names.Replace(" " + c.key + " "))
		in.KeyConditionExpression = &key
		if c.filter != "" {
			filter := strings.TrimSpace(names.Replace(" " + c.filter + " "))
			in.FilterExpression = &filter
		}
		if strings.Contains(key+aws.ToString(in.FilterExpression), "#at") {
			in.ExpressionAttributeNames = map[string]string{"#at": "at"}
		}
		for k, v := range base {
			if strings.Contains(c.key+c.filter, k) {
				if in.ExpressionAttributeValues == nil {
					in.ExpressionAttributeValues = item{}
				}
				in.ExpressionAttributeValues[k] = v
			}
		}
		_, err := w.Query(t.Context(), in)
		t.Log(c.key, c.filter)
		wantError(t, err, "ValidationException", c.want)
	}
	_, err := w.Query(t.Context(), &api.QueryInput{TableName: aws.String("flat")})
	wantError(t, err, "ValidationException", "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	_, err = w.Query(t.Context(), &api.QueryInput{TableName: aws.String("events"), KeyConditionExpression: aws.String("id = :s"), ExpressionAttributeValues: item{":s": base[":s"]}, ExclusiveStartKey: parseItem(t, `{"id":{"S":"2"},"at":{"N":"1"}}`)})
	wantError(t, err, "ValidationException", "The provided starting key is outside query boundaries based on provided conditions")
	_, err = w.Scan(t.Context(), &api.ScanInput{TableName: aws.String("events"), ExclusiveStartKey: parseItem(t, `{"id":{"S":"2"}}`)})
	wantError(t, err, "ValidationException", "The provided starting key is invalid")
}

func TestScan(t *testing.T) {
	w := newWorld(t)
	w.make("flat", "id:S")
	want := []string{}
	for i := range 60 {
		id := fmt.Sprintf("k%02d", i)
		want = append(want, id)
		it := item{"id": &vS{Value: id}}
		if i%10 == 0 {
			it["ten"] = &vBOOL{Value: true}
		}
		w.put("flat", it)
	}
	scan := func(in *api.ScanInput) (ids []string) {
		t.Helper()
		in.TableName = aws.String("flat")
		p := api.NewScanPaginator(w.Client, in)
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range out.Items {
				ids = append(ids, it["id"].(*vS).Value)
			}
		}
		return ids
	}
	if got := scan(&api.ScanInput{}); !slices.Equal(got, want) {
		t.Errorf("scan: %v", got)
	}
	if got := scan(&api.ScanInput{Limit: aws.Int32(7)}); !slices.Equal(got, want) {
		t.Errorf("scan by pages: %v", got)
	}
	if got := scan(&api.ScanInput{FilterExpression: aws.String("ten = :t"), ExpressionAttributeValues: item{":t": &vBOOL{Value: true}}, ProjectionExpression: aws.String("id")}); len(got) != 6 {
		t.Errorf("filtered scan: %v", got)
	}
	var all []string
	for i := range int32(4) {
		part := scan(&api.ScanInput{Segment: aws.Int32(i), TotalSegments: aws.Int32(4), Limit: aws.Int32(3)})
		if len(part) == 0 || len(part) == len(want) {
			t.Errorf("segment %d has %d items", i, len(part))
		}
		all = append(all, part...)
	}
	slices.Sort(all)
	if !slices.Equal(all, want) {
		t.Errorf("segments together: %v", all)
	}
	_, err := w.Scan(t.Context(), &api.ScanInput{TableName: aws.String("flat"), Segment: aws.Int32(4), TotalSegments: aws.Int32(4)})
	wantError(t, err, "ValidationException", "The Segment parameter is zero-based and must be less than parameter TotalSegments")
	_, err = w.Scan(t.Context(), &api.ScanInput{TableName: aws.String("flat"), Select: types.SelectAllProjectedAttributes})
	wantError(t, err, "ValidationException", "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
}

// TestPageSize checks that a page ends after a megabyte.
func TestPageSize(t *testing.T) {
	w := newWorld(t)
	w.make("flat", "id:S")
	for i := range 5 {
		w.put("flat", item{"id": &vS{Value: strconv.Itoa(i)}, "x": &vS{Value: strings.Repeat("x", 300<<10)}})
	}
	out, err := w.Scan(t.Context(), &api.ScanInput{TableName: aws.String("flat"), Select: types.SelectCount})
	if err != nil || out.Count != 4 || show(out.LastEvaluatedKey) != `{"id":{"S":"3"}}` {
		t.Errorf("got %d %s %v", out.Count, show(out.LastEvaluatedKey), err)
	}
}

// TestRangesAgainstModel compares conditions on sort keys of all types with a
// plain comparison.
func TestRangesAgainstModel(t *testing.T) {
	w := newWorld(t)
	pool := map[string][]value{"S": {}, "B": {}, "N": {}}
	for _, s := range []string{"a", "a\x00", "a\x00\x01", "a\x01", "ab", "b", "\x00", "é", "aa"} {
		pool["S"], pool["B"] = append(pool["S"], &vS{Value: s}), append(pool["B"], &vB{Value: []byte(s)})
	}
	pool["B"] = append(pool["B"], &vB{Value: []byte{0xff}}, &vB{Value: []byte{0xff, 0xff}}, &vB{Value: []byte{'a', 0xff}})
	for _, n := range []string{"-100", "-1.5", "-1", "-0.01", "0", "0.001", "1", "1.5", "10", "1e20"} {
		v := &vN{Value: n}
		if err := normalize(v, 0); err != nil {
			t.Fatal(err)
		}
		pool["N"] = append(pool["N"], v)
	}
	for typ, values := range pool {
		w.make("t-"+typ, "id:S", "k:"+typ)
		for _, v := range values {
			w.put("t-"+typ, item{"id": &vS{Value: "1"}, "k": v})
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom([]string{"S", "B", "N"}).Draw(rt, "type")
		op := rapid.SampledFrom([]string{"=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"}).Draw(rt, "op")
		a, b := rapid.SampledFrom(pool[typ]).Draw(rt, "a"), rapid.SampledFrom(pool[typ]).Draw(rt, "b")
		if n, _ := order(a, b); n > 0 {
			a, b = b, a
		}
		key, values := "id = :i AND k "+op+" :a", item{":i": &vS{Value: "1"}, ":a": a}
		matches := func(v value) bool { return compareValues(op, v, a) }
		switch op {
		case "BETWEEN":
			key, values[":b"] = key+" AND :b", b
			matches = func(v value) bool { return compareValues(">=", v, a) && compareValues("<=", v, b) }
		case "begins_with":
			if typ == "N" {
				rt.Skip("numbers have no beginning")
			}
			key = "id = :i AND begins_with(k, :a)"
			matches = func(v value) bool { return beginsWith{literal{v}, literal{a}}.match(nil) }
		}
		var want []value
		for _, v := range pool[typ] {
			if matches(v) {
				want = append(want, v)
			}
		}
		slices.SortFunc(want, func(x, y value) int { n, _ := order(x, y); return n })
		out, err := w.Query(t.Context(), &api.QueryInput{TableName: aws.String("t-" + typ), KeyConditionExpression: &key, ExpressionAttributeValues: values})
		if err != nil {
			rt.Fatal(err)
		}
		got := make([]value, 0, len(out.Items))
		for _, it := range out.Items {
			got = append(got, it["k"])
		}
		if !slices.EqualFunc(got, want, equal) {
			rt.Fatalf("%s %s %v %v: got %d, want %d", typ, op, printScalar(a), printScalar(b), len(got), len(want))
		}
	})
}
