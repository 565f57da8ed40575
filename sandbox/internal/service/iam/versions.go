package iam

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Versions of managed policies.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html

// number is the n of a version "vn".
func (v version) number() int {
	n, err := strconv.Atoi(v.ID[1:])
	if err != nil {
		return 0
	}
	return n
}

// find returns the place of a version.
func (p *policyRow) find(id *string) (int, error) {
	var bad inputs
	if bad.length("versionId", id, 1, 64) && !isVersionID(*id) {
		bad.constraint("versionId", *id, `Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`)
	}
	if err := bad.result(); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(p.Versions, func(v version) bool { return v.ID == *id })
	if i < 0 {
		return 0, noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.ARN, *id)
	}
	return i, nil
}

// isVersionID tells whether s is "v" and a number without leading zeros.
func isVersionID(s string) bool {
	if len(s) < 2 || s[0] != 'v' || s[1] == '0' {
		return false
	}
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (c *call) createPolicyVersion(in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	p, err := c.ownPolicy("CreatePolicyVersion", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if err := c.managedDocument("CreatePolicyVersion", in.PolicyDocument); err != nil {
		return nil, err
	}
	if len(p.Versions) >= versionsPerPolicy {
		return nil, limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", versionsPerPolicy)
	}
	v := version{ID: "v" + strconv.Itoa(p.Next), Document: *in.PolicyDocument, Created: c.now()}
	p.Next++
	p.Versions = append(p.Versions, v)
	p.Updated = c.now()
	if in.SetAsDefault {
		p.Default = v.ID
	}
	policies.Put(c.tx, p.ARN, p)
	return &api.CreatePolicyVersionOutput{PolicyVersion: new(versionView(p, v, false))}, nil
}

func versionView(p *policyRow, v version, document bool) types.PolicyVersion {
	out := types.PolicyVersion{VersionId: &v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: &v.Created}
	if document {
		out.Document = encoded(v.Document)
	}
	return out
}

func (c *call) getPolicyVersion(in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	p, err := c.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := p.find(in.VersionId)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyVersionOutput{PolicyVersion: new(versionView(p, p.Versions[i], true))}, nil
}

func (c *call) listPolicyVersions(in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	p, err := c.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(p.Versions)
	slices.SortFunc(all, func(a, b version) int { return cmp.Compare(b.number(), a.number()) }) // newest first
	page, err := paginate(in.Marker, in.MaxItems, sorted(all, func(v version) string {
		return fmt.Sprintf("%010d", 1<<31-v.number()) // later versions have smaller keys
	}))
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyVersionsOutput{Versions: []types.PolicyVersion{}, IsTruncated: page.more, Marker: page.marker}
	for _, v := range page.items {
		out.Versions = append(out.Versions, versionView(p, v, false))
	}
	return out, nil
}

func (c *call) setDefaultPolicyVersion(in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	p, err := c.ownPolicy("SetDefaultPolicyVersion", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if _, err := p.find(in.VersionId); err != nil {
		return nil, err
	}
	p.Default = *in.VersionId
	p.Updated = c.now()
	policies.Put(c.tx, p.ARN, p)
	return &api.SetDefaultPolicyVersionOutput{}, nil
}

func (c *call) deletePolicyVersion(in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	p, err := c.ownPolicy("DeletePolicyVersion", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := p.find(in.VersionId)
	if err != nil {
		return nil, err
	}
	if p.Versions[i].ID == p.Default {
		return nil, deleteConflict("Cannot delete the default version of a policy.")
	}
	p.Versions = slices.Delete(p.Versions, i, i+1)
	policies.Put(c.tx, p.ARN, p)
	return &api.DeletePolicyVersionOutput{}, nil
}
