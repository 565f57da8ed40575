package estate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamapi "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/tf"
)

// LiveOptions say how an account is read. The zero value reads one account with
// nothing said on the way.
type LiveOptions struct {
	// Name is what people call the account; "" takes its alias.
	Name string
	// PathStyle addresses buckets by path, as sandboxes want it.
	PathStyle bool
	// Progress is told what is being read, in words for people; nil is told
	// nothing.
	Progress func(format string, args ...any)
}

// FromAccount reads an account by AWS's API, with calls that change nothing:
// its IAM, the policies of its buckets, tables and repositories, its task
// definitions and instances. What the credentials may not read is unknown; only
// an account that cannot be reached, or whose IAM may not be listed, is an error.
// The region is that of the configuration.
func FromAccount(ctx context.Context, cfg aws.Config, o LiveOptions) (*Estate, error) {
	say := o.Progress
	if say == nil {
		say = func(string, ...any) {}
	}
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("who am I: %w", err)
	}
	l := &live{e: New(), cfg: cfg, o: o, say: say, id: aws.ToString(me.Account), partition: "aws"}
	if arn, err := iam.ParseARN(aws.ToString(me.Arn)); err == nil {
		l.partition = arn.Partition
	}
	say("reading IAM of account %s", l.id)
	if err := l.details(ctx); err != nil {
		return nil, fmt.Errorf("read IAM of account %s: %w", l.id, err)
	}
	if o.Name != "" {
		l.e.Names[l.id] = o.Name
	}
	for _, part := range []struct {
		what string
		read func(context.Context) error
	}{
		{"identity providers", l.providers}, {"buckets", l.buckets}, {"tables", l.tables}, {"repositories", l.repositories},
		{"task definitions", l.tasks}, {"services", l.services}, {"instances", l.instances},
	} {
		say("reading %s of account %s", part.what, l.id)
		if err := part.read(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			l.missing(part.what, err)
		}
	}
	l.e.settle()
	return l.e, nil
}

// live is one reading of an account.
type live struct {
	e             *Estate
	cfg           aws.Config
	o             LiveOptions
	say           func(string, ...any)
	id, partition string
	roleOfProfile map[string]string
}

// missing notes what could not be read.
func (l *live) missing(what string, err error, concerns ...string) {
	why := err.Error()
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		why = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	l.e.miss(tf.Unknown{Why: fmt.Sprintf("%s of account %s could not be read: %s", what, l.id, why), Concerns: concerns})
}

// document reads a policy as the API sends it, percent-encoded or plain.
func (l *live) document(kind iam.Kind, name, text string, concerns ...string) *iam.Policy {
	if text == "" {
		return nil
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		if decoded, err := url.PathUnescape(text); err == nil {
			text = decoded
		}
	}
	p, err := iam.Parse(kind, name, []byte(text))
	if err != nil {
		l.e.miss(tf.Unknown{Why: "it is no policy that can be read: " + err.Error(), Concerns: concerns})
		return nil
	}
	return p
}

