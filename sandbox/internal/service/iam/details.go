package iam

import (
	"slices"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// detail is one thing of GetAccountAuthorizationDetails: an entity or a
// managed policy.
type detail struct {
	entity *entity
	policy *policyRow
}

// getAccountAuthorizationDetails pages through users, groups, roles and
// policies in this order; a page may hold some of each.
func (c *call) getAccountAuthorizationDetails(in *api.GetAccountAuthorizationDetailsInput) (*api.GetAccountAuthorizationDetailsOutput, error) {
	wants := func(t types.EntityType) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, t) }
	page, err := paginate(in.Marker, in.MaxItems, func(after string) seq[detail] {
		return func(yield func(string, detail) bool) {
			more := true
			visit := func(prefix string, d detail, name string) {
				if key := prefix + name; more && key > after {
					more = yield(key, d)
				}
			}
			for _, part := range []struct {
				prefix string
				t      types.EntityType
				k      kind
			}{{"1/", types.EntityTypeUser, userKind}, {"2/", types.EntityTypeGroup, groupKind}, {"3/", types.EntityTypeRole, roleKind}} {
				if wants(part.t) && more {
					for name, e := range each(c.tx, c.account(), part.k, strings.TrimPrefix(after, part.prefix)) {
						if visit(part.prefix, detail{entity: e}, name); !more {
							break
						}
					}
				}
			}
			if wants(types.EntityTypeLocalManagedPolicy) && more {
				for name, arn := range named(c.tx, c.account(), policyKind, "") {
					if p, ok := policies.Get(c.tx, arn); ok {
						visit("4/", detail{policy: p}, name)
					}
				}
			}
			if wants(types.EntityTypeAWSManagedPolicy) && more {
				for _, p := range c.allManaged(c.tx) {
					if c.inUse(p) {
						visit("5/", detail{policy: p}, p.ARN)
					}
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	out := &api.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{},
		RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
		IsTruncated: page.more, Marker: page.marker,
	}
	for _, d := range page.items {
		switch {
		case d.policy != nil:
			out.Policies = append(out.Policies, c.policyDetail(d.policy))
		case d.entity.Kind == userKind:
			out.UserDetailList = append(out.UserDetailList, c.userDetail(d.entity))
		case d.entity.Kind == groupKind:
			out.GroupDetailList = append(out.GroupDetailList, c.groupDetail(d.entity))
		default:
			out.RoleDetailList = append(out.RoleDetailList, c.roleDetail(d.entity))
		}
	}
	return out, nil
}

// inUse tells whether something in the account uses a managed policy; of
// AWS's policies the details show only those.
func (c *call) inUse(p *policyRow) bool {
	return attachments.Count(c.tx, c.account()+"|"+p.ARN+"|") > 0
}

func inlineViews(e *entity) []types.PolicyDetail {
	out := []types.PolicyDetail{}
	for _, p := range e.Inline {
		out = append(out, types.PolicyDetail{PolicyName: new(p.Name), PolicyDocument: encoded(p.Document)})
	}
	return out
}

func (c *call) userDetail(e *entity) types.UserDetail {
	groups := []string{}
	for _, g := range c.groupsOf(e) {
		groups = append(groups, g.Name)
	}
	return types.UserDetail{
		Arn: new(c.entityARN(e)), UserId: &e.ID, UserName: &e.Name, Path: &e.Path, CreateDate: &e.Created,
		GroupList: groups, UserPolicyList: inlineViews(e), AttachedManagedPolicies: attachedViews(e),
		PermissionsBoundary: boundaryView(e), Tags: tagViews(e.Tags),
	}
}

func (c *call) groupDetail(e *entity) types.GroupDetail {
	return types.GroupDetail{
		Arn: new(c.entityARN(e)), GroupId: &e.ID, GroupName: &e.Name, Path: &e.Path, CreateDate: &e.Created,
		GroupPolicyList: inlineViews(e), AttachedManagedPolicies: attachedViews(e),
	}
}

func (c *call) roleDetail(e *entity) types.RoleDetail {
	return types.RoleDetail{
		Arn: new(c.entityARN(e)), RoleId: &e.ID, RoleName: &e.Name, Path: &e.Path, CreateDate: &e.Created,
		AssumeRolePolicyDocument: encoded(c.showPrincipals(c.tx, e.Trust)),
		InstanceProfileList:      c.profileViews(c.profilesOf(e)),
		RolePolicyList:           inlineViews(e), AttachedManagedPolicies: attachedViews(e),
		PermissionsBoundary: boundaryView(e), Tags: tagViews(e.Tags), RoleLastUsed: c.used.role(e.ID),
	}
}

func (c *call) policyDetail(p *policyRow) types.ManagedPolicyDetail {
	v := c.policyView(p, true)
	d := types.ManagedPolicyDetail{
		Arn: v.Arn, PolicyId: v.PolicyId, PolicyName: v.PolicyName, Path: v.Path, Description: v.Description,
		AttachmentCount: v.AttachmentCount, PermissionsBoundaryUsageCount: v.PermissionsBoundaryUsageCount,
		DefaultVersionId: v.DefaultVersionId, IsAttachable: v.IsAttachable,
		CreateDate: v.CreateDate, UpdateDate: v.UpdateDate, PolicyVersionList: []types.PolicyVersion{},
	}
	for _, ver := range slices.Backward(p.Versions) {
		d.PolicyVersionList = append(d.PolicyVersionList, versionView(p, ver, true))
	}
	return d
}
