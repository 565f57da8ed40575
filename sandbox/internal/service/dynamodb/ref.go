package dynamodb

import (
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// ref says which table a request means.
type ref struct {
	partition, region, account, name string
	// given is the name or ARN as the client wrote it; answers repeat it.
	given string
}

// maxName and minName bound names of tables and indexes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
const (
	minName = 3
	maxName = 255
)

func goodName(s string) bool {
	return len(s) >= minName && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}

// partitionOf is the partition of a region.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// refOf reads a TableName, which is a name in the caller's account or the ARN
// of a table in any.
func refOf(r *service.Request, given *string) (ref, error) {
	if given == nil {
		return ref{}, invalid("The parameter 'TableName' is required but was not present in the request")
	}
	s := *given
	if !strings.HasPrefix(s, "arn:") {
		if !goodName(s) {
			return ref{}, invalid("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
		}
		return ref{partition: partitionOf(r.Region), region: r.Region, account: r.Account(), name: s, given: s}, nil
	}
	t, err := refOfARN(r, s)
	if err != nil {
		return ref{}, invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", s)
	}
	return t, nil
}

// refOfARN reads the ARN of a table in the request's region.
func refOfARN(r *service.Request, s string) (ref, error) {
	a, err := iam.ParseARN(s)
	name, ok := strings.CutPrefix(a.Resource, "table/")
	if err != nil || !ok || a.Service != "dynamodb" || a.Region != r.Region || a.Partition != partitionOf(a.Region) || len(a.Account) != 12 || !goodName(name) {
		return ref{}, invalid("Invalid ResourceArn provided as input %s", s)
	}
	return ref{partition: a.Partition, region: a.Region, account: a.Account, name: name, given: s}, nil
}

// arn is the ARN of the table.
func (t ref) arn() string {
	return iam.ARN{Partition: t.partition, Service: "dynamodb", Region: t.region, Account: t.account, Resource: "table/" + t.name}.String()
}

// indexARN is the ARN of one of its indexes.
func (t ref) indexARN(index string) string { return t.arn() + "/index/" + index }

// key is the table's key in the store.
func (t ref) key() string { return t.account + "/" + t.region + "/" + t.name }
