package dynamodb

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestTypesFit checks that the codec can read and write every operation.
func TestTypesFit(t *testing.T) {
	f := newFront(t, "", Options{})
	outputs := map[string]any{
		"CreateTable": &api.CreateTableOutput{}, "DescribeTable": &api.DescribeTableOutput{}, "UpdateTable": &api.UpdateTableOutput{},
		"DeleteTable": &api.DeleteTableOutput{}, "ListTables": &api.ListTablesOutput{}, "DescribeLimits": &api.DescribeLimitsOutput{},
		"DescribeTimeToLive": &api.DescribeTimeToLiveOutput{}, "UpdateTimeToLive": &api.UpdateTimeToLiveOutput{},
		"DescribeContinuousBackups": &api.DescribeContinuousBackupsOutput{}, "UpdateContinuousBackups": &api.UpdateContinuousBackupsOutput{},
		"TagResource": &api.TagResourceOutput{}, "UntagResource": &api.UntagResourceOutput{}, "ListTagsOfResource": &api.ListTagsOfResourceOutput{},
		"PutResourcePolicy": &api.PutResourcePolicyOutput{}, "GetResourcePolicy": &api.GetResourcePolicyOutput{}, "DeleteResourcePolicy": &api.DeleteResourcePolicyOutput{},
		"GetItem": &api.GetItemOutput{}, "PutItem": &api.PutItemOutput{}, "UpdateItem": &api.UpdateItemOutput{}, "DeleteItem": &api.DeleteItemOutput{},
		"Query": &api.QueryOutput{}, "Scan": &api.ScanOutput{}, "BatchGetItem": &api.BatchGetItemOutput{}, "BatchWriteItem": &api.BatchWriteItemOutput{},
		"TransactGetItems": &api.TransactGetItemsOutput{}, "TransactWriteItems": &api.TransactWriteItemsOutput{},
	}
	for name, op := range f.Table {
		out, ok := outputs[name]
		if !ok {
			t.Errorf("no output for %s", name)
			continue
		}
		if err := f.Model.Check(name, op.Input(), out); err != nil {
			t.Error(err)
		}
		if (op.Handle == nil) == (op.Serve == nil) {
			t.Errorf("%s: exactly one of Handle and Serve must be set", name)
		}
	}
	if len(f.Table) != len(outputs) {
		t.Errorf("%d operations, want %d", len(f.Table), len(outputs))
	}
}

