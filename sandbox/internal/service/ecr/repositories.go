package ecr

import (
	"cmp"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Repositories: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Repositories.html

// mayCreateRepository asks for the repository at its ARN to be; tags need
// the permission to tag as well.
func (c *call) mayCreateRepository(in *api.CreateRepositoryInput) ([]service.Check, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	r := repository{c.registry(in.RegistryId), aws.ToString(in.RepositoryName)}
	tags := requestTags(in.Tags)
	check, err := c.check(r, tags...)
	if err != nil {
		return nil, err
	}
	checks := []service.Check{check}
	if len(in.Tags) > 0 {
		checks = append(checks, service.Check{Action: "ecr:TagResource", Resource: check.Resource, Owner: check.Owner, Context: tags})
	}
	return checks, nil
}

func (c *call) createRepository(in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	r := repository{c.registry(in.RegistryId), *in.RepositoryName}
	if repositories.Has(c.tx, r.key()) {
		return nil, fail("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", r.name, r.account)
	}
	mutability := cmp.Or(in.ImageTagMutability, types.ImageTagMutabilityMutable)
	if err := checkFilters(mutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	encryption := types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256}
	if e := in.EncryptionConfiguration; e != nil {
		encryption = *e
		if e.KmsKey != nil && e.EncryptionType == types.EncryptionTypeAes256 {
			return nil, invalid("encryptionConfiguration", "kmsKey is only for the encryption types KMS and KMS_DSSE")
		}
	}
	scanning := types.ImageScanningConfiguration{}
	if in.ImageScanningConfiguration != nil {
		scanning = *in.ImageScanningConfiguration
	}
	row := repositoryRow{
		View: types.Repository{
			RepositoryArn:                      new(c.arn(r)),
			RegistryId:                         &r.account,
			RepositoryName:                     &r.name,
			RepositoryUri:                      new(c.host(r.registry) + "/" + r.name),
			CreatedAt:                          new(c.now()),
			ImageTagMutability:                 mutability,
			ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
			ImageScanningConfiguration:         &scanning,
			EncryptionConfiguration:            &encryption,
		},
		Tags: mergeTags(nil, in.Tags),
	}
	repositories.Put(c.tx, r.key(), row)
	return &api.CreateRepositoryOutput{Repository: &row.View}, nil
}

// checkFilters checks the tags that a mutability makes an exception of.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
func checkFilters(mutability types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) error {
	excludes := mutability == types.ImageTagMutabilityImmutableWithExclusion || mutability == types.ImageTagMutabilityMutableWithExclusion
	switch {
	case excludes && len(filters) == 0:
		return invalid("imageTagMutabilityExclusionFilters", "%s needs at least one filter", mutability)
	case !excludes && len(filters) > 0:
		return invalid("imageTagMutabilityExclusionFilters", "%s has no filters", mutability)
	}
	return nil
}

// mayDescribeRepositories checks each repository that is named, or all.
func (c *call) mayDescribeRepositories(in *api.DescribeRepositoriesInput) ([]service.Check, error) {
	names := in.RepositoryNames
	if len(names) == 0 {
		names = []string{"*"}
	}
	var checks []service.Check
	for _, name := range names {
		check, err := c.check(repository{c.registry(in.RegistryId), name})
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (c *call) describeRepositories(in *api.DescribeRepositoriesInput) (*api.DescribeRepositoriesOutput, error) {
	if len(in.RepositoryNames) > 0 {
		if in.MaxResults != nil || in.NextToken != nil {
			return nil, invalid("repositoryNames", "maxResults and nextToken cannot be used together with repositoryNames")
		}
		out := &api.DescribeRepositoriesOutput{Repositories: []types.Repository{}}
		for _, name := range in.RepositoryNames {
			_, row, err := c.find(in.RegistryId, &name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, row.View)
		}
		return out, nil
	}
	items, next, err := paginate(in.NextToken, in.MaxResults, 100, below(c.tx, repositories, c.registry(in.RegistryId).key()),
		func(row repositoryRow) []types.Repository { return []types.Repository{row.View} })
	if err != nil {
		return nil, err
	}
	return &api.DescribeRepositoriesOutput{Repositories: items, NextToken: next}, nil
}

func (c *call) putImageTagMutability(in *api.PutImageTagMutabilityInput) (*api.PutImageTagMutabilityOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if err := checkFilters(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	row.View.ImageTagMutability, row.View.ImageTagMutabilityExclusionFilters = in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters
	repositories.Put(c.tx, r.key(), row)
	return &api.PutImageTagMutabilityOutput{RegistryId: &r.account, RepositoryName: &r.name,
		ImageTagMutability: in.ImageTagMutability, ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters}, nil
}

func (c *call) putImageScanningConfiguration(in *api.PutImageScanningConfigurationInput) (*api.PutImageScanningConfigurationOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	row.View.ImageScanningConfiguration = in.ImageScanningConfiguration
	repositories.Put(c.tx, r.key(), row)
	return &api.PutImageScanningConfigurationOutput{RegistryId: &r.account, RepositoryName: &r.name, ImageScanningConfiguration: in.ImageScanningConfiguration}, nil
}

func (c *call) deleteRepository(in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	r, row, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if !in.Force && images.Count(c.tx, r.images()) > 0 {
		return nil, fail("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", r.name, r.account)
	}
	for key := range images.Range(c.tx, r.images()) {
		images.Delete(c.tx, key)
	}
	for key, l := range layers.Range(c.tx, r.images()) {
		c.dropped = append(c.dropped, l.Pieces...)
		layers.Delete(c.tx, key)
	}
	for key, u := range uploads.Range(c.tx, r.images()) {
		c.dropped = append(c.dropped, u.Pieces...)
		uploads.Delete(c.tx, key)
	}
	repositories.Delete(c.tx, r.key())
	return &api.DeleteRepositoryOutput{Repository: &row.View}, nil
}
