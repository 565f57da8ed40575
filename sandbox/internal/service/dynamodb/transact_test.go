package dynamodb

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func id(s string) item { return item{"id": &vS{Value: s}} }

func TestTransactions(t *testing.T) {
	w := newWorld(t)
	table := aws.String(w.make("t12", "id:S"))
	w.put("t12", item{"id": &vS{Value: "a"}, "n": &vN{Value: "1"}}, id("b"))
	write := func(token string, its ...types.TransactWriteItem) (*api.TransactWriteItemsOutput, error) {
		in := &api.TransactWriteItemsInput{TransactItems: its, ReturnConsumedCapacity: "TOTAL"}
		if token != "" {
			in.ClientRequestToken = &token
		}
		return w.TransactWriteItems(t.Context(), in)
	}
	add := types.TransactWriteItem{Update: &types.Update{TableName: table, Key: id("a"), UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: item{":n": &vN{Value: "1"}}}}
	del := types.TransactWriteItem{Delete: &types.Delete{TableName: table, Key: id("b")}}
	put := types.TransactWriteItem{Put: &types.Put{TableName: table, Item: id("c"), ConditionExpression: aws.String("attribute_not_exists(id)"), ReturnValuesOnConditionCheckFailure: "ALL_OLD"}}
	check := types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: id("d"), ConditionExpression: aws.String("attribute_not_exists(id)")}}
	n := func() string {
		out, err := w.TransactGetItems(t.Context(), &api.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
			{Get: &types.Get{TableName: table, Key: id("a"), ProjectionExpression: aws.String("n")}}, {Get: &types.Get{TableName: table, Key: id("b")}}, {Get: &types.Get{TableName: table, Key: id("c")}}}})
		if err != nil || len(out.Responses) != 3 {
			t.Fatalf("%v %v", out, err)
		}
		return show(out.Responses[0].Item) + show(out.Responses[1].Item) + show(out.Responses[2].Item)
	}
	out, err := write("one", add, del, put, check)
	if err != nil || len(out.ConsumedCapacity) != 1 || *out.ConsumedCapacity[0].WriteCapacityUnits != 8 {
		t.Fatalf("transaction: %+v %v", out, err)
	}
	if got := n(); got != `{"n":{"N":"2"}}{}{"id":{"S":"c"}}` {
		t.Errorf("after the transaction: %s", got)
	}
	// Again: the token makes it idempotent, for ten minutes.
	out, err = write("one", add, del, put, check)
	if err != nil || *out.ConsumedCapacity[0].ReadCapacityUnits != 8 {
		t.Errorf("again: %+v %v", out, err)
	}
	_, err = write("one", add)
	wantError(t, err, "IdempotentParameterMismatchException", "ClientRequestToken")
	// The put fails, and so does everything.
	w.put("t12", id("b"))
	_, err = write("", add, del, put, check)
	wantError(t, err, "TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [None, None, ConditionalCheckFailed, None]")
	if e, ok := errors.AsType[*types.TransactionCanceledException](err); !ok || len(e.CancellationReasons) != 4 || *e.CancellationReasons[0].Code != "None" ||
		*e.CancellationReasons[2].Message != "The conditional request failed" || show(e.CancellationReasons[2].Item) != `{"id":{"S":"c"}}` {
		t.Errorf("the error is %T %+v", err, e)
	}
	if got := n(); got != `{"n":{"N":"2"}}{"id":{"S":"b"}}{"id":{"S":"c"}}` {
		t.Errorf("after the failure: %s", got)
	}
	w.Advance(11 * time.Minute)
	if _, err = write("one", add); err != nil {
		t.Errorf("the token outlived its time: %v", err)
	}
	bad := types.TransactWriteItem{Update: &types.Update{TableName: table, Key: id("a"), UpdateExpression: aws.String("SET x = gone")}}
	_, err = write("", del, bad)
	wantError(t, err, "TransactionCanceledException", "[None, ValidationError]")
	_, err = write("", add, bad)
	wantError(t, err, "ValidationException", "Transaction request cannot include multiple operations on one item")
	_, err = write("", types.TransactWriteItem{Update: add.Update, Delete: del.Delete})
	wantError(t, err, "ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete")
	_, err = write("", types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String("none"), Key: id("a")}})
	wantError(t, err, "ResourceNotFoundException", "Requested resource not found")
}

func TestBatches(t *testing.T) {
	w := newWorld(t)
	one, two := w.make("one", "id:S"), w.make("two", "id:S")
	var puts []types.WriteRequest
	for i := range 25 {
		puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: id(strconv.Itoa(i))}})
	}
	out, err := w.BatchWriteItem(t.Context(), &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{one: puts[:20], two: puts[20:]}, ReturnConsumedCapacity: "TOTAL"})
	if err != nil || out.UnprocessedItems == nil || len(out.UnprocessedItems) != 0 || len(out.ConsumedCapacity) != 2 || *out.ConsumedCapacity[0].CapacityUnits != 20 {
		t.Fatalf("%+v %v", out, err)
	}
	_, err = w.BatchWriteItem(t.Context(), &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{one: puts[:20], two: puts[:6]}})
	wantError(t, err, "ValidationException", "Too many items requested for the BatchWriteItem call")
	_, err = w.BatchWriteItem(t.Context(), &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{one: {puts[0], {DeleteRequest: &types.DeleteRequest{Key: id("0")}}}}})
	wantError(t, err, "ValidationException", "Provided list of item keys contains duplicates")
	_, err = w.BatchWriteItem(t.Context(), &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{one: {{}}}})
	wantError(t, err, "ValidationException", "exactly one of PutRequest and DeleteRequest")
	_, err = w.BatchWriteItem(t.Context(), &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{one: {{DeleteRequest: &types.DeleteRequest{Key: id("0")}}}, "none": puts[:1]}})
	wantError(t, err, "ResourceNotFoundException", "Requested resource not found")
	// All or nothing here: the delete was not done.
	get, err := w.BatchGetItem(t.Context(), &api.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		one: {Keys: []map[string]value{id("0"), id("1"), id("gone")}, ProjectionExpression: aws.String("#i"), ExpressionAttributeNames: map[string]string{"#i": "id"}}, two: {Keys: []map[string]value{id("20")}}}})
	if err != nil || len(get.Responses[one]) != 2 || len(get.Responses[two]) != 1 || get.UnprocessedKeys == nil || len(get.UnprocessedKeys) != 0 {
		t.Errorf("%+v %v", get, err)
	}
	_, err = w.BatchGetItem(t.Context(), &api.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{one: {Keys: []map[string]value{id("0"), id("0")}}}})
	wantError(t, err, "ValidationException", "Provided list of item keys contains duplicates")
}
