package iam

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mantle-iam/mantle/iam/managed"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// managedPolicies are those of AWS as rows, made once, on first use. ARNs are
// in partition "aws".
var managedPolicies = sync.OnceValue(func() map[string]*policyRow { return managedRows("aws") })

func managedRows(partition string) map[string]*policyRow {
	known := managed.In(partition)
	out := make(map[string]*policyRow, len(known))
	for _, f := range known {
		out[f.ARN] = &policyRow{
			ID: managed.ID(strings.Replace(f.ARN, "arn:"+partition+":", "arn:aws:", 1)), ARN: f.ARN, Account: "aws", Path: f.Path, Name: f.Name,
			Created: f.Created, Updated: f.Updated, Default: f.Default,
			Versions: []version{{ID: f.Default, Document: f.Document, Created: f.Updated}},
		}
	}
	return out
}

// managed finds a managed policy of AWS by its ARN.
func (s *IAM) managed(arn string) (*policyRow, bool) {
	p, ok := s.aws()[arn]
	return p, ok
}

// allManaged are the managed policies of AWS in the order of their ARNs,
// those that came with loaded accounts included.
func (s *IAM) allManaged(tx *store.Tx) []*policyRow {
	all := slices.Collect(maps.Values(s.aws()))
	for _, arn := range named(tx, "aws", policyKind, "") {
		if p, ok := policies.Get(tx, arn); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *policyRow) int { return strings.Compare(a.ARN, b.ARN) })
	return all
}
