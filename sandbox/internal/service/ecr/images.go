package ecr

import (
	"path"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Images: https://docs.aws.amazon.com/AmazonECR/latest/userguide/images.html

// immutable tells whether a tag of the repository stays with its image.
func (row *repositoryRow) immutable(tag string) bool {
	excluded := slices.ContainsFunc(row.View.ImageTagMutabilityExclusionFilters, func(f types.ImageTagMutabilityExclusionFilter) bool {
		ok, err := path.Match(aws.ToString(f.Filter), tag) // tags have no slashes
		return err == nil && ok
	})
	switch row.View.ImageTagMutability {
	case types.ImageTagMutabilityImmutable:
		return true
	case types.ImageTagMutabilityImmutableWithExclusion:
		return !excluded
	case types.ImageTagMutabilityMutableWithExclusion:
		return excluded
	}
	return false
}

// tagged finds the image that a tag is at.
func (c *call) tagged(r repository, tag string) (imageRow, bool) {
	for _, i := range images.Range(c.tx, r.images()) {
		if slices.Contains(i.Tags, tag) {
			return i, true
		}
	}
	return imageRow{}, false
}

// image finds an image by digest, tag or both.
func (c *call) image(r repository, id types.ImageIdentifier) (imageRow, bool) {
	tag := aws.ToString(id.ImageTag)
	if id.ImageDigest == nil {
		return c.tagged(r, tag)
	}
	i, ok := images.Get(c.tx, r.images()+*id.ImageDigest)
	return i, ok && (tag == "" || slices.Contains(i.Tags, tag))
}

func (c *call) putImage(in *api.PutImageInput) (*api.PutImageOutput, error) {
	r, repo, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	row, err := readManifest(aws.ToString(in.ImageManifest), aws.ToString(in.ImageManifestMediaType))
	if err != nil {
		return nil, err
	}
	if in.ImageDigest != nil && *in.ImageDigest != row.Digest {
		return nil, fail("ImageDigestDoesNotMatchException", "Image digest '%s' does not match the digest '%s' of the image manifest", *in.ImageDigest, row.Digest)
	}
	tag := aws.ToString(in.ImageTag)
	old, exists := images.Get(c.tx, r.images()+row.Digest)
	if exists {
		switch {
		case tag == "":
			return nil, fail("ImageAlreadyExistsException", "Image with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", row.Digest, r.name, r.account)
		case slices.Contains(old.Tags, tag):
			return nil, fail("ImageAlreadyExistsException", "Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", row.Digest, tag, r.name, r.account)
		}
		row = old
	} else {
		row.Pushed = c.now()
	}
	if tag != "" {
		if other, ok := c.tagged(r, tag); ok {
			if repo.immutable(tag) {
				return nil, fail("ImageTagAlreadyExistsException", "The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, r.name)
			}
			other.Tags = without(other.Tags, tag)
			images.Put(c.tx, r.images()+other.Digest, other)
		}
		row.Tags = append(slices.Clone(row.Tags), tag)
		slices.Sort(row.Tags)
	}
	images.Put(c.tx, r.images()+row.Digest, row)
	return &api.PutImageOutput{Image: new(imageView(r, row, in.ImageTag))}, nil
}

func without(tags []string, tag string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == tag })
}

func imageView(r repository, row imageRow, tag *string) types.Image {
	return types.Image{
		RegistryId: &r.account, RepositoryName: &r.name, ImageManifest: &row.Manifest, ImageManifestMediaType: &row.MediaType,
		ImageId: &types.ImageIdentifier{ImageDigest: &row.Digest, ImageTag: tag},
	}
}

// wanted tells whether a listing with a filter shows an image.
func wanted(row imageRow, status types.TagStatus) bool {
	switch status {
	case types.TagStatusTagged:
		return len(row.Tags) > 0
	case types.TagStatusUntagged:
		return len(row.Tags) == 0
	}
	return true
}

// listImages lists each tag of each image, and images without tags by their
// digest alone.
func (c *call) listImages(in *api.ListImagesInput) (*api.ListImagesOutput, error) {
	r, _, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	var status types.TagStatus
	if in.Filter != nil {
		status = in.Filter.TagStatus
	}
	items, next, err := paginate(in.NextToken, in.MaxResults, 100, below(c.tx, images, r.images()), func(row imageRow) []types.ImageIdentifier {
		if !wanted(row, status) {
			return nil
		}
		return identifiers(row)
	})
	if err != nil {
		return nil, err
	}
	return &api.ListImagesOutput{ImageIds: items, NextToken: next}, nil
}

func identifiers(row imageRow) []types.ImageIdentifier {
	if len(row.Tags) == 0 {
		return []types.ImageIdentifier{{ImageDigest: &row.Digest}}
	}
	var out []types.ImageIdentifier
	for _, tag := range row.Tags {
		out = append(out, types.ImageIdentifier{ImageDigest: &row.Digest, ImageTag: &tag})
	}
	return out
}