// details reads IAM.
func (l *live) details(ctx context.Context) error {
	a := l.e.account(l.id)
	l.roleOfProfile = map[string]string{}
	pages := iamapi.NewGetAccountAuthorizationDetailsPaginator(iamapi.NewFromConfig(l.cfg), &iamapi.GetAccountAuthorizationDetailsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, u := range page.UserDetailList {
			x := account.User{Entity: entity(u.Arn, u.UserId, u.UserName, u.Path, u.CreateDate, u.AttachedManagedPolicies), Groups: u.GroupList, Boundary: boundary(u.PermissionsBoundary), Tags: tags(u.Tags)}
			l.inline(&x.Entity, "user", u.UserPolicyList)
			a.Users = append(a.Users, x)
		}
		for _, g := range page.GroupDetailList {
			x := account.Group{Entity: entity(g.Arn, g.GroupId, g.GroupName, g.Path, g.CreateDate, g.AttachedManagedPolicies)}
			l.inline(&x.Entity, "group", g.GroupPolicyList)
			a.Groups = append(a.Groups, x)
		}
		for _, r := range page.RoleDetailList {
			x := account.Role{Entity: entity(r.Arn, r.RoleId, r.RoleName, r.Path, r.CreateDate, r.AttachedManagedPolicies), Boundary: boundary(r.PermissionsBoundary), Tags: tags(r.Tags)}
			x.Trust = l.document(iam.Trust, "trust policy of role "+x.Name, aws.ToString(r.AssumeRolePolicyDocument), x.ARN)
			l.inline(&x.Entity, "role", r.RolePolicyList)
			for _, p := range r.InstanceProfileList {
				ip := account.InstanceProfile{ARN: aws.ToString(p.Arn), ID: aws.ToString(p.InstanceProfileId), Name: aws.ToString(p.InstanceProfileName), Path: aws.ToString(p.Path), Created: aws.ToTime(p.CreateDate), Tags: tags(p.Tags)}
				x.Profiles = append(x.Profiles, ip)
				l.roleOfProfile[ip.ARN], l.roleOfProfile[ip.Name] = x.ARN, x.ARN
			}
			a.Roles = append(a.Roles, x)
		}
		for _, p := range page.Policies {
			x := account.ManagedPolicy{
				ARN: aws.ToString(p.Arn), ID: aws.ToString(p.PolicyId), Name: aws.ToString(p.PolicyName), Path: aws.ToString(p.Path), Description: aws.ToString(p.Description),
				Created: aws.ToTime(p.CreateDate), Updated: aws.ToTime(p.UpdateDate), Default: aws.ToString(p.DefaultVersionId),
			}
			for _, v := range p.PolicyVersionList {
				if aws.ToString(v.VersionId) != x.Default {
					continue // only the one in force decides
				}
				if doc := l.document(iam.Identity, x.ARN, aws.ToString(v.Document)); doc != nil {
					x.Versions = append(x.Versions, account.Version{ID: x.Default, Created: aws.ToTime(v.CreateDate), Document: doc})
				}
			}
			if len(x.Versions) > 0 {
				a.Policies = append(a.Policies, x)
			}
		}
	}
	l.e.profiles(a)
	return nil
}

func (l *live) inline(e *account.Entity, kind string, list []types.PolicyDetail) {
	for _, p := range list {
		name := aws.ToString(p.PolicyName)
		if doc := l.document(iam.Identity, "inline policy "+name+" of "+kind+" "+e.Name, aws.ToString(p.PolicyDocument), e.ARN); doc != nil {
			e.Inline = append(e.Inline, account.Inline{Name: name, Document: doc})
		}
	}
}

func entity(arn, id, name, path *string, created *time.Time, attached []types.AttachedPolicy) account.Entity {
	e := account.Entity{ARN: aws.ToString(arn), ID: aws.ToString(id), Name: aws.ToString(name), Path: aws.ToString(path), Created: aws.ToTime(created)}
	for _, p := range attached {
		e.Attached = append(e.Attached, aws.ToString(p.PolicyArn))
	}
	return e
}

func boundary(b *types.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return aws.ToString(b.PermissionsBoundaryArn)
}

func tags(list []types.Tag) []account.Tag {
	var out []account.Tag
	for _, t := range list {
		out = append(out, account.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return out
}

// providers reads the identity providers.
func (l *live) providers(ctx context.Context) error {
	c := iamapi.NewFromConfig(l.cfg)
	oidc, err := c.ListOpenIDConnectProviders(ctx, nil)
	if err != nil {
		return err
	}
	for _, p := range oidc.OpenIDConnectProviderList {
		l.e.Resources = append(l.e.Resources, Resource{ARN: aws.ToString(p.Arn), Account: l.id, Type: "iam:oidc-provider"})
	}
	saml, err := c.ListSAMLProviders(ctx, nil)
	if err != nil {
		return err
	}
	for _, p := range saml.SAMLProviderList {
		l.e.Resources = append(l.e.Resources, Resource{ARN: aws.ToString(p.Arn), Account: l.id, Type: "iam:saml-provider"})
	}
	return nil
}
