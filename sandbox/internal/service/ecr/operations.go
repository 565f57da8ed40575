package ecr

import (
	api "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Operations is the table of the API, in the order of the files that answer.
func (s *ECR) Operations() []service.Operation {
	return []service.Operation{
		write(s, "CreateRepository", (*call).mayCreateRepository, (*call).createRepository),
		read(s, "DescribeRepositories", (*call).mayDescribeRepositories, (*call).describeRepositories),
		write(s, "PutImageTagMutability", on(func(in *api.PutImageTagMutabilityInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).putImageTagMutability),
		write(s, "PutImageScanningConfiguration", on(func(in *api.PutImageScanningConfigurationInput) (id, name *string) {
			return in.RegistryId, in.RepositoryName
		}), (*call).putImageScanningConfiguration),
		write(s, "DeleteRepository", on(func(in *api.DeleteRepositoryInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).deleteRepository),

		write(s, "SetRepositoryPolicy", on(func(in *api.SetRepositoryPolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).setRepositoryPolicy),
		read(s, "GetRepositoryPolicy", on(func(in *api.GetRepositoryPolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).getRepositoryPolicy),
		write(s, "DeleteRepositoryPolicy", on(func(in *api.DeleteRepositoryPolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).deleteRepositoryPolicy),

		write(s, "PutLifecyclePolicy", on(func(in *api.PutLifecyclePolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).putLifecyclePolicy),
		read(s, "GetLifecyclePolicy", on(func(in *api.GetLifecyclePolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).getLifecyclePolicy),
		write(s, "DeleteLifecyclePolicy", on(func(in *api.DeleteLifecyclePolicyInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).deleteLifecyclePolicy),

		write(s, "PutImage", on(func(in *api.PutImageInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).putImage),
		read(s, "ListImages", on(func(in *api.ListImagesInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).listImages),
		read(s, "DescribeImages", on(func(in *api.DescribeImagesInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).describeImages),
		write(s, "BatchGetImage", on(func(in *api.BatchGetImageInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).batchGetImage),
		write(s, "BatchDeleteImage", on(func(in *api.BatchDeleteImageInput) (id, name *string) { return in.RegistryId, in.RepositoryName }), (*call).batchDeleteImage),
		read(s, "BatchCheckLayerAvailability", on(func(in *api.BatchCheckLayerAvailabilityInput) (id, name *string) {
			return in.RegistryId, in.RepositoryName
		}), (*call).batchCheckLayerAvailability),

		write(s, "TagResource", onResource(func(in *api.TagResourceInput) *string { return in.ResourceArn }, func(in *api.TagResourceInput) []service.KV { return requestTags(in.Tags) }), (*call).tagResource),
		write(s, "UntagResource", onResource(func(in *api.UntagResourceInput) *string { return in.ResourceArn }, func(in *api.UntagResourceInput) []service.KV { return tagKeys(in.TagKeys) }), (*call).untagResource),
		read(s, "ListTagsForResource", onResource(func(in *api.ListTagsForResourceInput) *string { return in.ResourceArn }, func(*api.ListTagsForResourceInput) []service.KV { return nil }), (*call).listTagsForResource),

		write(s, "GetAuthorizationToken", onAll[api.GetAuthorizationTokenInput], (*call).getAuthorizationToken),
	}
}
