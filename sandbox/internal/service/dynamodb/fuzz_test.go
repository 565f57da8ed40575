package dynamodb

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// FuzzCalls sends bodies to every operation: whatever a client sends, it is
// answered with success or the client's fault.
func FuzzCalls(f *testing.F) {
	front := newFront(f, "", Options{})
	client := front.client(account)
	if _, err := client.CreateTable(f.Context(), createInput("fuzz")); err != nil {
		f.Fatal(err)
	}
	if _, err := client.PutItem(f.Context(), &api.PutItemInput{TableName: aws.String("fuzz"), Item: id("a")}); err != nil {
		f.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(front.Table))
	for _, s := range []string{
		`{}`, `{"TableName":"fuzz"}`, `{"TableName":"fuzz","Key":{"id":{"S":"a"}}}`, `{"TableName":"fuzz","Key":{"id":null}}`, `{"TableName":"fuzz","Item":{"id":{"S":"b"},"x":{"L":[null]}}}`,
		`{"TableName":"fuzz","Item":{"id":{"S":"b"},"":{"S":"x"}}}`,
		`{"TableName":"fuzz","Key":{"id":{"S":"a"}},"UpdateExpression":"SET a.b = :v","ExpressionAttributeValues":{":v":null}}`,
		`{"TableName":"fuzz","KeyConditionExpression":"id = :v","ExpressionAttributeValues":{":v":{"S":"a"}},"ExclusiveStartKey":{"id":{"S":"a"}}}`,
		`{"RequestItems":{"fuzz":null}}`, `{"RequestItems":{"fuzz":[null]}}`, `{"RequestItems":{"fuzz":[{"PutRequest":{"Item":null}}]}}`, `{"RequestItems":{"fuzz":{"Keys":[null,{"id":{"S":"a"}}]}}}`, `{"RequestItems":{"fuzz":[{"DeleteRequest":{"Key":{"id":{"S":"a"}}}}]}}`,
		`{"TransactItems":[null]}`, `{"TransactItems":[{"Put":{"TableName":"fuzz","Item":{"id":{"S":"a"}}}}],"ClientRequestToken":"x"}`, `{"TransactItems":[{"Get":{"TableName":"fuzz","Key":{"id":{"S":"a"}}}}]}`, `{"TransactItems":[{}]}`,
		`{"TableName":"t12","KeySchema":[null],"AttributeDefinitions":[null]}`, `{"TableName":"t12","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"GlobalSecondaryIndexes":[{"IndexName":"gsi","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"Projection":{}}]}`,
		`{"TableName":"fuzz","GlobalSecondaryIndexUpdates":[{}]}`, `{"TableName":"fuzz","GlobalSecondaryIndexUpdates":[null]}`, `{"TableName":"fuzz","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"x"}}`,
		`{"ResourceArn":"arn:aws:dynamodb:us-west-2:111122223333:table/fuzz","Tags":[null],"TagKeys":[null],"Policy":"{}"}`, `{"ResourceArn":"arn:aws:dynamodb:us-west-2:111122223333:table/fuzz","Tags":[{"Key":"k"}]}`,
		`{"TableName":"fuzz","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true}}`, `{"TableName":"fuzz","Segment":0,"TotalSegments":2}`,
	} {
		for i := range names {
			f.Add(i, s)
		}
	}
	f.Fuzz(func(t *testing.T, op int, body string) {
		name := names[uint(op)%uint(len(names))]
		h := httptest.NewRequest("POST", "/", strings.NewReader(body))
		h.Header.Set("X-Amz-Target", "DynamoDB_20120810."+name)
		h.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA"+account+"/20260504/us-west-2/dynamodb/aws4_request")
		w := httptest.NewRecorder()
		front.ServeHTTP(w, h)
		if w.Code >= 500 {
			t.Fatalf("%s %s: %d %s", name, body, w.Code, w.Body)
		}
		if w.Code == 400 && !strings.Contains(w.Body.String(), `"__type":`) {
			t.Fatalf("%s %s: %s", name, body, w.Body)
		}
	})
}
