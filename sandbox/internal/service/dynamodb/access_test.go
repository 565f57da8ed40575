package dynamodb

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

const here = "arn:aws:dynamodb:us-west-2:111122223333:table/"

// TestChecks pins actions, resources and condition keys of every kind of
// call.
func TestChecks(t *testing.T) {
	w := newWorld(t)
	indexed(w)
	w.make("bin", "id:B")
	w.make("num", "n:N")
	table, key := aws.String("events"), parseItem(t, `{"id":{"S":"u1"},"at":{"N":"1.0"}}`)
	values := item{":v": &vS{Value: "u1"}}
	c := t.Context()
	for _, x := range []struct {
		name string
		call func() error
		want []string
	}{
		{"get", func() error { _, err := w.GetItem(c, &api.GetItemInput{TableName: table, Key: key}); return err },
			[]string{"GetItem events Attributes=at,id LeadingKeys=u1 ReturnConsumedCapacity=NONE Select=ALL_ATTRIBUTES"}},
		{"get parts", func() error {
			_, err := w.GetItem(c, &api.GetItemInput{TableName: table, Key: key, ProjectionExpression: aws.String("x.y, #z"), ExpressionAttributeNames: map[string]string{"#z": "zone"}, ReturnConsumedCapacity: "TOTAL"})
			return err
		}, []string{"GetItem events Attributes=at,id,x,zone LeadingKeys=u1 ReturnConsumedCapacity=TOTAL Select=SPECIFIC_ATTRIBUTES"}},
		{"put", func() error {
			_, err := w.PutItem(c, &api.PutItemInput{TableName: table, Item: parseItem(t, `{"id":{"S":"u1"},"at":{"N":"1"},"x":{"S":"y"}}`), ConditionExpression: aws.String("attribute_not_exists(gone)"), ReturnValues: "ALL_OLD"})
			return err
		}, []string{"PutItem events Attributes=at,gone,id,x LeadingKeys=u1 ReturnConsumedCapacity=NONE ReturnValues=ALL_OLD"}},
		{"update", func() error {
			_, err := w.UpdateItem(c, &api.UpdateItemInput{TableName: table, Key: key, UpdateExpression: aws.String("SET a = if_not_exists(b, :v), c = :v REMOVE d"), ExpressionAttributeValues: values})
			return err
		}, []string{"UpdateItem events Attributes=a,at,b,c,d,id LeadingKeys=u1 ReturnConsumedCapacity=NONE ReturnValues=NONE"}},
		{"delete", func() error { _, err := w.DeleteItem(c, &api.DeleteItemInput{TableName: table, Key: key}); return err },
			[]string{"DeleteItem events Attributes=at,id LeadingKeys=u1 ReturnConsumedCapacity=NONE ReturnValues=NONE"}},
		{"binary key", func() error {
			_, err := w.DeleteItem(c, &api.DeleteItemInput{TableName: aws.String("bin"), Key: item{"id": &vB{Value: []byte("abc")}}})
			return err
		}, []string{"DeleteItem bin Attributes=id LeadingKeys=YWJj ReturnConsumedCapacity=NONE ReturnValues=NONE"}},
		{"number key", func() error {
			_, err := w.DeleteItem(c, &api.DeleteItemInput{TableName: aws.String("num"), Key: item{"n": &vN{Value: "1.50"}}})
			return err
		}, []string{"DeleteItem num Attributes=n LeadingKeys=1.5 ReturnConsumedCapacity=NONE ReturnValues=NONE"}},
		{"query", func() error {
			_, err := w.Query(c, &api.QueryInput{TableName: table, KeyConditionExpression: aws.String("id = :v"), FilterExpression: aws.String("x = :v"), ExpressionAttributeValues: values})
			return err
		}, []string{"Query events Attributes=id,x LeadingKeys=u1 ReturnConsumedCapacity=NONE Select=ALL_ATTRIBUTES"}},
		{"query an index", func() error {
			_, err := w.Query(c, &api.QueryInput{TableName: table, IndexName: aws.String("by-who"), KeyConditionExpression: aws.String("who = :v"), ExpressionAttributeValues: values})
			return err
		}, []string{"Query events/index/by-who Attributes=who LeadingKeys=u1 ReturnConsumedCapacity=NONE Select=ALL_PROJECTED_ATTRIBUTES"}},
		{"scan", func() error { _, err := w.Scan(c, &api.ScanInput{TableName: table, Select: "COUNT"}); return err },
			[]string{"Scan events ReturnConsumedCapacity=NONE Select=COUNT"}},
		{"batch get", func() error {
			_, err := w.BatchGetItem(c, &api.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"events": {Keys: []map[string]value{key, parseItem(t, `{"id":{"S":"u2"},"at":{"N":"1"}}`)}}, "num": {Keys: []map[string]value{{"n": &vN{Value: "1"}}}, ProjectionExpression: aws.String("n")}}})
			return err
		}, []string{"BatchGetItem events Attributes=at,id LeadingKeys=u1,u2 ReturnConsumedCapacity=NONE Select=ALL_ATTRIBUTES", "BatchGetItem num Attributes=n LeadingKeys=1 ReturnConsumedCapacity=NONE Select=SPECIFIC_ATTRIBUTES"}},
		{"batch write", func() error {
			_, err := w.BatchWriteItem(c, &api.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"events": {{PutRequest: &types.PutRequest{Item: parseItem(t, `{"id":{"S":"u1"},"at":{"N":"1"},"x":{"S":"y"}}`)}}, {DeleteRequest: &types.DeleteRequest{Key: parseItem(t, `{"id":{"S":"u2"},"at":{"N":"1"}}`)}}}}})
			return err
		}, []string{"BatchWriteItem events Attributes=at,id,x LeadingKeys=u1,u2 ReturnConsumedCapacity=NONE"}},
		{"transact get", func() error {
			_, err := w.TransactGetItems(c, &api.TransactGetItemsInput{TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: table, Key: key}}}})
			return err
		}, []string{"GetItem events Attributes=at,id EnclosingOperation=TransactGetItems LeadingKeys=u1 ReturnConsumedCapacity=NONE Select=ALL_ATTRIBUTES"}},
		{"transact write", func() error {
			_, err := w.TransactWriteItems(c, &api.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: table, Item: key}}, {ConditionCheck: &types.ConditionCheck{TableName: aws.String("num"), Key: item{"n": &vN{Value: "1"}}, ConditionExpression: aws.String("attribute_not_exists(n)")}}}})
			return err
		}, []string{"PutItem events Attributes=at,id EnclosingOperation=TransactWriteItems LeadingKeys=u1 ReturnConsumedCapacity=NONE ReturnValues=NONE",
			"ConditionCheckItem num Attributes=n EnclosingOperation=TransactWriteItems LeadingKeys=1 ReturnConsumedCapacity=NONE ReturnValues=NONE"}},
		{"list", func() error { _, err := w.ListTables(c, &api.ListTablesInput{}); return err }, []string{"ListTables *"}},
		{"limits", func() error { _, err := w.DescribeLimits(c, &api.DescribeLimitsInput{}); return err }, []string{"DescribeLimits *"}},
		{"describe", func() error { _, err := w.DescribeTable(c, &api.DescribeTableInput{TableName: table}); return err }, []string{"DescribeTable events"}},
		{"create", func() error {
			_, err := w.CreateTable(c, &api.CreateTableInput{TableName: aws.String("new"), BillingMode: "PAY_PER_REQUEST", Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
				ResourcePolicy:       aws.String(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"dynamodb:GetItem","Resource":"` + here + `new"}}`),
				AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("a"), AttributeType: "S"}}, KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("a"), KeyType: "HASH"}}})
			return err
		}, []string{"CreateTable new aws:RequestTag/k=v aws:TagKeys=k", "TagResource new aws:RequestTag/k=v aws:TagKeys=k", "PutResourcePolicy new"}},
	} {
		w.Checks()
		if err := x.call(); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		got := strings.TrimSpace(w.sees())
		got = strings.NewReplacer("dynamodb:", "", here, "").Replace(strings.ReplaceAll(got, here, ""))
		got = strings.ReplaceAll(got, " \n", "\n")
		if want := strings.Join(x.want, "\n"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, got, want)
		}
	}
}

// TestMissingTableIsDenied checks that who may not ask does not learn whether
// a table exists.
func TestMissingTableIsDenied(t *testing.T) {
	w := newWorld(t)
	w.Decide(func(*service.Request, service.Check) bool { return false })
	_, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("none"), Key: id("x")})
	wantError(t, err, "AccessDeniedException", "perform: dynamodb:GetItem on resource: "+here+"none")
	_, err = w.DescribeTable(t.Context(), &api.DescribeTableInput{TableName: aws.String("none")})
	wantError(t, err, "AccessDeniedException", "perform: dynamodb:DescribeTable on resource: "+here+"none")
	w.Decide(nil)
	_, err = w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("none"), Key: id("x")})
	wantError(t, err, "ResourceNotFoundException", "")
}

// decide has the policy engine decide as the server does: the identity's
// policy, or the resource's if both are in one account; both across accounts.
func decide(t *testing.T, identity string) func(*service.Request, service.Check) bool {
	t.Helper()
	p, err := iam.Parse(iam.Identity, "test", []byte(identity))
	if err != nil {
		t.Fatal(err)
	}
	return func(r *service.Request, c service.Check) bool {
		x := iam.NewContext()
		for _, kv := range c.Context {
			if kv.Key == "dynamodb:LeadingKeys" || kv.Key == "dynamodb:Attributes" || kv.Key == "aws:TagKeys" {
				x.SetList(kv.Key, kv.Values)
			} else {
				x.Set(kv.Key, kv.Values...)
			}
		}
		policies := iam.Policies{Identity: []*iam.Policy{p}, Resource: c.Policy}
		d := policies.Decide(&iam.Request{Principal: r.Caller.Principal, Action: c.Action, Resource: c.Resource, ResourceAccount: c.Owner, Context: x})
		return d.Outcome == iam.Allow
	}
}

// TestCrossAccount walks a table's policy: another account reads by ARN once
// both sides allow it.
func TestCrossAccount(t *testing.T) {
	w := newWorld(t)
	w.make("shared", "id:S")
	gsi(w, "shared", "by-g", "g")
	w.put("shared", id("x"))
	arn := aws.String(here + "shared")
	strange := w.client(other)
	get := func() error {
		_, err := strange.GetItem(t.Context(), &api.GetItemInput{TableName: arn, Key: id("x")})
		return err
	}
	w.Decide(decide(t, `{"Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}}`))
	wantError(t, get(), "AccessDeniedException", "perform: dynamodb:GetItem on resource: "+*arn)
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"` + *arn + `"}}`
	put, err := w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: arn, Policy: &document})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, get(), "", "")
	_, err = strange.Query(t.Context(), &api.QueryInput{TableName: arn, IndexName: aws.String("by-g"), KeyConditionExpression: aws.String("g = :g"), ExpressionAttributeValues: item{":g": &vS{Value: "x"}}})
	wantError(t, err, "AccessDeniedException", "/index/by-g")
	_, err = strange.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("shared"), Key: id("x")})
	wantError(t, err, "ResourceNotFoundException", "") // the name means the caller's own table
	_, err = strange.BatchGetItem(t.Context(), &api.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*arn: {Keys: []map[string]value{id("x")}}}})
	wantError(t, err, "AccessDeniedException", "BatchGetItem")

	got, err := w.GetResourcePolicy(t.Context(), &api.GetResourcePolicyInput{ResourceArn: arn})
	if err != nil || *got.Policy != document || *got.RevisionId != *put.RevisionId {
		t.Errorf("policy %v %v", got, err)
	}
	again, err := w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: arn, Policy: &document})
	if err != nil || *again.RevisionId != *put.RevisionId {
		t.Errorf("the same policy again: %v %v", again, err)
	}
	wide := strings.Replace(document, `"dynamodb:GetItem",`, `"dynamodb:GetItem","dynamodb:BatchGetItem",`, 1)
	_, err = w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: arn, Policy: &wide, ExpectedRevisionId: aws.String("1")})
	wantError(t, err, "PolicyNotFoundException", "")
	if _, err = w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: arn, Policy: &wide, ExpectedRevisionId: put.RevisionId}); err != nil {
		t.Fatal(err)
	}
	out, err := strange.BatchGetItem(t.Context(), &api.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*arn: {Keys: []map[string]value{id("x")}}}})
	if err != nil || len(out.Responses[*arn]) != 1 {
		t.Errorf("batch by ARN: %v %v", out, err)
	}
	if _, err := w.DeleteResourcePolicy(t.Context(), &api.DeleteResourcePolicyInput{ResourceArn: arn}); err != nil {
		t.Fatal(err)
	}
	wantError(t, get(), "AccessDeniedException", "")
	_, err = w.GetResourcePolicy(t.Context(), &api.GetResourcePolicyInput{ResourceArn: arn})
	wantError(t, err, "PolicyNotFoundException", "Resource-based policy not found")
	if _, err := w.DeleteResourcePolicy(t.Context(), &api.DeleteResourcePolicyInput{ResourceArn: arn}); err != nil {
		t.Errorf("deleting again: %v", err)
	}
}

// TestFineGrained is the policy of AWS's guide that lets a user read its own
// items, and of those only some attributes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
func TestFineGrained(t *testing.T) {
	w := newWorld(t)
	w.make("scores", "UserId:S")
	w.Decide(decide(t, `{"Statement":{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query","dynamodb:TransactGetItems"],"Resource":"`+here+`scores","Condition":{
		"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["me"],"dynamodb:Attributes":["UserId","Top"]},"StringEqualsIfExists":{"dynamodb:Select":"SPECIFIC_ATTRIBUTES"}}}}`))
	get := func(user string, parts *string) error {
		_, err := w.GetItem(t.Context(), &api.GetItemInput{TableName: aws.String("scores"), Key: item{"UserId": &vS{Value: user}}, ProjectionExpression: parts})
		return err
	}
	wantError(t, get("me", aws.String("UserId, Top")), "", "")
	wantError(t, get("you", aws.String("UserId, Top")), "AccessDeniedException", "")
	wantError(t, get("me", aws.String("UserId, Secret")), "AccessDeniedException", "")
	wantError(t, get("me", nil), "AccessDeniedException", "")
	_, err := w.TransactGetItems(t.Context(), &api.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: aws.String("scores"), Key: item{"UserId": &vS{Value: "me"}}, ProjectionExpression: aws.String("Top")}},
		{Get: &types.Get{TableName: aws.String("scores"), Key: item{"UserId": &vS{Value: "you"}}, ProjectionExpression: aws.String("Top")}}}})
	wantError(t, err, "AccessDeniedException", "GetItem")
}