func (c *call) describeImages(in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	r, _, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	if len(in.ImageIds) > 0 {
		out := &api.DescribeImagesOutput{ImageDetails: []types.ImageDetail{}}
		for _, id := range in.ImageIds {
			row, ok := c.image(r, id)
			if !ok {
				return nil, fail("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
					orNull(id.ImageDigest), orNull(id.ImageTag), r.name, r.account)
			}
			out.ImageDetails = append(out.ImageDetails, detail(r, row))
		}
		return out, nil
	}
	var status types.TagStatus
	if in.Filter != nil {
		status = in.Filter.TagStatus
	}
	items, next, err := paginate(in.NextToken, in.MaxResults, 100, below(c.tx, images, r.images()), func(row imageRow) []types.ImageDetail {
		if !wanted(row, status) {
			return nil
		}
		return []types.ImageDetail{detail(r, row)}
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeImagesOutput{ImageDetails: items, NextToken: next}, nil
}

func orNull(p *string) string {
	if p == nil {
		return "null"
	}
	return *p
}

func detail(r repository, row imageRow) types.ImageDetail {
	v := types.ImageDetail{
		RegistryId: &r.account, RepositoryName: &r.name, ImageDigest: &row.Digest, ImageTags: row.Tags,
		ImageSizeInBytes: &row.Size, ImagePushedAt: &row.Pushed, ImageManifestMediaType: &row.MediaType,
	}
	if !row.Pulled.IsZero() {
		v.LastRecordedPullTime = &row.Pulled
	}
	return v
}

func notFound(id types.ImageIdentifier) types.ImageFailure {
	f := types.ImageFailure{ImageId: &id, FailureCode: types.ImageFailureCodeImageNotFound, FailureReason: new("Requested image not found")}
	if id.ImageDigest == nil && id.ImageTag == nil {
		f.FailureCode, f.FailureReason = types.ImageFailureCodeMissingDigestAndTag, new("Invalid request parameters: both tag and digest cannot be null")
	}
	return f
}

// batchGetImage is a pull, which is noted.
func (c *call) batchGetImage(in *api.BatchGetImageInput) (*api.BatchGetImageOutput, error) {
	r, _, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.BatchGetImageOutput{Images: []types.Image{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		row, ok := c.image(r, id)
		if !ok {
			out.Failures = append(out.Failures, notFound(id))
			continue
		}
		row.Pulled = c.now()
		images.Put(c.tx, r.images()+row.Digest, row)
		out.Images = append(out.Images, imageView(r, row, id.ImageTag))
	}
	return out, nil
}

// batchDeleteImage takes away tags, and with its last tag an image; by its
// digest alone an image goes with all of its tags.
func (c *call) batchDeleteImage(in *api.BatchDeleteImageInput) (*api.BatchDeleteImageOutput, error) {
	r, _, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &api.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{}, Failures: []types.ImageFailure{}}
	for _, id := range in.ImageIds {
		row, ok := c.image(r, id)
		if !ok {
			out.Failures = append(out.Failures, notFound(id))
			continue
		}
		key := r.images() + row.Digest
		if id.ImageTag == nil {
			out.ImageIds = append(out.ImageIds, identifiers(row)...)
			images.Delete(c.tx, key)
			c.forget(r, row)
			continue
		}
		out.ImageIds = append(out.ImageIds, types.ImageIdentifier{ImageDigest: &row.Digest, ImageTag: id.ImageTag})
		if row.Tags = without(row.Tags, *id.ImageTag); len(row.Tags) == 0 {
			images.Delete(c.tx, key)
			c.forget(r, row)
		} else {
			images.Put(c.tx, key, row)
		}
	}
	return out, nil
}

// forget deletes the layers of a deleted image that no other image of the
// repository mentions.
func (c *call) forget(r repository, gone imageRow) {
	dead := map[string]bool{}
	for _, l := range gone.Layers {
		dead[*l.LayerDigest] = true
	}
	for _, row := range images.Range(c.tx, r.images()) {
		for _, l := range row.Layers {
			delete(dead, *l.LayerDigest)
		}
	}
	for digest := range dead {
		if l, ok := layers.Get(c.tx, r.images()+digest); ok {
			c.dropped = append(c.dropped, l.Pieces...)
			layers.Delete(c.tx, r.images()+digest)
		}
	}
}

// batchCheckLayerAvailability finds the layers that the repository's images
// mention, and those that were uploaded.
func (c *call) batchCheckLayerAvailability(in *api.BatchCheckLayerAvailabilityInput) (*api.BatchCheckLayerAvailabilityOutput, error) {
	r, _, err := c.find(in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	known := map[string]types.Layer{}
	for _, row := range images.Range(c.tx, r.images()) {
		for _, l := range row.Layers {
			known[*l.LayerDigest] = l
		}
	}
	for _, digest := range in.LayerDigests {
		if l, ok := layers.Get(c.tx, r.images()+digest); ok && known[digest].LayerDigest == nil {
			known[digest] = types.Layer{LayerDigest: &digest, LayerSize: &l.Size, LayerAvailability: types.LayerAvailabilityAvailable}
		}
	}
	out := &api.BatchCheckLayerAvailabilityOutput{Layers: []types.Layer{}, Failures: []types.LayerFailure{}}
	for _, digest := range in.LayerDigests {
		l, ok := known[digest]
		if !ok {
			l = types.Layer{LayerDigest: &digest, LayerAvailability: types.LayerAvailabilityUnavailable}
		}
		out.Layers = append(out.Layers, l)
	}
	return out, nil
}
