// Package managed holds managed policies of AWS, as AWS publishes them.
//
// The list is not whole: it has the policies that roles of EC2 instances, ECS
// tasks and their deployers use most. A policy that is not in it is not known;
// readers say so and never guess what it allows.
//
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html.
package managed

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // for the policies
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// file holds the policies as JSON, by name: ARN, path, dates, id and document
// of the default version, as GetPolicy and GetPolicyVersion answer them.
//
//go:embed policies.json.gz
var file []byte

// Policy is a managed policy of AWS.
type Policy struct {
	Name    string
	ARN     string // in partition "aws"
	Path    string
	Default string // id of the version in force, such as "v5"
	Created time.Time
	Updated time.Time // when the version in force was made

	// Document is the version in force, indented by four spaces.
	Document string
}

// ID makes up the unique id (ANPA…) of a policy of AWS, always the same for the
// same ARN.
func ID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// In returns the policies that are known, by ARN, as they are in a partition:
// ARNs inside their documents included.
func In(partition string) map[string]Policy {
	out := make(map[string]Policy, len(all()))
	for _, p := range all() {
		if partition != "aws" {
			p.ARN = strings.Replace(p.ARN, "arn:aws:", "arn:"+partition+":", 1)
			p.Document = strings.ReplaceAll(p.Document, `"arn:aws:`, `"arn:`+partition+`:`)
		}
		out[p.ARN] = p
	}
	return out
}

// Find returns the policy with an ARN of any partition.
func Find(arn string) (Policy, bool) {
	f := strings.SplitN(arn, ":", 3)
	if len(f) != 3 || f[0] != "arn" {
		return Policy{}, false
	}
	p, ok := all()["arn:aws:"+f[2]]
	if ok && f[1] != "aws" {
		p.ARN = arn
		p.Document = strings.ReplaceAll(p.Document, `"arn:aws:`, `"arn:`+f[1]+`:`)
	}
	return p, ok
}

// all reads the file once, on first use.
var all = sync.OnceValue(func() map[string]Policy {
	list, err := read(file)
	if err != nil {
		panic("managed: embedded policies: " + err.Error()) // a test reads them
	}
	return list
})

func read(zipped []byte) (map[string]Policy, error) {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	var listed map[string]struct {
		Arn, Path, DefaultVersionId string
		CreateDate, UpdateDate      time.Time
		Document                    json.RawMessage
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&listed); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	out := make(map[string]Policy, len(listed))
	for name, f := range listed {
		var doc bytes.Buffer
		if err := json.Indent(&doc, f.Document, "", "    "); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !strings.HasSuffix(f.Arn, ":policy"+f.Path+name) {
			return nil, fmt.Errorf("%s: ARN %s does not end with the path and name", name, f.Arn)
		}
		out[f.Arn] = Policy{
			Name: name, ARN: f.Arn, Path: f.Path, Default: f.DefaultVersionId,
			Created: f.CreateDate.UTC(), Updated: f.UpdateDate.UTC(), Document: doc.String(),
		}
	}
	return out, nil
}
