package dynamodb

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestTerraformLock is the S3 backend's use of a lock table.
func TestTerraformLock(t *testing.T) {
	w := newWorld(t)
	table := aws.String(w.make("lock", "LockID:S"))
	lock := &api.PutItemInput{TableName: table, ConditionExpression: aws.String("attribute_not_exists(LockID)"),
		Item: item{"LockID": &vS{Value: "bucket/key"}, "Info": &vS{Value: "{}"}}}
	if _, err := w.PutItem(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	_, err := w.PutItem(t.Context(), lock)
	wantError(t, err, "ConditionalCheckFailedException", "The conditional request failed")
	if e, ok := errors.AsType[*types.ConditionalCheckFailedException](err); !ok || e.Item != nil {
		t.Errorf("the error is %T with the item %v", err, e)
	}
	key := item{"LockID": &vS{Value: "bucket/key"}}
	get := func(want string) {
		t.Helper()
		out, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: table, Key: key, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("LockID, Info")})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(out.Item); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	get(`{"Info":{"S":"{}"},"LockID":{"S":"bucket/key"}}`)
	if _, err := w.DeleteItem(t.Context(), &api.DeleteItemInput{TableName: table, Key: key}); err != nil {
		t.Fatal(err)
	}
	out, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: table, Key: key})
	if err != nil || out.Item != nil {
		t.Errorf("after the lock: %v %v", out, err)
	}
	// What failed shows if asked for.
	if _, err := w.PutItem(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	lock.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err = w.PutItem(t.Context(), lock)
	if e, ok := errors.AsType[*types.ConditionalCheckFailedException](err); !ok || show(e.Item) != show(lock.Item) || e.ErrorMessage() != "The conditional request failed" {
		t.Errorf("the error is %T %v", err, err)
	}
}

func TestReturnValues(t *testing.T) {
	w := newWorld(t)
	table := aws.String(w.make("t12", "id:S"))
	key := item{"id": &vS{Value: "1"}}
	w.put("t12", parseItem(t, `{"id":{"S":"1"},"a":{"N":"1.50"},"m":{"M":{"x":{"N":"1"},"y":{"N":"2"}}}}`))
	for _, c := range []struct {
		update, returns, want string
	}{
		{"SET a = a + :n", "", `{}`},
		{"SET a = a + :n", "UPDATED_OLD", `{"a":{"N":"2.5"}}`},
		{"SET a = a + :n", "UPDATED_NEW", `{"a":{"N":"4.5"}}`},
		{"SET m.x = m.x + :n, b = :n", "UPDATED_NEW", `{"b":{"N":"1"},"m":{"M":{"x":{"N":"2"}}}}`},
		{"SET c = :n", "UPDATED_OLD", `{}`},
		{"REMOVE c, b ADD a :n", "ALL_OLD", `{"a":{"N":"4.5"},"b":{"N":"1"},"c":{"N":"1"},"id":{"S":"1"},"m":{"M":{"x":{"N":"2"},"y":{"N":"2"}}}}`},
		{"REMOVE m ADD a :n", "ALL_NEW", `{"a":{"N":"6.5"},"id":{"S":"1"}}`},
	} {
		out, err := w.UpdateItem(t.Context(), &api.UpdateItemInput{TableName: table, Key: key, UpdateExpression: &c.update, ReturnValues: types.ReturnValue(c.returns), ExpressionAttributeValues: item{":n": &vN{Value: "1"}}})
		if err != nil {
			t.Errorf("%s: %v", c.update, err)
			continue
		}
		if got := show(out.Attributes); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.update, c.returns, got, c.want)
		}
	}
	// An update makes the item that it does not find.
	out, err := w.UpdateItem(t.Context(), &api.UpdateItemInput{TableName: table, Key: item{"id": &vS{Value: "2"}}, UpdateExpression: aws.String("REMOVE a"), ReturnValues: "ALL_NEW"})
	if err != nil || show(out.Attributes) != `{"id":{"S":"2"}}` {
		t.Errorf("made %v %v", out, err)
	}
	put, err := w.PutItem(t.Context(), &api.PutItemInput{TableName: table, Item: key, ReturnValues: "ALL_OLD"})
	if err != nil || show(put.Attributes) != `{"a":{"N":"6.5"},"id":{"S":"1"}}` {
		t.Errorf("replaced %v %v", put, err)
	}
	gone, err := w.DeleteItem(t.Context(), &api.DeleteItemInput{TableName: table, Key: key, ReturnValues: "ALL_OLD"})
	if err != nil || show(gone.Attributes) != `{"id":{"S":"1"}}` {
		t.Errorf("deleted %v %v", gone, err)
	}
	_, err = w.PutItem(t.Context(), &api.PutItemInput{TableName: table, Item: key, ReturnValues: "ALL_NEW"})
	wantError(t, err, "ValidationException", "ReturnValues can only be ALL_OLD or NONE")
	_, err = w.DeleteItem(t.Context(), &api.DeleteItemInput{TableName: table, Key: key, ConditionExpression: aws.String("attribute_exists(id)")})
	wantError(t, err, "ConditionalCheckFailedException", "The conditional request failed")
}

