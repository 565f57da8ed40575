package dynamodb

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// BenchmarkCalls measures checks and handlers without HTTP, on a table of
// 10,000 items in memory.
func BenchmarkCalls(b *testing.B) {
	f := newFront(b, "", Options{})
	if _, err := f.client(account).CreateTable(b.Context(), createInput("flat", "id:S", "n:N")); err != nil {
		b.Fatal(err)
	}
	r := &service.Request{Now: f.Now(), Region: region, Caller: service.Caller{Principal: iam.Principal{Account: account}}}
	do := func(b *testing.B, name string, in any) {
		op := f.Table[name]
		if _, err := op.Checks(r, in); err != nil {
			b.Fatal(err)
		}
		var err error
		switch in := in.(type) {
		case *api.PutItemInput:
			_, err = f.db.putItem(b.Context(), r, in)
		default:
			_, err = op.Handle(b.Context(), r, in)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	key := func(i int) item {
		return item{"id": &vS{Value: strconv.Itoa(i % 100)}, "n": &vN{Value: strconv.Itoa(i / 100 % 100)}}
	}
	for i := range 10000 {
		do(b, "PutItem", &api.PutItemInput{TableName: aws.String("flat"), Item: key(i)})
	}
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			do(b, "PutItem", &api.PutItemInput{TableName: aws.String("flat"), Item: key(i), ConditionExpression: aws.String("attribute_exists(id)")})
		}
	})
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			do(b, "GetItem", &api.GetItemInput{TableName: aws.String("flat"), Key: key(i)})
		}
	})
	b.Run("query10", func(b *testing.B) {
		for b.Loop() {
			do(b, "Query", &api.QueryInput{TableName: aws.String("flat"), KeyConditionExpression: aws.String("id = :i AND n >= :n"), Limit: aws.Int32(10),
				ExpressionAttributeValues: item{":i": &vS{Value: "7"}, ":n": &vN{Value: "50"}}})
		}
	})
}
