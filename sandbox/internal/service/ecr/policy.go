package ecr

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/mantle-iam/mantle/iam"
)

// Repository policies: https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html

// invalidPolicy is ECR's one text for what is wrong with a policy.
const invalidPolicy = "Invalid repository policy provided"

func (c *call) setRepositoryPolicy(in *api.SetRepositoryPolicyInput) (*api.SetRepositoryPolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	text := aws.ToString(in.PolicyText)
	p, err := iam.Parse(iam.Resource, "repository policy", []byte(text))
	if err != nil {
		return nil, invalid("PolicyText", invalidPolicy)
	}
	if err := c.checkPrincipals(text); err != nil {
		return nil, err
	}
	if !in.Force && c.locksOut(p, r) {
		return nil, invalid("PolicyText", "The policy would prevent you from setting another one. Use force to set it all the same")
	}
	row.Policy = text
	if c.opt.StorePolicy != nil {
		row.Policy = c.opt.StorePolicy(text)
	}
	repositories.Put(c.tx, r.key(), row)
	return &api.SetRepositoryPolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, PolicyText: &text}, nil
}

// checkPrincipals checks what a repository policy has beyond the grammar:
// each statement names its principals, which exist, and no resource, which
// is the repository.
func (c *call) checkPrincipals(text string) error {
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return invalid("PolicyText", invalidPolicy)
	}
	var statements []map[string]json.RawMessage
	if json.Unmarshal(doc.Statement, &statements) != nil {
		statements = make([]map[string]json.RawMessage, 1)
		if json.Unmarshal(doc.Statement, &statements[0]) != nil {
			return invalid("PolicyText", invalidPolicy)
		}
	}
	for _, s := range statements {
		_, resource := s["Resource"]
		_, notResource := s["NotResource"]
		who, named := s["Principal"]
		if !named {
			who, named = s["NotPrincipal"]
		}
		if resource || notResource || !named {
			return invalid("PolicyText", invalidPolicy)
		}
		for _, arn := range accounts(who) {
			if strings.HasPrefix(arn, "arn:") && !strings.HasSuffix(arn, ":root") && c.opt.PrincipalExists != nil && !c.opt.PrincipalExists(arn) {
				return invalid("PolicyText", "Principal not found")
			}
		}
	}
	return nil
}

// accounts are the AWS principals in a Principal element, which may be one
// text or a list.
func accounts(element json.RawMessage) []string {
	var who struct{ AWS json.RawMessage }
	if json.Unmarshal(element, &who) != nil || who.AWS == nil {
		return nil // "*", or services only
	}
	var many []string
	if json.Unmarshal(who.AWS, &many) == nil {
		return many
	}
	var one string
	if json.Unmarshal(who.AWS, &one) == nil {
		return []string{one}
	}
	return nil
}

// locksOut tells whether a policy forbids the caller to set another.
func (c *call) locksOut(p *iam.Policy, r repository) bool {
	policies := iam.Policies{Resource: p}
	return policies.Decide(&iam.Request{
		Principal: c.req.Caller.Principal, Action: "ecr:SetRepositoryPolicy",
		Resource: c.arn(r), ResourceAccount: r.account, Context: iam.NewContext(),
	}).Outcome == iam.ExplicitDeny
}

// policy is a repository's policy as answers show it.
func (c *call) policy(r repository, row repositoryRow) (string, error) {
	switch {
	case row.Policy == "":
		return "", fail("RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", r.name, r.account)
	case c.opt.ShowPolicy != nil:
		return c.opt.ShowPolicy(row.Policy), nil
	}
	return row.Policy, nil
}

func (c *call) getRepositoryPolicy(in *api.GetRepositoryPolicyInput) (*api.GetRepositoryPolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	text, err := c.policy(r, row)
	if err != nil {
		return nil, err
	}
	return &api.GetRepositoryPolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, PolicyText: &text}, nil
}

func (c *call) deleteRepositoryPolicy(in *api.DeleteRepositoryPolicyInput) (*api.DeleteRepositoryPolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	text, err := c.policy(r, row)
	if err != nil {
		return nil, err
	}
	row.Policy = ""
	repositories.Put(c.tx, r.key(), row)
	return &api.DeleteRepositoryPolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, PolicyText: &text}, nil
}
