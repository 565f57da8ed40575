package dynamodb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

func (d *DynamoDB) createTableChecks(r *service.Request, in *api.CreateTableInput) (checks, error) {
	ref, err := refOf(r, in.TableName)
	if err != nil {
		return nil, err
	}
	tagged := requestTags(in.Tags)
	create, err := d.check("CreateTable", ref, nil, "", tagged...)
	out := checks{create}
	if err == nil && len(in.Tags) > 0 {
		c, _ := d.check("TagResource", ref, nil, "", tagged...)
		out = append(out, c)
	}
	if err == nil && in.ResourcePolicy != nil {
		c, _ := d.check("PutResourcePolicy", ref, nil, "")
		out = append(out, c)
	}
	return out, err
}

func (d *DynamoDB) createTable(_ context.Context, r *service.Request, in *api.CreateTableInput) (*api.CreateTableOutput, error) {
	ref, err := refOf(r, in.TableName)
	if err != nil {
		return nil, err
	}
	if ref.account != r.Account() {
		return nil, invalid("A table can only be created in the caller's own account: %s", ref.given)
	}
	t, err := defineTable(r, ref, in)
	if err != nil {
		return nil, err
	}
	if in.ResourcePolicy != nil {
		if t.Policy, err = d.policyText(ref, *in.ResourcePolicy); err != nil {
			return nil, err
		}
		t.Revision = newRevision()
	}
	out := &api.CreateTableOutput{}
	err = d.st.Update(func(tx *store.Tx) error {
		if tables.Has(tx, ref.key()) {
			return fail("ResourceInUseException", "Table already exists: %s", ref.name)
		}
		t.save(tx)
		out.TableDescription = t.describe(tx)
		return nil
	})
	return out, err
}

