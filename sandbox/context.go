package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"time"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// context collects the condition keys of one check: what is true of every
// request, of its principal, of its session, and what the operation adds
// (IAM User Guide, "AWS global condition context keys").
func (s *Server) context(req *service.Request, c service.Check, owner string) *engine.Context {
	x := engine.NewContext()
	now := req.Now
	x.Set("aws:CurrentTime", now.Format(time.RFC3339))
	x.Set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	x.Set("aws:SecureTransport", strconv.FormatBool(req.TLS))
	x.Set("aws:RequestedRegion", req.Region)
	x.Set("aws:ViaAWSService", "false")
	if req.UserAgent != "" {
		x.Set("aws:UserAgent", req.UserAgent)
	}
	if req.Source.IsValid() {
		x.Set("aws:SourceIp", req.Source.String())
	}
	if owner != "" {
		x.Set("aws:ResourceAccount", owner)
	}
	s.principalContext(x, &req.Caller)
	for _, kv := range c.Context {
		// These keys hold several values even when one is given.
		switch kv.Key {
		case "aws:TagKeys", "sts:TransitiveTagKeys", "s3:RequestObjectTagKeys", "dynamodb:LeadingKeys", "dynamodb:Attributes",
			"ecs:capacity-provider", "ecs:container-instances", "ecs:compute-compatibility", "ecs:subnet":
			x.SetList(kv.Key, kv.Values)
		default:
			x.Set(kv.Key, kv.Values...)
		}
	}
	return x
}

var principalTypes = map[engine.PrincipalType]string{
	engine.Root: "Account", engine.User: "User", engine.FederatedUser: "FederatedUser",
	engine.AssumedRole: "AssumedRole", engine.Anonymous: "Anonymous",
}

func (s *Server) principalContext(x *engine.Context, c *service.Caller) {
	if c.Type == engine.Federated {
		return // an identity provider is in no account; its token's keys come with the check
	}
	x.Set("aws:PrincipalType", principalTypes[c.Type])
	x.Set("aws:userid", c.UserID)
	if c.Type == engine.Anonymous {
		return
	}
	x.Set("aws:PrincipalAccount", c.Account)
	// For a role session the key is the role's ARN, path included; for a
	// federated user it is the federated user's own.
	if c.Type == engine.AssumedRole {
		x.Set("aws:PrincipalArn", c.Issuer)
	} else {
		x.Set("aws:PrincipalArn", c.ARN)
	}
	if c.Type == engine.User {
		x.Set("aws:username", c.Name)
	}
	tags := s.iam.PrincipalTags(c)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		x.Set("aws:PrincipalTag/"+k, tags[k])
	}
	ses := c.Session
	if ses == nil {
		return
	}
	x.Set("aws:TokenIssueTime", ses.Issued.UTC().Format(time.RFC3339))
	x.Set("aws:MultiFactorAuthPresent", strconv.FormatBool(ses.MFA))
	if ses.SourceIdentity != "" {
		x.Set("aws:SourceIdentity", ses.SourceIdentity)
	}
	for k, v := range ses.Context {
		x.Set(k, v)
	}
}