func TestBadItems(t *testing.T) {
	w := newWorld(t)
	w.make("t12", "id:S", "at:N")
	big := item{"id": &vS{Value: "1"}, "at": &vN{Value: "1"}, "x": &vS{Value: strings.Repeat("x", maxItem)}}
	for it, want := range map[string]string{
		`{"at":{"N":"1"}}`:                  "Missing the key id in the item",
		`{"id":{"S":"1"}}`:                  "Missing the key at in the item",
		`{"id":{"N":"1"},"at":{"N":"1"}}`:   "Type mismatch for key id expected: S actual: N",
		`{"id":{"S":""},"at":{"N":"1"}}`:    "cannot contain an empty string value. Key: id",
		`{"id":{"S":"1"},"at":{"N":"one"}}`: "cannot be converted to a numeric value: one",
		show(big):                           "Item size has exceeded the maximum allowed size",
		`{"id":{"S":"` + strings.Repeat("k", 2049) + `"},"at":{"N":"1"}}`: "Size of hashkey has exceeded the maximum size limit of2048 bytes",
	} {
		_, err := w.PutItem(t.Context(), &api.PutItemInput{TableName: aws.String("t12"), Item: parseItem(t, it)})
		t.Logf("%.60s", it)
		wantError(t, err, "ValidationException", want)
	}
	for key, want := range map[string]string{
		`{"id":{"S":"1"}}`:                              "The provided key element does not match the schema",
		`{"id":{"S":"1"},"at":{"S":"1"}}`:               "The provided key element does not match the schema",
		`{"id":{"S":"1"},"at":{"N":"1"},"x":{"N":"1"}}`: "The provided key element does not match the schema",
	} {
		_, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("t12"), Key: parseItem(t, key)})
		wantError(t, err, "ValidationException", want)
	}
	key := parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"}}`)
	_, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("none"), Key: key})
	wantError(t, err, "ResourceNotFoundException", "Requested resource not found")
	_, err = w.UpdateItem(t.Context(), &api.UpdateItemInput{TableName: aws.String("t12"), Key: key, UpdateExpression: aws.String("SET id = :x"), ExpressionAttributeValues: item{":x": &vS{Value: "2"}}})
	wantError(t, err, "ValidationException", "Cannot update attribute id. This attribute is part of the key")
	for parameter, call := range map[string]func() error{
		"Expected": func() error {
			_, err := w.PutItem(t.Context(), &api.PutItemInput{TableName: aws.String("t12"), Item: key, Expected: map[string]types.ExpectedAttributeValue{"id": {Exists: aws.Bool(false)}}})
			return err
		},
		"AttributeUpdates": func() error {
			_, err := w.UpdateItem(t.Context(), &api.UpdateItemInput{TableName: aws.String("t12"), Key: key, AttributeUpdates: map[string]types.AttributeValueUpdate{"x": {}}})
			return err
		},
		"AttributesToGet": func() error {
			_, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("t12"), Key: key, AttributesToGet: []string{"id"}})
			return err
		},
		"ScanFilter": func() error {
			_, err := w.Scan(t.Context(), &api.ScanInput{TableName: aws.String("t12"), ScanFilter: map[string]types.Condition{"x": {ComparisonOperator: "NULL"}}})
			return err
		},
		"KeyConditions": func() error {
			_, err := w.Query(t.Context(), &api.QueryInput{TableName: aws.String("t12"), KeyConditions: map[string]types.Condition{"x": {ComparisonOperator: "NULL"}}})
			return err
		},
	} {
		wantError(t, call(), "ValidationException", "does not support the parameter "+parameter)
	}
}

