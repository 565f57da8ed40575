package iam

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // for the policies of AWS
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// managedFile holds managed policies of AWS as JSON, by name: ARN, path,
// dates, id and document of the default version, as GetPolicy and
// GetPolicyVersion answer them.
//
//go:embed managed.json.gz
var managedFile []byte

// managedPolicies reads managedFile once, on first use. ARNs are in
// partition "aws".
var managedPolicies = sync.OnceValue(func() map[string]*policyRow {
	list, err := readManaged(managedFile)
	if err != nil {
		panic("iam: embedded managed policies: " + err.Error()) // a test reads them
	}
	return list
})

func readManaged(zipped []byte) (map[string]*policyRow, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	var file map[string]struct {
		Arn, Path, DefaultVersionId string
		CreateDate, UpdateDate      time.Time
		Document                    json.RawMessage
	}
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, err
	}
	out := make(map[string]*policyRow, len(file))
	for name, f := range file {
		var doc bytes.Buffer
		if err := json.Indent(&doc, f.Document, "", "    "); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !strings.HasSuffix(f.Arn, ":policy"+f.Path+name) {
			return nil, fmt.Errorf("%s: ARN %s does not end with the path and name", name, f.Arn)
		}
		out[f.Arn] = &policyRow{
			ID: managedID(f.Arn), ARN: f.Arn, Account: "aws", Path: f.Path, Name: name,
			Created: f.CreateDate.UTC(), Updated: f.UpdateDate.UTC(), Default: f.DefaultVersionId,
			Versions: []version{{ID: f.DefaultVersionId, Document: doc.String(), Created: f.UpdateDate.UTC()}},
		}
	}
	return out, nil
}

// managedID makes up the unique id of a policy of AWS, always the same for
// the same policy.
func managedID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
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

// managedIn moves the managed policies to another partition, ARNs inside the
// documents included.
func managedIn(partition string) map[string]*policyRow {
	out := map[string]*policyRow{}
	for _, p := range managedPolicies() {
		there := p.clone()
		there.ARN = strings.Replace(p.ARN, "arn:aws:", "arn:"+partition+":", 1)
		for i := range there.Versions {
			there.Versions[i].Document = strings.ReplaceAll(there.Versions[i].Document, `"arn:aws:`, `"arn:`+partition+`:`)
		}
		out[there.ARN] = there
	}
	return out
}
