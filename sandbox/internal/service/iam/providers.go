package iam

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Identity providers of both kinds share a row, its tags and its checks; see
// "Identity providers and federation into AWS",
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers.html.

// providerRow is an identity provider. Rows are shared: change a clone.
type providerRow struct {
	Kind    kind      `json:"kind"`
	ARN     string    `json:"arn"`
	Account string    `json:"account"`
	Created time.Time `json:"created"`
	Tags    []tag     `json:"tags,omitempty"`

	// OpenID Connect.
	Issuer      string   `json:"issuer,omitempty"` // with its scheme, as tokens name it
	ClientIDs   []string `json:"clientIds,omitempty"`
	Thumbprints []string `json:"thumbprints,omitempty"`

	// SAML.
	Metadata   string    `json:"metadata,omitempty"`
	ValidUntil time.Time `json:"validUntil,omitzero"`
}

func (p *providerRow) clone() *providerRow {
	c := *p
	c.Tags, c.ClientIDs, c.Thumbprints = slices.Clone(p.Tags), slices.Clone(p.ClientIDs), slices.Clone(p.Thumbprints)
	return &c
}

// providersPerAccount is the quota of each kind: "IAM and AWS STS quotas".
const providersPerAccount = 100

// providerKeys is the prefix of the ARNs of an account's providers.
func (c *call) providerKeys(k kind) string { return c.arn(c.account(), k, "/", "") }

func (c *call) countProviders() int {
	return providers.Count(c.tx, c.providerKeys(oidcKind)) + providers.Count(c.tx, c.providerKeys(samlKind))
}

// provider finds the identity provider of an ARN parameter, as a clone.
func (c *call) provider(k kind, arn *string) (*providerRow, error) {
	p, ok := providers.Get(c.tx, aws.ToString(arn))
	if !ok || p.Kind != k || p.Account != c.account() {
		if k == oidcKind {
			return nil, noSuchEntity("OpenIDConnect Provider not found for arn %s", aws.ToString(arn))
		}
		return nil, noSuchEntity("Manifest not found for arn %s", aws.ToString(arn))
	}
	return p.clone(), nil
}

// onProvider checks the identity provider that a parameter names by ARN.
func onProvider[In any](k kind, arn func(*In) *string, more ...keysOf[In]) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		var bad inputs
		field := "openIDConnectProviderArn"
		if k == samlKind {
			field = "sAMLProviderArn"
		}
		if bad.length(field, arn(in), 20, 2048) {
			if _, svc, _, ok := c.splitPrincipal(*arn(in)); !ok || svc != "iam" {
				bad.err = invalidInput("Invalid ARN: %s", *arn(in))
			}
		}
		if err := bad.result(); err != nil {
			return nil, err
		}
		var keys []service.KV
		if p, ok := providers.Get(c.tx, *arn(in)); ok && p.Account == c.account() {
			keys = resourceTags(p.Kind, p.Tags)
		}
		for _, add := range more {
			keys = append(keys, add(c, in, nil)...)
		}
		return c.one(*arn(in), keys...), nil
	}
}

// makeProvider checks a creation at the ARN that the provider will have, and
// the permission to tag it.
func (c *call) makeProvider(k kind, name string, tags []types.Tag) []service.Check {
	arn := c.arn(c.account(), k, "/", name)
	tagged := requestTags(tags)
	checks := c.one(arn, tagged...)
	if len(tags) > 0 {
		checks = append(checks, service.Check{Action: "iam:Tag" + tagNoun[k], Resource: arn, Context: tagged})
	}
	return checks
}

func (c *call) tagProvider(k kind, arn *string, tags []types.Tag) error {
	var bad inputs
	bad.tags(tags)
	if err := bad.result(); err != nil {
		return err
	}
	p, err := c.provider(k, arn)
	if err != nil {
		return err
	}
	if p.Tags, err = mergeTags(p.Tags, tags, k); err != nil {
		return err
	}
	providers.Put(c.tx, p.ARN, p)
	return nil
}

func (c *call) untagProvider(k kind, arn *string, keys []string) error {
	p, err := c.provider(k, arn)
	if err != nil {
		return err
	}
	p.Tags = removeTags(p.Tags, keys)
	providers.Put(c.tx, p.ARN, p)
	return nil
}

func (c *call) providerTags(k kind, arn, marker *string, limit *int32) (page[types.Tag], error) {
	p, err := c.provider(k, arn)
	if err != nil {
		return page[types.Tag]{}, err
	}
	return tagPage(p.Tags, marker, limit)
}
