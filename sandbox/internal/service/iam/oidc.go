package iam

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// OpenID Connect providers: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html

const (
	clientIDsPerProvider = 100
	thumbprintsPerOIDC   = 5
)

// OIDCProvider is an OpenID Connect provider as STS needs it.
type OIDCProvider struct {
	ARN string
	// Issuer is the URL that tokens name in their iss claim.
	Issuer string
	// ClientIDs are the audiences that the account accepts tokens for.
	ClientIDs []string
}

// OIDCProvider finds the provider that an account has for an issuer.
func (s *IAM) OIDCProvider(account, issuer string) (p OIDCProvider, ok bool) {
	_, name, found := strings.Cut(issuer, "://")
	if !found {
		return p, false
	}
	s.view(func(tx *store.Tx) {
		row, found := providers.Get(tx, s.arn(account, oidcKind, "/", name))
		if ok = found && row.Issuer == issuer; ok {
			p = OIDCProvider{row.ARN, row.Issuer, slices.Clone(row.ClientIDs)}
		}
	})
	return p, ok
}

// issuer checks the Url parameter and returns it without its scheme. AWS
// takes https and no port. The sandbox also takes an issuer on this machine,
// over http and with a port, as tests have one.
func (in *inputs) issuer(text *string) string {
	if !in.length("url", text, 1, 255) {
		return ""
	}
	u, err := url.Parse(*text)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(*text, "?#") ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) ||
		u.Port() != "" && !loopback(u.Hostname()) {
		in.err = validationError("Invalid Open ID Connect Provider URL")
		return ""
	}
	_, name, _ := strings.Cut(*text, "://")
	return name
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (in *inputs) thumbprints(list []string) {
	for _, t := range list {
		if in.length("thumbprintList.member", &t, 40, 40) && strings.Trim(strings.ToLower(t), "0123456789abcdef") != "" && in.err == nil {
			in.err = invalidInput("Thumbprint %s is not the hexadecimal SHA-1 of a certificate.", t)
		}
	}
	if len(list) > thumbprintsPerOIDC && in.err == nil {
		in.err = invalidInput("Thumbprint list must contain fewer than %d entries.", thumbprintsPerOIDC)
	}
}

func (in *inputs) clientIDs(list []string) {
	for _, id := range list {
		in.length("clientIDList.member", &id, 1, 255)
	}
}

func tooManyClientIDs(list []string) error {
	if len(list) > clientIDsPerProvider {
		return quotaExceeded("ClientIdsPerOpenIdConnectProvider", clientIDsPerProvider)
	}
	return nil
}

func (c *call) mayCreateOpenIDConnectProvider(in *api.CreateOpenIDConnectProviderInput) ([]service.Check, error) {
	var bad inputs
	name := bad.issuer(in.Url)
	if err := bad.result(); err != nil {
		return nil, err
	}
	return c.makeProvider(oidcKind, name, in.Tags), nil
}

func (c *call) createOpenIDConnectProvider(in *api.CreateOpenIDConnectProviderInput) (*api.CreateOpenIDConnectProviderOutput, error) {
	var bad inputs
	name := bad.issuer(in.Url)
	bad.clientIDs(in.ClientIDList)
	bad.thumbprints(in.ThumbprintList)
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags, oidcKind)
	if err != nil {
		return nil, err
	}
	if err := tooManyClientIDs(in.ClientIDList); err != nil {
		return nil, err
	}
	arn := c.arn(c.account(), oidcKind, "/", name)
	if providers.Has(c.tx, arn) {
		return nil, alreadyExists("Provider with url %s already exists.", *in.Url)
	}
	if providers.Count(c.tx, c.providerKeys(oidcKind)) >= providersPerAccount {
		return nil, quotaExceeded("OpenIdConnectProvidersPerAccount", providersPerAccount)
	}
	providers.Put(c.tx, arn, &providerRow{
		Kind: oidcKind, ARN: arn, Account: c.account(), Created: c.now(), Tags: tags,
		Issuer: *in.Url, ClientIDs: slices.Clone(in.ClientIDList), Thumbprints: slices.Clone(in.ThumbprintList),
	})
	return &api.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: &arn, Tags: tagViews(tags)}, nil
}