// TestEverythingIsDescribed creates a table with all arguments and expects
// each of them in the description: a client that compares sees no change.
func TestEverythingIsDescribed(t *testing.T) {
	w := newWorld(t)
	keys := func(names ...string) []types.KeySchemaElement {
		out := []types.KeySchemaElement{{AttributeName: &names[0], KeyType: types.KeyTypeHash}}
		if len(names) > 1 {
			out = append(out, types.KeySchemaElement{AttributeName: &names[1], KeyType: types.KeyTypeRange})
		}
		return out
	}
	capacity := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(3), WriteCapacityUnits: aws.Int64(2)}
	in := &api.CreateTableInput{
		TableName: aws.String("full"),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: "S"}, {AttributeName: aws.String("at"), AttributeType: "N"}, {AttributeName: aws.String("who"), AttributeType: "B"},
		},
		KeySchema:             keys("id", "at"),
		BillingMode:           types.BillingModeProvisioned,
		ProvisionedThroughput: capacity,
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{{IndexName: aws.String("local"), KeySchema: keys("id", "who"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("global"), KeySchema: keys("who"), ProvisionedThroughput: capacity,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"x", "y"}}}},
		StreamSpecification:       &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
		SSESpecification:          &types.SSESpecification{Enabled: aws.Bool(true), KMSMasterKeyId: aws.String("arn:aws:kms:us-west-2:111122223333:key/1234")},
		TableClass:                types.TableClassStandardInfrequentAccess,
		DeletionProtectionEnabled: aws.Bool(true),
		Tags:                      []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}
	if _, err := w.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	out, err := w.DescribeTable(t.Context(), &api.DescribeTableInput{TableName: aws.String("full")})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Table
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"status", d.TableStatus, types.TableStatusActive},
		{"arn", *d.TableArn, "arn:aws:dynamodb:us-west-2:111122223333:table/full"},
		{"keys", d.KeySchema, in.KeySchema},
		{"attributes", d.AttributeDefinitions, in.AttributeDefinitions},
		{"read capacity", *d.ProvisionedThroughput.ReadCapacityUnits, int64(3)},
		{"write capacity", *d.ProvisionedThroughput.WriteCapacityUnits, int64(2)},
		{"local keys", d.LocalSecondaryIndexes[0].KeySchema, in.LocalSecondaryIndexes[0].KeySchema},
		{"local projection", d.LocalSecondaryIndexes[0].Projection, in.LocalSecondaryIndexes[0].Projection},
		{"global keys", d.GlobalSecondaryIndexes[0].KeySchema, in.GlobalSecondaryIndexes[0].KeySchema},
		{"global projection", d.GlobalSecondaryIndexes[0].Projection, in.GlobalSecondaryIndexes[0].Projection},
		{"global status", d.GlobalSecondaryIndexes[0].IndexStatus, types.IndexStatusActive},
		{"global capacity", *d.GlobalSecondaryIndexes[0].ProvisionedThroughput.ReadCapacityUnits, int64(3)},
		{"stream", d.StreamSpecification, in.StreamSpecification},
		{"stream label", *d.LatestStreamLabel, "2026-05-04T03:02:01.000"},
		{"stream arn", *d.LatestStreamArn, "arn:aws:dynamodb:us-west-2:111122223333:table/full/stream/2026-05-04T03:02:01.000"},
		{"key at rest", *d.SSEDescription.KMSMasterKeyArn, "arn:aws:kms:us-west-2:111122223333:key/1234"},
		{"key type", d.SSEDescription.SSEType, types.SSETypeKms},
		{"class", d.TableClassSummary.TableClass, types.TableClassStandardInfrequentAccess},
		{"protection", *d.DeletionProtectionEnabled, true},
		{"created", d.CreationDateTime.UTC(), w.Now()},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	tags, err := w.ListTagsOfResource(t.Context(), &api.ListTagsOfResourceInput{ResourceArn: d.TableArn})
	if err != nil || !reflect.DeepEqual(tags.Tags, in.Tags) {
		t.Errorf("tags %v %v, want %v", tags, err, in.Tags)
	}
	_, err = w.DeleteTable(t.Context(), &api.DeleteTableInput{TableName: aws.String("full")})
	wantError(t, err, "ValidationException", "protected against deletion")
}

