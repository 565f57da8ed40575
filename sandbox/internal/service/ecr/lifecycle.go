package ecr

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecr"
)

// Lifecycle policies: https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
// They are kept and checked, but expire nothing.

// lifecyclePolicy is what is checked of one.
type lifecyclePolicy struct {
	Rules []struct {
		RulePriority int `json:"rulePriority"`
		Selection    struct {
			TagStatus      string   `json:"tagStatus"`
			TagPrefixList  []string `json:"tagPrefixList"`
			TagPatternList []string `json:"tagPatternList"`
			CountType      string   `json:"countType"`
			CountUnit      string   `json:"countUnit"`
			CountNumber    int      `json:"countNumber"`
		} `json:"selection"`
		Action struct {
			Type string `json:"type"`
		} `json:"action"`
	} `json:"rules"`
}

// problem is what is wrong with a lifecycle policy, "" for nothing.
func (p *lifecyclePolicy) problem() string {
	if len(p.Rules) == 0 {
		return "at least one rule is required"
	}
	seen := map[int]bool{}
	for _, r := range p.Rules {
		s := r.Selection
		switch {
		case r.RulePriority < 1:
			return "rulePriority must be a positive number"
		case seen[r.RulePriority]:
			return fmt.Sprintf("rulePriority %d is used twice", r.RulePriority)
		case !slices.Contains([]string{"tagged", "untagged", "any"}, s.TagStatus):
			return "tagStatus must be tagged, untagged or any"
		case s.TagStatus == "tagged" && len(s.TagPrefixList) == 0 && len(s.TagPatternList) == 0:
			return "tagStatus tagged needs a tagPrefixList or a tagPatternList"
		case !slices.Contains([]string{"imageCountMoreThan", "sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"}, s.CountType):
			return "countType must be imageCountMoreThan, sinceImagePushed, sinceImagePulled or sinceImageTransitioned"
		case s.CountType == "imageCountMoreThan" && s.CountUnit != "", s.CountType != "imageCountMoreThan" && s.CountUnit != "days":
			return "countUnit must be days for the count types that are about time, and absent for imageCountMoreThan"
		case s.CountNumber < 1:
			return "countNumber must be a positive number"
		case r.Action.Type != "expire" && r.Action.Type != "transition":
			return "the action's type must be expire or transition"
		}
		seen[r.RulePriority] = true
	}
	return ""
}

func (c *call) putLifecyclePolicy(in *api.PutLifecyclePolicyInput) (*api.PutLifecyclePolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	text := aws.ToString(in.LifecyclePolicyText)
	var p lifecyclePolicy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, invalid("LifecyclePolicyText", "Lifecycle policy validation failure: the text is not a lifecycle policy in JSON")
	}
	if problem := p.problem(); problem != "" {
		return nil, invalid("LifecyclePolicyText", "Lifecycle policy validation failure: %s", problem)
	}
	row.Lifecycle = text
	repositories.Put(c.tx, r.key(), row)
	return &api.PutLifecyclePolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, LifecyclePolicyText: &text}, nil
}

func (r repository) noLifecycle() error {
	return fail("LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", r.name, r.account)
}

func (c *call) getLifecyclePolicy(in *api.GetLifecyclePolicyInput) (*api.GetLifecyclePolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if row.Lifecycle == "" {
		return nil, r.noLifecycle()
	}
	return &api.GetLifecyclePolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, LifecyclePolicyText: &row.Lifecycle}, nil
}

func (c *call) deleteLifecyclePolicy(in *api.DeleteLifecyclePolicyInput) (*api.DeleteLifecyclePolicyOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if row.Lifecycle == "" {
		return nil, r.noLifecycle()
	}
	text := row.Lifecycle
	row.Lifecycle = ""
	repositories.Put(c.tx, r.key(), row)
	return &api.DeleteLifecyclePolicyOutput{RegistryId: &r.account, RepositoryName: &r.name, LifecyclePolicyText: &text}, nil
}