func (c *call) getOpenIDConnectProvider(in *api.GetOpenIDConnectProviderInput) (*api.GetOpenIDConnectProviderOutput, error) {
	p, err := c.provider(oidcKind, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	_, name, _ := strings.Cut(p.Issuer, "://") // the answer has no scheme
	return &api.GetOpenIDConnectProviderOutput{
		Url: &name, ClientIDList: orEmpty(p.ClientIDs), ThumbprintList: orEmpty(p.Thumbprints),
		CreateDate: &p.Created, Tags: tagViews(p.Tags),
	}, nil
}

// orEmpty is an empty list in place of an absent one.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (c *call) listOpenIDConnectProviders(*api.ListOpenIDConnectProvidersInput) (*api.ListOpenIDConnectProvidersOutput, error) {
	out := &api.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: []types.OpenIDConnectProviderListEntry{}}
	for arn := range providers.Range(c.tx, c.providerKeys(oidcKind)) {
		out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, types.OpenIDConnectProviderListEntry{Arn: &arn})
	}
	return out, nil
}

// deleteOpenIDConnectProvider is idempotent: it "does not fail or return an
// error if you call the operation for a provider that does not exist".
func (c *call) deleteOpenIDConnectProvider(in *api.DeleteOpenIDConnectProviderInput) (*api.DeleteOpenIDConnectProviderOutput, error) {
	if p, err := c.provider(oidcKind, in.OpenIDConnectProviderArn); err == nil {
		providers.Delete(c.tx, p.ARN)
	}
	return &api.DeleteOpenIDConnectProviderOutput{}, nil
}

func (c *call) addClientID(in *api.AddClientIDToOpenIDConnectProviderInput) (*api.AddClientIDToOpenIDConnectProviderOutput, error) {
	var bad inputs
	bad.length("clientID", in.ClientID, 1, 255)
	if err := bad.result(); err != nil {
		return nil, err
	}
	p, err := c.provider(oidcKind, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.ClientIDs, *in.ClientID) {
		p.ClientIDs = append(p.ClientIDs, *in.ClientID)
		if err := tooManyClientIDs(p.ClientIDs); err != nil {
			return nil, err
		}
		providers.Put(c.tx, p.ARN, p)
	}
	return &api.AddClientIDToOpenIDConnectProviderOutput{}, nil
}

func (c *call) removeClientID(in *api.RemoveClientIDFromOpenIDConnectProviderInput) (*api.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	p, err := c.provider(oidcKind, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	p.ClientIDs, _ = without(p.ClientIDs, aws.ToString(in.ClientID))
	providers.Put(c.tx, p.ARN, p)
	return &api.RemoveClientIDFromOpenIDConnectProviderOutput{}, nil
}

func (c *call) updateThumbprint(in *api.UpdateOpenIDConnectProviderThumbprintInput) (*api.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	var bad inputs
	bad.thumbprints(in.ThumbprintList)
	if err := bad.result(); err != nil {
		return nil, err
	}
	p, err := c.provider(oidcKind, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	p.Thumbprints = slices.Clone(in.ThumbprintList)
	providers.Put(c.tx, p.ARN, p)
	return &api.UpdateOpenIDConnectProviderThumbprintOutput{}, nil
}

func (c *call) tagOpenIDConnectProvider(in *api.TagOpenIDConnectProviderInput) (*api.TagOpenIDConnectProviderOutput, error) {
	if err := c.tagProvider(oidcKind, in.OpenIDConnectProviderArn, in.Tags); err != nil {
		return nil, err
	}
	return &api.TagOpenIDConnectProviderOutput{}, nil
}

func (c *call) untagOpenIDConnectProvider(in *api.UntagOpenIDConnectProviderInput) (*api.UntagOpenIDConnectProviderOutput, error) {
	if err := c.untagProvider(oidcKind, in.OpenIDConnectProviderArn, in.TagKeys); err != nil {
		return nil, err
	}
	return &api.UntagOpenIDConnectProviderOutput{}, nil
}

func (c *call) listOpenIDConnectProviderTags(in *api.ListOpenIDConnectProviderTagsInput) (*api.ListOpenIDConnectProviderTagsOutput, error) {
	p, err := c.providerTags(oidcKind, in.OpenIDConnectProviderArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListOpenIDConnectProviderTagsOutput{Tags: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}
