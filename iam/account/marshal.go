package account

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/iam"
)

// Marshal writes an account in the form that [Parse] reads and the AWS CLI
// prints: indented JSON with policy documents as objects.
func Marshal(a *Account) ([]byte, error) {
	uses := map[string]int{}
	count := func(e Entity) {
		for _, arn := range e.Attached {
			uses[arn]++
		}
	}
	limits := map[string]int{}
	out := output{Users: []userJSON{}, Groups: []groupJSON{}, Roles: []roleJSON{}, Policies: []policyJSON{}}
	for _, u := range a.Users {
		count(u.Entity)
		limits[u.Boundary]++
		groups := u.Groups
		if groups == nil {
			groups = []string{}
		}
		out.Users = append(out.Users, userJSON{
			Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: u.ARN, CreateDate: u.Created,
			UserPolicyList: inlines(u.Inline), GroupList: groups, AttachedManagedPolicies: attached(u.Attached),
			PermissionsBoundary: boundary(u.Boundary), Tags: u.Tags,
		})
	}
	for _, g := range a.Groups {
		count(g.Entity)
		out.Groups = append(out.Groups, groupJSON{
			Path: g.Path, GroupName: g.Name, GroupId: g.ID, Arn: g.ARN, CreateDate: g.Created,
			GroupPolicyList: inlines(g.Inline), AttachedManagedPolicies: attached(g.Attached),
		})
	}
	for _, r := range a.Roles {
		count(r.Entity)
		limits[r.Boundary]++
		profiles := []profileJSON{}
		for _, p := range r.Profiles {
			profiles = append(profiles, profileJSON{
				Path: p.Path, InstanceProfileName: p.Name, InstanceProfileId: p.ID, Arn: p.ARN, CreateDate: p.Created,
				Roles: []struct{}{}, Tags: p.Tags,
			})
		}
		out.Roles = append(out.Roles, roleJSON{
			Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN, CreateDate: r.Created,
			AssumeRolePolicyDocument: document(r.Trust), InstanceProfileList: profiles,
			RolePolicyList: inlines(r.Inline), AttachedManagedPolicies: attached(r.Attached),
			PermissionsBoundary: boundary(r.Boundary), Tags: r.Tags,
		})
	}
	for _, p := range a.Policies {
		versions := []versionJSON{}
		for _, v := range p.Versions {
			versions = append(versions, versionJSON{Document: document(v.Document), VersionId: v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: v.Created})
		}
		out.Policies = append(out.Policies, policyJSON{
			PolicyName: p.Name, PolicyId: p.ID, Arn: p.ARN, Path: p.Path, DefaultVersionId: p.Default,
			AttachmentCount: uses[p.ARN], PermissionsBoundaryUsageCount: limits[p.ARN], IsAttachable: true,
			Description: p.Description, CreateDate: p.Created, UpdateDate: p.Updated, PolicyVersionList: versions,
		})
	}
	text, err := json.MarshalIndent(out, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("account: write account %s: %w", a.ID, err)
	}
	return append(text, '\n'), nil
}

// The members of the output, in the order of the AWS CLI.
type output struct {
	Users    []userJSON   `json:"UserDetailList"`
	Groups   []groupJSON  `json:"GroupDetailList"`
	Roles    []roleJSON   `json:"RoleDetailList"`
	Policies []policyJSON `json:"Policies"`
}

type userJSON struct {
	Path, UserName, UserId, Arn string
	CreateDate                  time.Time
	UserPolicyList              []inlineJSON
	GroupList                   []string
	AttachedManagedPolicies     []attachedJSON
	PermissionsBoundary         *boundaryJSON `json:",omitempty"`
	Tags                        []Tag         `json:",omitempty"`
}

type groupJSON struct {
	Path, GroupName, GroupId, Arn string
	CreateDate                    time.Time
	GroupPolicyList               []inlineJSON
	AttachedManagedPolicies       []attachedJSON
}

type roleJSON struct {
	Path, RoleName, RoleId, Arn string
	CreateDate                  time.Time
	AssumeRolePolicyDocument    json.RawMessage
	InstanceProfileList         []profileJSON
	RolePolicyList              []inlineJSON
	AttachedManagedPolicies     []attachedJSON
	PermissionsBoundary         *boundaryJSON `json:",omitempty"`
	Tags                        []Tag         `json:",omitempty"`
}

type profileJSON struct {
	Path, InstanceProfileName, InstanceProfileId, Arn string
	CreateDate                                        time.Time
	Roles                                             []struct{}
	Tags                                              []Tag `json:",omitempty"`
}

type policyJSON struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId string
	AttachmentCount, PermissionsBoundaryUsageCount    int
	IsAttachable                                      bool
	Description                                       string `json:",omitempty"`
	CreateDate, UpdateDate                            time.Time
	PolicyVersionList                                 []versionJSON
}

type versionJSON struct {
	Document         json.RawMessage
	VersionId        string
	IsDefaultVersion bool
	CreateDate       time.Time
}

type inlineJSON struct {
	PolicyName     string
	PolicyDocument json.RawMessage
}

type attachedJSON struct{ PolicyName, PolicyArn string }

type boundaryJSON struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func document(p *iam.Policy) json.RawMessage {
	if p == nil {
		return nil // null
	}
	return json.RawMessage(p.Source())
}

func inlines(list []Inline) []inlineJSON {
	out := []inlineJSON{}
	for _, in := range list {
		out = append(out, inlineJSON{in.Name, document(in.Document)})
	}
	return out
}

func attached(arns []string) []attachedJSON {
	out := []attachedJSON{}
	for _, arn := range arns {
		out = append(out, attachedJSON{arn[strings.LastIndexByte(arn, '/')+1:], arn})
	}
	return out
}

func boundary(arn string) *boundaryJSON {
	if arn == "" {
		return nil
	}
	return &boundaryJSON{"Policy", arn}
}
