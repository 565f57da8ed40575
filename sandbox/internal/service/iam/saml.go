package iam

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// SAML providers: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml.html
//
// STS reads the metadata when an assertion of the provider is presented to it.

// samlLife is how long a provider is valid whose metadata does not say.
const samlLife = 100 // years

// SAMLProvider is a SAML provider as STS needs it.
type SAMLProvider struct {
	ARN, Account, Name string
	// Metadata is the provider's metadata document.
	Metadata string
	// ValidUntil is the end of the metadata's validity.
	ValidUntil time.Time
}

// SAMLProvider finds a SAML provider by its ARN.
func (s *IAM) SAMLProvider(arn string) (p SAMLProvider, ok bool) {
	s.view(func(tx *store.Tx) {
		row, found := providers.Get(tx, arn)
		if ok = found && row.Kind == samlKind; ok {
			_, name, _ := strings.Cut(row.ARN, "/")
			p = SAMLProvider{row.ARN, row.Account, name, row.Metadata, row.ValidUntil}
		}
	})
	return p, ok
}

func (in *inputs) samlName(name *string) {
	if in.length("name", name, 1, 128) && in.err == nil && strings.ContainsFunc(*name, func(r rune) bool {
		return notNameRune(r) || strings.ContainsRune("+=,@", r)
	}) {
		in.constraint("name", *name, `Member must satisfy regular expression pattern: [\w._-]+`)
	}
}

// metadata reads what IAM demands of a SAML metadata document: an
// EntityDescriptor (SAML V2.0 Metadata, 2.3.2) with an entityID and an
// IDPSSODescriptor. The time is that of validUntil, zero without one.
func metadata(doc string) (until time.Time, err error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	depth, identity := 0, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return until, invalidInput("Could not parse metadata")
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth == 1 {
				entity := ""
				for _, a := range t.Attr {
					switch a.Name.Local {
					case "entityID":
						entity = a.Value
					case "validUntil":
						if until, err = time.Parse(time.RFC3339, a.Value); err != nil {
							return until, invalidInput("Could not parse metadata")
						}
					}
				}
				if t.Name.Local != "EntityDescriptor" || entity == "" {
					return until, invalidInput("Could not parse metadata")
				}
			}
			identity = identity || depth == 2 && t.Name.Local == "IDPSSODescriptor"
		case xml.EndElement:
			depth--
		}
	}
	if !identity {
		return until, invalidInput("Could not parse metadata")
	}
	return until, nil
}

// validity is the expiration date of a provider.
func (c *call) validity(doc string) (time.Time, error) {
	until, err := metadata(doc)
	if err == nil && until.IsZero() {
		until = c.now().AddDate(samlLife, 0, 0)
	}
	return until.UTC(), err
}

// noEncryption refuses what encrypted assertions need: the sandbox reads none.
func noEncryption(mode types.AssertionEncryptionModeType, keys ...*string) error {
	for _, k := range keys {
		if k != nil {
			return invalidInput("The sandbox does not implement private keys of SAML providers.")
		}
	}
	if mode != "" {
		return invalidInput("The sandbox does not implement AssertionEncryptionMode of SAML providers.")
	}
	return nil
}

func (c *call) mayCreateSAMLProvider(in *api.CreateSAMLProviderInput) ([]service.Check, error) {
	var bad inputs
	bad.samlName(in.Name)
	if err := bad.result(); err != nil {
		return nil, err
	}
	return c.makeProvider(samlKind, *in.Name, in.Tags), nil
}

