package dynamodb

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Options says what DynamoDB cannot know by itself. The zero value is safe.
type Options struct {
	// PrincipalExists tells whether a principal that a resource policy names
	// exists. Nil lets every well-formed principal pass.
	PrincipalExists func(arn string) bool
	// StorePolicy rewrites a resource policy as it is kept: ARNs of users and
	// roles become their unique ids, so that a role made later under the same
	// name does not inherit the grant. ShowPolicy is the way back for
	// principals that still exist. Nil keeps the text.
	StorePolicy func(document string) string
	ShowPolicy  func(document string) string
}

// DynamoDB is the service.
type DynamoDB struct {
	st       *store.Store
	opt      Options
	parsers  *parsers
	policies policyCache
}

// New makes the service on a store. It starts nothing.
func New(st *store.Store, opt Options) *DynamoDB {
	return &DynamoDB{st: st, opt: opt, parsers: newParsers(), policies: policyCache{compiled: map[string]compiled{}}}
}

// Name is the signing name.
func (d *DynamoDB) Name() string { return "dynamodb" }

// Operations is the table of the service.
func (d *DynamoDB) Operations() []service.Operation {
	return []service.Operation{
		service.Op("CreateTable", d.createTableChecks, d.createTable),
		service.Op("DescribeTable", onTable(d, "DescribeTable", nameOfDescribe), d.describeTable),
		service.Op("UpdateTable", onTable(d, "UpdateTable", nameOfUpdate), d.updateTable),
		service.Op("DeleteTable", onTable(d, "DeleteTable", nameOfDelete), d.deleteTable),
		service.Op("ListTables", onAccount("ListTables", listTablesInput{}), d.listTables),
		service.Op("DescribeLimits", onAccount("DescribeLimits", describeLimitsInput{}), d.describeLimits),
		service.Op("DescribeTimeToLive", onTable(d, "DescribeTimeToLive", nameOfDescribeTTL), d.describeTimeToLive),
		service.Op("UpdateTimeToLive", onTable(d, "UpdateTimeToLive", nameOfUpdateTTL), d.updateTimeToLive),
		service.Op("DescribeContinuousBackups", onTable(d, "DescribeContinuousBackups", nameOfDescribeBackups), d.describeContinuousBackups),
		service.Op("UpdateContinuousBackups", onTable(d, "UpdateContinuousBackups", nameOfUpdateBackups), d.updateContinuousBackups),
		service.Op("TagResource", d.tagResourceChecks, d.tagResource),
		service.Op("UntagResource", d.untagResourceChecks, d.untagResource),
		service.Op("ListTagsOfResource", d.listTagsChecks, d.listTagsOfResource),
		service.Op("PutResourcePolicy", d.putResourcePolicyChecks, d.putResourcePolicy),
		service.Op("GetResourcePolicy", d.getResourcePolicyChecks, d.getResourcePolicy),
		service.Op("DeleteResourcePolicy", d.deleteResourcePolicyChecks, d.deleteResourcePolicy),
		service.Op("GetItem", d.getItemChecks, d.getItem),
		service.Op("PutItem", d.putItemChecks, d.putItem),
		service.Op("UpdateItem", d.updateItemChecks, d.updateItem),
		service.Op("DeleteItem", d.deleteItemChecks, d.deleteItem),
		service.Op("Query", d.queryChecks, d.query),
		service.Op("Scan", d.scanChecks, d.scan),
		service.Op("BatchGetItem", d.batchGetChecks, d.batchGet),
		service.Op("BatchWriteItem", d.batchWriteChecks, d.batchWrite),
		service.Op("TransactGetItems", d.transactGetChecks, d.transactGet),
		service.Op("TransactWriteItems", d.transactWriteChecks, d.transactWrite),
	}
}

// table is a row: everything about a table but its items.
type table struct {
	Partition, Region, Account, Name string
	// ID is unique for ever; items hang on it.
	ID         string
	Created    time.Time
	Attributes []types.AttributeDefinition
	Keys       []types.KeySchemaElement
	Locals     []types.LocalSecondaryIndex  `json:",omitempty"`
	Globals    []types.GlobalSecondaryIndex `json:",omitempty"`
	// Billing is never empty; OnDemandSince is when PAY_PER_REQUEST was
	// chosen last, nil for never.
	Billing       types.BillingMode
	OnDemandSince *time.Time                   `json:",omitempty"`
	Throughput    *types.ProvisionedThroughput `json:",omitempty"`
	OnDemand      *types.OnDemandThroughput    `json:",omitempty"`
	Warm          *types.WarmThroughput        `json:",omitempty"`
	Stream        *types.StreamSpecification   `json:",omitempty"`
	// StreamLabel is the last stream's, kept when it is switched off.
	StreamLabel string                  `json:",omitempty"`
	SSE         *types.SSESpecification `json:",omitempty"`
	Class       types.TableClass        `json:",omitempty"`
	Protected   bool                    `json:",omitempty"`
	Tags        []types.Tag             `json:",omitempty"`
	// TTL is the attribute of the time to live, "" if that is off.
	TTL string `json:",omitempty"`
	// RecoverySince is when point-in-time recovery was switched on.
	RecoverySince *time.Time `json:",omitempty"`
	RecoveryDays  int32      `json:",omitempty"`
	// Policy is the resource policy as Options.StorePolicy rewrote it.
	Policy   string `json:",omitempty"`
	Revision string `json:",omitempty"`
}

var (
	// tables holds the tables by account, region and name.
	tables = store.NewTable[*table]("dynamodb.table")
	// items holds the items by table id and primary key, see key.go.
	items = store.NewTable[item]("dynamodb.item")
	// entries holds the rows of secondary indexes: each is the key of an item.
	entries = store.NewTable[[]byte]("dynamodb.index")
)

func (t *table) ref() ref {
	return ref{partition: t.Partition, region: t.Region, account: t.Account, name: t.Name, given: t.Name}
}

// edit copies the table so that its fields may be replaced.
func (t *table) edit() *table {
	c := *t
	return &c
}

func (t *table) save(tx *store.Tx) { tables.Put(tx, t.ref().key(), t) }

// compiled is a policy with the text it was made from.
type compiled struct {
	text   string
	policy *iam.Policy
}

// policyCache keeps the compiled form of each table's policy. An entry is
// valid while its text is the stored one, so nobody has to invalidate it; it
// goes when its table does.
type policyCache struct {
	mu       sync.Mutex // guards the field below
	compiled map[string]compiled
}