func TestBadPolicies(t *testing.T) {
	f := newFront(t, "", Options{PrincipalExists: func(arn string) bool { return arn != "arn:aws:iam::444455556666:role/gone" }})
	w := world{t, f, f.client(account)}
	w.make("t12", "id:S")
	statement := func(principal, action, resource string) string {
		return `{"Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"` + action + `","Resource":"` + resource + `"}}`
	}
	for doc, want := range map[string]string{
		`{`: "Invalid policy document",
		`{"Statement":{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}}`:              "Invalid policy document",
		statement(`{"AWS":"arn:aws:iam::444455556666:role/gone"}`, "dynamodb:GetItem", here+"t12"): "invalid principal",
		statement(`"*"`, "s3:GetObject", here+"t12"):                                               `The following action names are invalid: "s3:GetObject"`,
		statement(`"*"`, "dynamodb:GetItem", here+"other"):                                         "not the table or one of its indexes",
		statement(`"*"`, "dynamodb:GetItem", here+"t12/index/"+strings.Repeat("x", maxPolicy)):     "",
	} {
		_, err := w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: aws.String(here + "t12"), Policy: &doc})
		code := "ValidationException"
		if want == "" {
			code = "LimitExceededException"
		}
		wantError(t, err, code, want)
	}
	ok := statement(`{"AWS":"arn:aws:iam::444455556666:root"}`, "dynamodb:GetItem", here+"t12")
	for arn, want := range map[string]string{
		"arn:aws:s3:::bucket": "Invalid ResourceArn", here + "t": "Invalid ResourceArn", strings.Replace(here, "us-west-2", "eu-west-1", 1) + "t12": "Invalid ResourceArn", here + "t12/stream/x": "streams",
	} {
		_, err := w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: &arn, Policy: &ok})
		wantError(t, err, "ValidationException", want)
	}
	ok = statement(`"*"`, "dynamodb:GetItem", here+"none")
	_, err := w.PutResourcePolicy(t.Context(), &api.PutResourcePolicyInput{ResourceArn: aws.String(here + "none"), Policy: &ok})
	wantError(t, err, "ResourceNotFoundException", "none")
}