// TestPlainTable is the table of the Terraform lock: what was not asked for is
// not described.
func TestPlainTable(t *testing.T) {
	w := newWorld(t)
	w.make("lock", "LockID:S")
	out, err := w.DescribeTable(t.Context(), &api.DescribeTableInput{TableName: aws.String("lock")})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Table
	if d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest || *d.ProvisionedThroughput.ReadCapacityUnits != 0 {
		t.Errorf("billing %v, capacity %v", d.BillingModeSummary, d.ProvisionedThroughput)
	}
	if d.SSEDescription != nil || d.StreamSpecification != nil || d.TableClassSummary != nil || d.WarmThroughput != nil || d.OnDemandThroughput != nil || d.GlobalSecondaryIndexes != nil || d.Replicas != nil || d.LatestStreamArn != nil {
		t.Errorf("described more than was asked for: %+v", d)
	}
	if *d.DeletionProtectionEnabled {
		t.Error("protected against deletion")
	}
	ttl, err := w.DescribeTimeToLive(t.Context(), &api.DescribeTimeToLiveInput{TableName: aws.String("lock")})
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusDisabled {
		t.Errorf("time to live %v %v", ttl, err)
	}
	b, err := w.DescribeContinuousBackups(t.Context(), &api.DescribeContinuousBackupsInput{TableName: aws.String("lock")})
	if err != nil || b.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusDisabled {
		t.Errorf("backups %v %v", b, err)
	}
	gone, err := w.DeleteTable(t.Context(), &api.DeleteTableInput{TableName: aws.String("lock")})
	if err != nil || gone.TableDescription.TableStatus != types.TableStatusDeleting {
		t.Errorf("delete: %v %v", gone, err)
	}
	_, err = w.DescribeTable(t.Context(), &api.DescribeTableInput{TableName: aws.String("lock")})
	wantError(t, err, "ResourceNotFoundException", "Requested resource not found: Table: lock not found")
	_, err = w.DescribeContinuousBackups(t.Context(), &api.DescribeContinuousBackupsInput{TableName: aws.String("lock")})
	wantError(t, err, "TableNotFoundException", "Table not found: lock")
	_, err = w.ListTagsOfResource(t.Context(), &api.ListTagsOfResourceInput{ResourceArn: d.TableArn})
	wantError(t, err, "ResourceNotFoundException", "ResourcArn")
}

func TestBadTables(t *testing.T) {
	w := newWorld(t)
	base := func() *api.CreateTableInput {
		return &api.CreateTableInput{
			TableName: aws.String("t12"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("a"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("a"), KeyType: "HASH"}},
		}
	}
	b := types.AttributeDefinition{AttributeName: aws.String("b"), AttributeType: "S"}
	gsi := func(hash string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{IndexName: aws.String("gsi"), KeySchema: []types.KeySchemaElement{{AttributeName: &hash, KeyType: "HASH"}}, Projection: &types.Projection{ProjectionType: "ALL"}}
	}
	for _, c := range []struct {
		name   string
		change func(*api.CreateTableInput)
		want   string
	}{
		{"good", func(*api.CreateTableInput) {}, ""},
		{"short name", func(in *api.CreateTableInput) { in.TableName = aws.String("t") }, "Invalid table/index name"},
		{"bad name", func(in *api.CreateTableInput) { in.TableName = aws.String("a b c") }, "Invalid table/index name"},
		{"unused attribute", func(in *api.CreateTableInput) { in.AttributeDefinitions = append(in.AttributeDefinitions, b) }, "Number of attributes in KeySchema does not exactly match"},
		{"unused attribute with index", func(in *api.CreateTableInput) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, b)
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{gsi("a")}
		}, "Some AttributeDefinitions are not used. AttributeDefinitions: [a, b], keys used: [a]"},
		{"undefined key", func(in *api.CreateTableInput) { in.KeySchema[0].AttributeName = aws.String("z") }, "Keys: [z], AttributeDefinitions: [a]"},
		{"undefined index key", func(in *api.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{gsi("z")}
		}, "Keys: [z], AttributeDefinitions: [a]"},
		{"range first", func(in *api.CreateTableInput) { in.KeySchema[0].KeyType = "RANGE" }, "The first KeySchemaElement is not a HASH key type"},
		{"capacity on demand", func(in *api.CreateTableInput) {
			in.ProvisionedThroughput = &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
		}, "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified"},
		{"no capacity", func(in *api.CreateTableInput) { in.BillingMode = types.BillingModeProvisioned }, "must both be specified when BillingMode is PROVISIONED"},
		{"duplicate index", func(in *api.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{gsi("a"), gsi("a")}
		}, "Duplicate index name: gsi"},
		{"local index without sort key", func(in *api.CreateTableInput) {
			in.LocalSecondaryIndexes = []types.LocalSecondaryIndex{{IndexName: aws.String("lsi"), KeySchema: in.KeySchema, Projection: &types.Projection{ProjectionType: "ALL"}}}
		}, "Table KeySchema does not have a range key"},
		{"projection", func(in *api.CreateTableInput) {
			g := gsi("a")
			g.Projection = &types.Projection{ProjectionType: "ALL", NonKeyAttributes: []string{"x"}}
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{g}
		}, "ProjectionType is ALL, but NonKeyAttributes is specified"},
		{"stream", func(in *api.CreateTableInput) {
			in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true)}
		}, "StreamViewType is required"},
		{"tags", func(in *api.CreateTableInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}
		}, "must not begin with aws:"},
	} {
		in := base()
		c.change(in)
		_, err := w.CreateTable(t.Context(), in)
		code := "ValidationException"
		if c.want == "" {
			code = ""
		}
		t.Log(c.name)
		wantError(t, err, code, c.want)
	}
	_, err := w.CreateTable(t.Context(), base())
	wantError(t, err, "ResourceInUseException", "Table already exists: t12")
}