// TestNormalisedNumbers checks that one number is one key and comes back in
// one form.
func TestNormalisedNumbers(t *testing.T) {
	w := newWorld(t)
	table := aws.String(w.make("t12", "n:N"))
	w.put("t12", parseItem(t, `{"n":{"N":"1.0"},"v":{"NS":["3.10","1e2"]},"m":{"M":{"l":{"L":[{"N":"007"}]}}}}`))
	out, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: table, Key: item{"n": &vN{Value: "100e-2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(out.Item), `{"m":{"M":{"l":{"L":[{"N":"7"}]}}},"n":{"N":"1"},"v":{"NS":["3.1","100"]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestConsumedCapacity(t *testing.T) {
	w := newWorld(t)
	indexed(w)
	body := &vS{Value: strings.Repeat("x", 5000)}
	it := parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"},"who":{"S":"bob"}}`)
	it["body"] = body
	put, err := w.PutItem(t.Context(), &api.PutItemInput{TableName: aws.String("events"), Item: it, ReturnConsumedCapacity: "INDEXES", ReturnItemCollectionMetrics: "SIZE"})
	if err != nil {
		t.Fatal(err)
	}
	c := put.ConsumedCapacity
	if *c.Table.CapacityUnits != 5 || *c.GlobalSecondaryIndexes["by-who"].CapacityUnits != 1 || c.LocalSecondaryIndexes != nil || *c.CapacityUnits != 6 || *c.TableName != "events" {
		t.Errorf("put consumed %v %v", *c.CapacityUnits, c)
	}
	if show(put.ItemCollectionMetrics.ItemCollectionKey) != `{"id":{"S":"1"}}` {
		t.Errorf("collection %v", put.ItemCollectionMetrics)
	}
	get := func(consistent bool) float64 {
		out, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("events"), Key: parseItem(t, `{"id":{"S":"1"},"at":{"N":"1"}}`), ConsistentRead: &consistent, ReturnConsumedCapacity: "TOTAL"})
		if err != nil {
			t.Fatal(err)
		}
		return *out.ConsumedCapacity.CapacityUnits
	}
	if a, b := get(false), get(true); a != 1 || b != 2 {
		t.Errorf("get consumed %v and %v, want 1 and 2", a, b)
	}
	q, err := w.Query(t.Context(), &api.QueryInput{TableName: aws.String("events"), KeyConditionExpression: aws.String("id = :i"), ExpressionAttributeValues: item{":i": &vS{Value: "none"}}, ReturnConsumedCapacity: "TOTAL"})
	if err != nil || *q.ConsumedCapacity.CapacityUnits != 0.5 {
		t.Errorf("an empty query consumed %v %v", q, err)
	}
}

// TestWritesAreKept closes the store and opens it again.
func TestWritesAreKept(t *testing.T) {
	dir := t.TempDir()
	full := parseItem(t, `{"id":{"B":"AP8="},"b":{"B":""},"l":{"L":[{"NULL":true},{"M":{}}]},"bs":{"BS":["AQ==","Ag=="]},"who":{"S":"x"}}`)
	t.Run("write", func(t *testing.T) {
		f := newFront(t, dir, Options{})
		w := world{t, f, f.client(account)}
		w.make("kept", "id:B")
		gsi(w, "kept", "by-who", "who")
		w.put("kept", full)
	})
	f := newFront(t, dir, Options{})
	w := world{t, f, f.client(account)}
	out, err := w.Query(t.Context(), &api.QueryInput{TableName: aws.String("kept"), IndexName: aws.String("by-who"), KeyConditionExpression: aws.String("who = :w"), ExpressionAttributeValues: item{":w": &vS{Value: "x"}}})
	if err != nil || len(out.Items) != 1 || show(out.Items[0]) != show(full) {
		t.Errorf("kept %v %v, want %s", out, err, show(full))
	}
}