func (c *call) createSAMLProvider(in *api.CreateSAMLProviderInput) (*api.CreateSAMLProviderOutput, error) {
	var bad inputs
	bad.samlName(in.Name)
	bad.length("sAMLMetadataDocument", in.SAMLMetadataDocument, 1000, 10000000)
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	if err := noEncryption(in.AssertionEncryptionMode, in.AddPrivateKey); err != nil {
		return nil, err
	}
	until, err := c.validity(*in.SAMLMetadataDocument)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags, samlKind)
	if err != nil {
		return nil, err
	}
	arn := c.arn(c.account(), samlKind, "/", *in.Name)
	if providers.Has(c.tx, arn) {
		return nil, alreadyExists("SAMLProvider with name %s already exists.", *in.Name)
	}
	if providers.Count(c.tx, c.providerKeys(samlKind)) >= providersPerAccount {
		return nil, quotaExceeded("SAMLProvidersPerAccount", providersPerAccount)
	}
	providers.Put(c.tx, arn, &providerRow{
		Kind: samlKind, ARN: arn, Account: c.account(), Created: c.now(), Tags: tags,
		Metadata: *in.SAMLMetadataDocument, ValidUntil: until,
	})
	return &api.CreateSAMLProviderOutput{SAMLProviderArn: &arn, Tags: tagViews(tags)}, nil
}

func (c *call) getSAMLProvider(in *api.GetSAMLProviderInput) (*api.GetSAMLProviderOutput, error) {
	p, err := c.provider(samlKind, in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	return &api.GetSAMLProviderOutput{
		SAMLMetadataDocument: &p.Metadata, CreateDate: &p.Created, ValidUntil: &p.ValidUntil, Tags: tagViews(p.Tags),
	}, nil
}

func (c *call) listSAMLProviders(*api.ListSAMLProvidersInput) (*api.ListSAMLProvidersOutput, error) {
	out := &api.ListSAMLProvidersOutput{SAMLProviderList: []types.SAMLProviderListEntry{}}
	for _, p := range providers.Range(c.tx, c.providerKeys(samlKind)) {
		out.SAMLProviderList = append(out.SAMLProviderList, types.SAMLProviderListEntry{
			Arn: &p.ARN, CreateDate: &p.Created, ValidUntil: &p.ValidUntil,
		})
	}
	return out, nil
}

func (c *call) updateSAMLProvider(in *api.UpdateSAMLProviderInput) (*api.UpdateSAMLProviderOutput, error) {
	if err := noEncryption(in.AssertionEncryptionMode, in.AddPrivateKey, in.RemovePrivateKey); err != nil {
		return nil, err
	}
	p, err := c.provider(samlKind, in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	if in.SAMLMetadataDocument != nil {
		var bad inputs
		bad.length("sAMLMetadataDocument", in.SAMLMetadataDocument, 1000, 10000000)
		if err := bad.result(); err != nil {
			return nil, err
		}
		if p.ValidUntil, err = c.validity(*in.SAMLMetadataDocument); err != nil {
			return nil, err
		}
		p.Metadata = *in.SAMLMetadataDocument
		providers.Put(c.tx, p.ARN, p)
	}
	return &api.UpdateSAMLProviderOutput{SAMLProviderArn: &p.ARN}, nil
}

func (c *call) deleteSAMLProvider(in *api.DeleteSAMLProviderInput) (*api.DeleteSAMLProviderOutput, error) {
	p, err := c.provider(samlKind, in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	providers.Delete(c.tx, p.ARN)
	return &api.DeleteSAMLProviderOutput{}, nil
}

func (c *call) tagSAMLProvider(in *api.TagSAMLProviderInput) (*api.TagSAMLProviderOutput, error) {
	if err := c.tagProvider(samlKind, in.SAMLProviderArn, in.Tags); err != nil {
		return nil, err
	}
	return &api.TagSAMLProviderOutput{}, nil
}

func (c *call) untagSAMLProvider(in *api.UntagSAMLProviderInput) (*api.UntagSAMLProviderOutput, error) {
	if err := c.untagProvider(samlKind, in.SAMLProviderArn, in.TagKeys); err != nil {
		return nil, err
	}
	return &api.UntagSAMLProviderOutput{}, nil
}

func (c *call) listSAMLProviderTags(in *api.ListSAMLProviderTagsInput) (*api.ListSAMLProviderTagsOutput, error) {
	p, err := c.providerTags(samlKind, in.SAMLProviderArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListSAMLProviderTagsOutput{Tags: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}