func TestUpdateTable(t *testing.T) {
	w := newWorld(t)
	w.make("t12", "id:S")
	w.put("t12", item{"id": &vS{Value: "1"}, "g": &vS{Value: "x"}}, item{"id": &vS{Value: "2"}}, item{"id": &vS{Value: "3"}, "g": &vN{Value: "7"}})
	name := aws.String("t12")
	add := &api.UpdateTableInput{TableName: name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}, {AttributeName: aws.String("g"), AttributeType: "S"}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: aws.String("gsi"),
			KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("g"), KeyType: "HASH"}}, Projection: &types.Projection{ProjectionType: "ALL"}}}}}
	if _, err := w.UpdateTable(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	n, err := w.Scan(t.Context(), &api.ScanInput{TableName: name, IndexName: aws.String("gsi"), Select: types.SelectCount})
	if err != nil || n.Count != 1 {
		t.Errorf("backfilled %v %v, want 1 item", n, err)
	}
	capacity := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(6)}
	_, err = w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name, BillingMode: types.BillingModeProvisioned, ProvisionedThroughput: capacity})
	wantError(t, err, "ValidationException", "ProvisionedThroughput is not specified for index: gsi")
	out, err := w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name, BillingMode: types.BillingModeProvisioned, ProvisionedThroughput: capacity,
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Update: &types.UpdateGlobalSecondaryIndexAction{IndexName: aws.String("gsi"), ProvisionedThroughput: capacity}}},
		StreamSpecification:         &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly},
		DeletionProtectionEnabled:   aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	d := out.TableDescription
	if d.BillingModeSummary.BillingMode != types.BillingModeProvisioned || *d.ProvisionedThroughput.WriteCapacityUnits != 6 || !*d.DeletionProtectionEnabled || d.StreamSpecification == nil {
		t.Errorf("after the update: %+v", d)
	}
	out, err = w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name, BillingMode: types.BillingModePayPerRequest, StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(false)}})
	if err != nil {
		t.Fatal(err)
	}
	if d = out.TableDescription; d.StreamSpecification != nil || d.LatestStreamArn == nil || *d.GlobalSecondaryIndexes[0].ProvisionedThroughput.ReadCapacityUnits != 0 {
		t.Errorf("after the second update: %+v", d)
	}
	out, err = w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name,
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("gsi")}}}})
	if err != nil || out.TableDescription.GlobalSecondaryIndexes != nil || len(out.TableDescription.AttributeDefinitions) != 1 {
		t.Errorf("after deleting the index: %+v %v", out, err)
	}
	_, err = w.Scan(t.Context(), &api.ScanInput{TableName: name, IndexName: aws.String("gsi")})
	wantError(t, err, "ValidationException", "The table does not have the specified index: gsi")
	_, err = w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name})
	wantError(t, err, "ValidationException", "At least one of")
	_, err = w.UpdateTable(t.Context(), &api.UpdateTableInput{TableName: name, ReplicaUpdates: []types.ReplicationGroupUpdate{{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String("eu-west-1")}}}})
	wantError(t, err, "ValidationException", "ReplicaUpdates")
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	name := aws.String(w.make("t12", "id:S"))
	ttl := func(on bool, attr string) error {
		_, err := w.UpdateTimeToLive(t.Context(), &api.UpdateTimeToLiveInput{TableName: name, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attr, Enabled: &on}})
		return err
	}
	wantError(t, ttl(false, "exp"), "ValidationException", "already disabled")
	wantError(t, ttl(true, "exp"), "", "")
	wantError(t, ttl(true, "exp"), "ValidationException", "already enabled")
	wantError(t, ttl(true, "other"), "ValidationException", "current AttributeName is exp")
	got, err := w.DescribeTimeToLive(t.Context(), &api.DescribeTimeToLiveInput{TableName: name})
	if err != nil || got.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled || *got.TimeToLiveDescription.AttributeName != "exp" {
		t.Errorf("time to live %+v %v", got, err)
	}
	wantError(t, ttl(false, "exp"), "", "")

	recovery := func(on bool) *types.PointInTimeRecoveryDescription {
		out, err := w.UpdateContinuousBackups(t.Context(), &api.UpdateContinuousBackupsInput{TableName: name, PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: &on}})
		if err != nil {
			t.Fatal(err)
		}
		return out.ContinuousBackupsDescription.PointInTimeRecoveryDescription
	}
	if p := recovery(true); p.PointInTimeRecoveryStatus != "ENABLED" || *p.RecoveryPeriodInDays != 35 || !p.EarliestRestorableDateTime.Equal(w.Now()) {
		t.Errorf("recovery on: %+v", p)
	}
	w.Advance(40 * 24 * time.Hour)
	if p := recovery(true); !p.EarliestRestorableDateTime.Equal(w.Now().AddDate(0, 0, -35)) || !p.LatestRestorableDateTime.Equal(w.Now()) {
		t.Errorf("recovery 40 days later: %+v", p)
	}
	if p := recovery(false); p.PointInTimeRecoveryStatus != "DISABLED" || p.RecoveryPeriodInDays != nil {
		t.Errorf("recovery off: %+v", p)
	}

	arn := aws.String("arn:aws:dynamodb:us-west-2:111122223333:table/t12")
	tag := func(kv ...string) error {
		in := &api.TagResourceInput{ResourceArn: arn}
		for i := 0; i < len(kv); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
		_, err := w.TagResource(t.Context(), in)
		return err
	}
	wantError(t, tag("a", "1", "b", "2"), "", "")
	w.Checks()
	wantError(t, tag("a", "3"), "", "")
	if got, want := w.sees(), "dynamodb:TagResource "+*arn+" aws:RequestTag/a=3 aws:ResourceTag/a=1 aws:ResourceTag/b=2 aws:TagKeys=a\n"; got != want {
		t.Errorf("checks of TagResource\n got %s want %s", got, want)
	}
	if _, err := w.UntagResource(t.Context(), &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := w.ListTagsOfResource(t.Context(), &api.ListTagsOfResourceInput{ResourceArn: arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "3" {
		t.Errorf("tags %v %v", tags, err)
	}
	many := []string{}
	for i := range 51 {
		many = append(many, "k"+strconv.Itoa(i), "")
	}
	wantError(t, tag(many...), "ValidationException", "Too many tags")
}

func TestListTables(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"ccc", "aaa", "bbb"} {
		w.make(n, "id:S")
	}
	var got []string
	p := api.NewListTablesPaginator(w.Client, &api.ListTablesInput{Limit: aws.Int32(2)})
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join(out.TableNames, " "))
	}
	if s := strings.Join(got, "|"); s != "aaa bbb|ccc" {
		t.Errorf("pages %s", s)
	}
	out, err := w.client(other).ListTables(t.Context(), &api.ListTablesInput{})
	if err != nil || len(out.TableNames) != 0 {
		t.Errorf("tables of another account: %v %v", out, err)
	}
}