// defineTable makes a table of what CreateTable asks for.
func defineTable(r *service.Request, ref ref, in *api.CreateTableInput) (*table, error) {
	t := &table{
		Partition: ref.partition, Region: ref.region, Account: ref.account, Name: ref.name,
		ID: newID(), Created: r.Now.UTC().Truncate(time.Millisecond),
		Attributes: in.AttributeDefinitions, Keys: in.KeySchema,
		Locals: in.LocalSecondaryIndexes, Globals: in.GlobalSecondaryIndexes,
		Protected: aws.ToBool(in.DeletionProtectionEnabled),
	}
	if err := t.setBilling(r.Now, in.BillingMode, in.ProvisionedThroughput); err != nil {
		return nil, err
	}
	t.OnDemand, t.Warm = in.OnDemandThroughput, in.WarmThroughput
	if err := t.checkShape(); err != nil {
		return nil, err
	}
	if err := t.setStream(r.Now, in.StreamSpecification); err != nil {
		return nil, err
	}
	if err := t.setSSE(in.SSESpecification); err != nil {
		return nil, err
	}
	if in.TableClass != "" && in.TableClass != types.TableClassStandard {
		t.Class = in.TableClass
	}
	tags, err := mergeTags(nil, in.Tags)
	t.Tags = tags
	return t, err
}

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// setBilling chooses the billing mode; an empty mode is PROVISIONED.
func (t *table) setBilling(now time.Time, mode types.BillingMode, p *types.ProvisionedThroughput) error {
	if mode == "" {
		mode = types.BillingModeProvisioned
	}
	// Some clients send zeros for on-demand tables.
	given := p != nil && (aws.ToInt64(p.ReadCapacityUnits) != 0 || aws.ToInt64(p.WriteCapacityUnits) != 0)
	switch {
	case mode == types.BillingModePayPerRequest && given:
		return badValues("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case mode == types.BillingModeProvisioned && !given:
		return badValues("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	t.Throughput = p
	if mode == types.BillingModePayPerRequest {
		t.Throughput = nil
		if t.Billing != mode {
			t.OnDemandSince = new(now.UTC().Truncate(time.Millisecond))
		}
	}
	t.Billing = mode
	return nil
}

// setStream switches the stream on or off; nil leaves it.
func (t *table) setStream(now time.Time, s *types.StreamSpecification) error {
	if s == nil {
		return nil
	}
	on := aws.ToBool(s.StreamEnabled)
	switch {
	case on && s.StreamViewType == "":
		return badValues("StreamViewType is required when StreamEnabled is true")
	case !on && s.StreamViewType != "":
		return badValues("StreamViewType is not allowed when StreamEnabled is false")
	case on && t.Stream != nil:
		return invalid("Table already has an enabled stream: TableName: %s", t.Name)
	case !on:
		t.Stream = nil
	default:
		t.Stream = s
		t.StreamLabel = now.UTC().Format("2006-01-02T15:04:05.000")
	}
	return nil
}

// setSSE chooses the key at rest; nil leaves it.
func (t *table) setSSE(s *types.SSESpecification) error {
	switch {
	case s == nil:
	case !aws.ToBool(s.Enabled):
		if s.KMSMasterKeyId != nil || s.SSEType != "" {
			return badValues("SSEType and KMSMasterKeyId must not be specified when SSE is disabled")
		}
		t.SSE = nil
	case s.SSEType == types.SSETypeAes256:
		return badValues("SSEType AES256 is not supported")
	default:
		t.SSE = s
	}
	return nil
}

// Limits of tables.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-secondary-indexes
const (
	maxLocals   = 5
	maxGlobals  = 20
	maxNonKeys  = 20  // non-key attributes of one index
	maxIncluded = 100 // of all indexes together
)

// checkShape checks keys, indexes and attribute definitions against each
// other.
func (t *table) checkShape() error {
	if err := t.checkKeySchema(t.Keys); err != nil {
		return err
	}
	switch {
	case t.Locals != nil && len(t.Locals) == 0:
		return badValues("List of LocalSecondaryIndexes is empty")
	case t.Globals != nil && len(t.Globals) == 0:
		return badValues("List of GlobalSecondaryIndexes is empty")
	case len(t.Locals) > maxLocals:
		return badValues("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocals)
	case len(t.Globals) > maxGlobals:
		return badValues("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobals)
	}
	names, included := map[string]bool{}, 0
	for x := range t.indexes() {
		if names[x.name] {
			return badValues("Duplicate index name: %s", x.name)
		}
		names[x.name] = true
		if err := t.checkIndex(x); err != nil {
			return err
		}
		included += len(x.projection.NonKeyAttributes)
	}
	if included > maxIncluded {
		return badValues("Number of projected attributes exceeds the per-table limit of %d", maxIncluded)
	}
	for _, g := range t.Globals {
		given := g.ProvisionedThroughput != nil && (aws.ToInt64(g.ProvisionedThroughput.ReadCapacityUnits) != 0 || aws.ToInt64(g.ProvisionedThroughput.WriteCapacityUnits) != 0)
		switch {
		case given && t.Billing == types.BillingModePayPerRequest:
			return badValues("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", *g.IndexName)
		case !given && t.Billing == types.BillingModeProvisioned:
			return badValues("ProvisionedThroughput is not specified for index: %s", *g.IndexName)
		}
	}
	return t.checkDefinitions()
}

// checkKeySchema checks the form of a key schema, and that its attributes are
// defined.
func (t *table) checkKeySchema(keys []types.KeySchemaElement) error {
	for i, k := range keys {
		if !slices.ContainsFunc(t.Attributes, func(a types.AttributeDefinition) bool { return *a.AttributeName == *k.AttributeName }) {
			return badValues("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]", keyNames(keys), defined(t.Attributes))
		}
		switch {
		case i == 0 && k.KeyType != types.KeyTypeHash:
			return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
		case i == 1 && k.KeyType != types.KeyTypeRange:
			return invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
		case i == 1 && *k.AttributeName == *keys[0].AttributeName:
			return invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		case i > 1:
			return invalid("The sandbox supports key schemas of one HASH and at most one RANGE element, got %d elements", len(keys))
		}
	}
	return nil
}

func (t *table) checkIndex(x index) error {
	if !goodName(x.name) {
		return invalid("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	if err := t.checkKeySchema(x.keys); err != nil {
		return err
	}
	primary := t.primary()
	if !x.global {
		switch {
		case primary.sort.name == "":
			return badValues("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
		case x.schema.sort.name == "":
			return badValues("Index KeySchema does not have a range key for index: %s", x.name)
		case x.schema.hash.name != primary.hash.name:
			return badValues("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s", x.name, x.schema.hash.name, primary.hash.name)
		}
	}
	p := x.projection
	if p == nil {
		return badValues("Unknown ProjectionType: null")
	}
	switch n := len(p.NonKeyAttributes); {
	case p.ProjectionType == "":
		return badValues("Unknown ProjectionType: null")
	case p.ProjectionType == types.ProjectionTypeInclude && n == 0:
		return badValues("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case p.ProjectionType != types.ProjectionTypeInclude && n > 0:
		return badValues("ProjectionType is %s, but NonKeyAttributes is specified", p.ProjectionType)
	case n > maxNonKeys:
		return badValues("Number of NonKeyAttributes exceeds the limit of %d for index: %s", maxNonKeys, x.name)
	}
	return nil
}

// checkDefinitions refuses attribute definitions that no key uses.
func (t *table) checkDefinitions() error {
	used := map[string]bool{}
	for _, a := range t.primary().attributes() {
		used[a.name] = true
	}
	indexed := false
	for x := range t.indexes() {
		indexed = true
		for _, a := range x.schema.attributes() {
			used[a.name] = true
		}
	}
	seen := map[string]bool{}
	for _, a := range t.Attributes {
		if seen[*a.AttributeName] {
			return invalid("Duplicate AttributeDefinition: %s", *a.AttributeName)
		}
		seen[*a.AttributeName] = true
	}
	if len(seen) == len(used) {
		return nil
	}
	if !indexed {
		return badValues("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	var names []string
	for _, a := range t.Attributes {
		if used[*a.AttributeName] {
			names = append(names, *a.AttributeName)
		}
	}
	return badValues("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]", defined(t.Attributes), strings.Join(names, ", "))
}

func keyNames(keys []types.KeySchemaElement) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = *k.AttributeName
	}
	return strings.Join(names, ", ")
}

func defined(attributes []types.AttributeDefinition) string {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = *a.AttributeName
	}
	return strings.Join(names, ", ")
}
