package dynamodb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// describe is the table as the API shows it. Fields that were never set are
// left out, so that a client sees the difference.
func (t *table) describe(tx *store.Tx) *types.TableDescription {
	ref := t.ref()
	count, bytes := t.measure(tx)
	out := &types.TableDescription{
		AttributeDefinitions:      t.Attributes,
		CreationDateTime:          &t.Created,
		DeletionProtectionEnabled: &t.Protected,
		ItemCount:                 &count,
		KeySchema:                 t.Keys,
		OnDemandThroughput:        t.OnDemand,
		ProvisionedThroughput:     throughput(t.Throughput),
		StreamSpecification:       t.Stream,
		TableArn:                  new(ref.arn()),
		TableId:                   &t.ID,
		TableName:                 &t.Name,
		TableSizeBytes:            &bytes,
		TableStatus:               types.TableStatusActive,
		SSEDescription:            t.describeSSE(),
	}
	if t.Billing == types.BillingModePayPerRequest || t.OnDemandSince != nil {
		out.BillingModeSummary = &types.BillingModeSummary{BillingMode: t.Billing, LastUpdateToPayPerRequestDateTime: t.OnDemandSince}
	}
	if t.Class != "" {
		out.TableClassSummary = &types.TableClassSummary{TableClass: t.Class}
	}
	if t.StreamLabel != "" {
		out.LatestStreamLabel = &t.StreamLabel
		out.LatestStreamArn = new(ref.arn() + "/stream/" + t.StreamLabel)
	}
	if t.Warm != nil {
		out.WarmThroughput = &types.TableWarmThroughputDescription{
			ReadUnitsPerSecond: t.Warm.ReadUnitsPerSecond, WriteUnitsPerSecond: t.Warm.WriteUnitsPerSecond, Status: types.TableStatusActive,
		}
	}
	for _, l := range t.Locals {
		out.LocalSecondaryIndexes = append(out.LocalSecondaryIndexes, types.LocalSecondaryIndexDescription{
			IndexArn: new(ref.indexARN(*l.IndexName)), IndexName: l.IndexName, KeySchema: l.KeySchema, Projection: l.Projection,
			ItemCount: t.entryCount(tx, *l.IndexName), IndexSizeBytes: aws.Int64(0),
		})
	}
	for _, g := range t.Globals {
		x := types.GlobalSecondaryIndexDescription{
			IndexArn: new(ref.indexARN(*g.IndexName)), IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection,
			IndexStatus: types.IndexStatusActive, ItemCount: t.entryCount(tx, *g.IndexName), IndexSizeBytes: aws.Int64(0),
			OnDemandThroughput: g.OnDemandThroughput, ProvisionedThroughput: throughput(g.ProvisionedThroughput),
		}
		if g.WarmThroughput != nil {
			x.WarmThroughput = &types.GlobalSecondaryIndexWarmThroughputDescription{
				ReadUnitsPerSecond: g.WarmThroughput.ReadUnitsPerSecond, WriteUnitsPerSecond: g.WarmThroughput.WriteUnitsPerSecond, Status: types.IndexStatusActive,
			}
		}
		out.GlobalSecondaryIndexes = append(out.GlobalSecondaryIndexes, x)
	}
	return out
}

func (t *table) entryCount(tx *store.Tx, index string) *int64 {
	return new(int64(entries.Count(tx, t.indexPrefix(index))))
}

// throughput describes provisioned capacity; on-demand tables show zeros.
func throughput(p *types.ProvisionedThroughput) *types.ProvisionedThroughputDescription {
	out := &types.ProvisionedThroughputDescription{NumberOfDecreasesToday: aws.Int64(0), ReadCapacityUnits: aws.Int64(0), WriteCapacityUnits: aws.Int64(0)}
	if p != nil {
		out.ReadCapacityUnits, out.WriteCapacityUnits = p.ReadCapacityUnits, p.WriteCapacityUnits
	}
	return out
}

// describeSSE shows the key at rest; a table under DynamoDB's own key shows
// none.
func (t *table) describeSSE() *types.SSEDescription {
	if t.SSE == nil {
		return nil
	}
	return &types.SSEDescription{Status: types.SSEStatusEnabled, SSEType: types.SSETypeKms, KMSMasterKeyArn: new(t.keyARN(aws.ToString(t.SSE.KMSMasterKeyId)))}
}

// keyARN is the ARN of a KMS key given as ARN, id or alias, or of the
// account's key for DynamoDB. The key behind an alias has an id that depends
// on the alias alone, since the sandbox has no KMS to ask.
func (t *table) keyARN(key string) string {
	id := key
	switch {
	case strings.HasPrefix(key, "arn:"):
		_, alias, isAlias := strings.Cut(key, ":alias/")
		if !isAlias {
			return key
		}
		id = aliasKey(t.Account, t.Region, "alias/"+alias)
	case key == "":
		id = aliasKey(t.Account, t.Region, "alias/aws/dynamodb")
	case strings.HasPrefix(key, "alias/"):
		id = aliasKey(t.Account, t.Region, key)
	}
	return iam.ARN{Partition: t.Partition, Service: "kms", Region: t.Region, Account: t.Account, Resource: "key/" + id}.String()
}

func aliasKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "/")))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// measure counts the table's items and their bytes as of now; AWS does so
// about every six hours.
func (t *table) measure(tx *store.Tx) (count, bytes int64) {
	for _, it := range items.Range(tx, t.prefix()) {
		count++
		bytes += int64(itemSize(it))
	}
	return count, bytes
}

func (d *DynamoDB) describeTable(_ context.Context, r *service.Request, in *api.DescribeTableInput) (*api.DescribeTableOutput, error) {
	out := &api.DescribeTableOutput{}
	err := d.st.View(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, in.TableName)
		if err == nil {
			out.Table = t.describe(tx)
		}
		return err
	})
	return out, err
}

func (d *DynamoDB) listTables(_ context.Context, r *service.Request, in *api.ListTablesInput) (*api.ListTablesOutput, error) {
	limit := 100
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.ListTablesOutput{TableNames: []string{}}
	err := d.st.View(func(tx *store.Tx) error {
		prefix := r.Account() + "/" + r.Region + "/"
		for _, t := range tables.After(tx, prefix, prefix+aws.ToString(in.ExclusiveStartTableName)) {
			if len(out.TableNames) == limit {
				out.LastEvaluatedTableName = &out.TableNames[limit-1]
				break
			}
			out.TableNames = append(out.TableNames, t.Name)
		}
		return nil
	})
	return out, err
}

// describeLimits answers the default quotas.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
func (d *DynamoDB) describeLimits(context.Context, *service.Request, *api.DescribeLimitsInput) (*api.DescribeLimitsOutput, error) {
	return &api.DescribeLimitsOutput{
		AccountMaxReadCapacityUnits: aws.Int64(80000), AccountMaxWriteCapacityUnits: aws.Int64(80000),
		TableMaxReadCapacityUnits: aws.Int64(40000), TableMaxWriteCapacityUnits: aws.Int64(40000),
	}, nil
}
