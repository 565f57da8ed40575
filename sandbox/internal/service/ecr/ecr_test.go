package ecr

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

func (f *front) repository(t *testing.T, name string) *types.Repository {
	t.Helper()
	return must[api.CreateRepositoryOutput](t)(f.api.CreateRepository(t.Context(), &api.CreateRepositoryInput{RepositoryName: &name})).Repository
}

func TestRepositoryReadsBack(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	f.api.CreateRepository(ctx, &api.CreateRepositoryInput{RepositoryName: new("team/app"), ImageTagMutability: types.ImageTagMutabilityMutable,
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: false}, Tags: []types.Tag{{Key: new("project"), Value: new("extra")}}})
	f.wantChecks(t, "CreateRepository", []string{
		"ecr:CreateRepository team/app aws:RequestTag/project=extra aws:TagKeys=project",
		"ecr:TagResource team/app aws:RequestTag/project=extra aws:TagKeys=project",
	}, "aws:")
	d := must[api.DescribeRepositoriesOutput](t)(f.api.DescribeRepositories(ctx, &api.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}}))
	want := `{"repositories":[{"repositoryArn":"arn:aws:ecr:us-west-2:111122223333:repository/team/app","registryId":"111122223333","repositoryName":"team/app",` +
		`"repositoryUri":"111122223333.dkr.ecr.us-west-2.amazonaws.com/team/app","createdAt":1767323046.006,"imageTagMutability":"MUTABLE","imageScanningConfiguration":{"scanOnPush":false},"encryptionConfiguration":{"encryptionType":"AES256"}}]}`
	if f.Body() != want {
		t.Errorf("\n got %s\nwant %s", f.Body(), want)
	}
	arn := d.Repositories[0].RepositoryArn
	must[api.TagResourceOutput](t)(f.api.TagResource(ctx, &api.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}))
	f.wantChecks(t, "TagResource", []string{"ecr:TagResource team/app ecr:ResourceTag/project=extra aws:TagKeys=a"}, "ecr:ResourceTag/", "aws:TagKeys")
	must[api.UntagResourceOutput](t)(f.api.UntagResource(ctx, &api.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"project"}}))
	if l := must[api.ListTagsForResourceOutput](t)(f.api.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn})); len(l.Tags) != 1 || *l.Tags[0].Key != "a" {
		t.Errorf("got %s", f.Body())
	}
	must[api.PutImageTagMutabilityOutput](t)(f.api.PutImageTagMutability(ctx, &api.PutImageTagMutabilityInput{RepositoryName: new("team/app"), ImageTagMutability: types.ImageTagMutabilityImmutable}))
	must[api.PutImageScanningConfigurationOutput](t)(f.api.PutImageScanningConfiguration(ctx, &api.PutImageScanningConfigurationInput{RepositoryName: new("team/app"), ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true}}))
	d = must[api.DescribeRepositoriesOutput](t)(f.api.DescribeRepositories(ctx, &api.DescribeRepositoriesInput{}))
	f.wantChecks(t, "DescribeRepositories of all", []string{"ecr:DescribeRepositories *"})
	if r := d.Repositories[0]; r.ImageTagMutability != types.ImageTagMutabilityImmutable || !r.ImageScanningConfiguration.ScanOnPush {
		t.Errorf("got %s", f.Body())
	}
	must[api.DeleteRepositoryOutput](t)(f.api.DeleteRepository(ctx, &api.DeleteRepositoryInput{RepositoryName: new("team/app")}))
	_, err := f.api.DescribeRepositories(ctx, &api.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	wantError(t, "after it is deleted", err, "RepositoryNotFoundException", "The repository with name 'team/app' does not exist in the registry with id '111122223333'")
}

func TestPages(t *testing.T) {
	f := memory(t, Options{})
	for _, name := range []string{"cc", "aa", "aa/bb", "bb"} {
		f.repository(t, name)
	}
	var got []string
	in := &api.DescribeRepositoriesInput{MaxResults: new(int32(3))}
	for pages := api.NewDescribeRepositoriesPaginator(f.api, in); pages.HasMorePages(); {
		for _, r := range must[api.DescribeRepositoriesOutput](t)(pages.NextPage(t.Context())).Repositories {
			got = append(got, *r.RepositoryName)
		}
	}
	if want := []string{"aa", "aa/bb", "bb", "cc"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

const pull = `{"Version":"2012-10-17","Statement":[{"Sid":"pull","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}]}`

func TestRepositoryPolicy(t *testing.T) {
	f := memory(t, Options{PrincipalExists: func(arn string) bool { return !strings.HasSuffix(arn, "/gone") }})
	ctx := t.Context()
	f.repository(t, "app")
	set := func(text string, force bool) error {
		_, err := f.api.SetRepositoryPolicy(ctx, &api.SetRepositoryPolicyInput{RepositoryName: new("app"), PolicyText: &text, Force: force})
		return err
	}
	_, err := f.api.GetRepositoryPolicy(ctx, &api.GetRepositoryPolicyInput{RepositoryName: new("app")})
	wantError(t, "no policy", err, "RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name 'app' in the registry with id '111122223333'")
	locked := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"ecr:*"}}`
	for name, test := range map[string]struct{ text, want string }{
		"no JSON":       {`{`, "Invalid repository policy provided"},
		"no principal":  {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecr:*"}]}`, "Invalid repository policy provided"},
		"resource":      {strings.Replace(pull, `"Action"`, `"Resource":"*","Action"`, 1), "Invalid repository policy provided"},
		"no such role":  {strings.Replace(pull, ":root", ":role/gone", 1), "Principal not found"},
		"never another": {locked, "force"},
	} {
		wantError(t, name, set(test.text, false), "InvalidParameterException", test.want)
	}
	if err := set(locked, true); err != nil {
		t.Errorf("by force: %v", err)
	}
	if err := set(pull, false); err != nil {
		t.Fatal(err)
	}
	if g := must[api.GetRepositoryPolicyOutput](t)(f.api.GetRepositoryPolicy(ctx, &api.GetRepositoryPolicyInput{RepositoryName: new("app")})); *g.PolicyText != pull {
		t.Errorf("got %s", *g.PolicyText)
	}

	// The policy takes part in the decision about a call from elsewhere.
	f.far.BatchGetImage(ctx, &api.BatchGetImageInput{RegistryId: new(account), RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}})
	c := f.LastChecks()[0]
	if c.Owner != account || c.Resource != prefix+"app" || c.Action != "ecr:BatchGetImage" || c.Policy == nil {
		t.Fatalf("got check %+v", c)
	}
	policies := iam.Policies{Resource: c.Policy}
	for action, want := range map[string]iam.Outcome{"ecr:BatchGetImage": iam.Allow, "ecr:PutImage": iam.ImplicitDeny} {
		d := policies.Decide(&iam.Request{Principal: iam.Principal{Type: iam.Root, ARN: "arn:aws:iam::444455556666:root", Account: other},
			Action: action, Resource: c.Resource, ResourceAccount: account, Context: iam.NewContext()})
		if d.Outcome != want {
			t.Errorf("%s: got %v, want %v", action, d.Outcome, want)
		}
	}
	f.far.GetAuthorizationToken(ctx, &api.GetAuthorizationTokenInput{})
	f.wantChecks(t, "GetAuthorizationToken", []string{"ecr:GetAuthorizationToken *"})

	must[api.DeleteRepositoryPolicyOutput](t)(f.api.DeleteRepositoryPolicy(ctx, &api.DeleteRepositoryPolicyInput{RepositoryName: new("app")}))
	f.far.BatchGetImage(ctx, &api.BatchGetImageInput{RegistryId: new(account), RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}})
	if f.LastChecks()[0].Policy != nil {
		t.Error("a deleted policy still takes part")
	}
}

func TestAuthorizationToken(t *testing.T) {
	f := memory(t, Options{})
	g := must[api.GetAuthorizationTokenOutput](t)(f.api.GetAuthorizationToken(t.Context(), &api.GetAuthorizationTokenInput{}))
	a := g.AuthorizationData[0]
	raw, err := base64.StdEncoding.DecodeString(*a.AuthorizationToken)
	if user, password, _ := strings.Cut(string(raw), ":"); err != nil || user != "AWS" || len(password) < 64 {
		t.Errorf("token %q, %v", raw, err)
	}
	if *a.ProxyEndpoint != "https://111122223333.dkr.ecr.us-west-2.amazonaws.com" || !a.ExpiresAt.Equal(f.Now().Add(12*time.Hour)) {
		t.Errorf("got %s", f.Body())
	}
}

const config = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"sha256:aa","size":7},"layers":[{"digest":"sha256:bb","size":100,"mediaType":"layer"}]}`

func TestImages(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	f.repository(t, "app")
	f.repository(t, "app2")
	put := func(text, tag string) (*api.PutImageOutput, error) {
		in := &api.PutImageInput{RepositoryName: new("app"), ImageManifest: &text}
		if tag != "" {
			in.ImageTag = &tag
		}
		return f.api.PutImage(ctx, in)
	}
	one := *must[api.PutImageOutput](t)(put(config, "v1")).Image.ImageId.ImageDigest
	must[api.PutImageOutput](t)(put(config, "latest"))
	two := *must[api.PutImageOutput](t)(put(strings.Replace(config, "bb", "cc", 1), "latest")).Image.ImageId.ImageDigest
	_, err := put(config, "v1")
	wantError(t, "the same again", err, "ImageAlreadyExistsException", "tag 'v1' already exists")
	_, err = put("{", "v2")
	wantError(t, "no JSON", err, "InvalidParameterException", "Invalid JSON syntax")
	listed := func(status types.TagStatus) string {
		t.Helper()
		l := must[api.ListImagesOutput](t)(f.api.ListImages(ctx, &api.ListImagesInput{RepositoryName: new("app"), Filter: &types.ListImagesFilter{TagStatus: status}}))
		var out []string
		for _, id := range l.ImageIds {
			s := map[string]string{one: "one", two: "two"}[*id.ImageDigest]
			if id.ImageTag != nil {
				s += ":" + *id.ImageTag
			}
			out = append(out, s)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if got := listed(types.TagStatusAny); got != "one:v1 two:latest" {
		t.Errorf("got %s", got)
	}
	d := must[api.DescribeImagesOutput](t)(f.api.DescribeImages(ctx, &api.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}}))
	if i := d.ImageDetails[0]; *i.ImageSizeInBytes != int64(len(config))+107 || *i.ImageDigest != one || !slices.Equal(i.ImageTags, []string{"v1"}) {
		t.Errorf("got %s", f.Body())
	}
	_, err = f.api.DescribeImages(ctx, &api.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v9")}}})
	wantError(t, "no image", err, "ImageNotFoundException", "{imageDigest:'null', imageTag:'v9'}")
	g := must[api.BatchGetImageOutput](t)(f.api.BatchGetImage(ctx, &api.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageDigest: &one}, {ImageTag: new("v9")}}}))
	if len(g.Images) != 1 || *g.Images[0].ImageManifest != config || len(g.Failures) != 1 || g.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("got %s", f.Body())
	}
	l := must[api.BatchCheckLayerAvailabilityOutput](t)(f.api.BatchCheckLayerAvailability(ctx, &api.BatchCheckLayerAvailabilityInput{RepositoryName: new("app"), LayerDigests: []string{"sha256:bb", "sha256:zz"}}))
	if l.Layers[0].LayerAvailability != types.LayerAvailabilityAvailable || l.Layers[1].LayerAvailability != types.LayerAvailabilityUnavailable {
		t.Errorf("got %s", f.Body())
	}

	must[api.PutImageTagMutabilityOutput](t)(f.api.PutImageTagMutability(ctx, &api.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion,
		ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{{Filter: new("lat*"), FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard}}}))
	_, err = put(strings.Replace(config, "bb", "cc", 1), "v1")
	wantError(t, "immutable tag", err, "ImageTagAlreadyExistsException", "'v1' already exists in the 'app' repository")
	must[api.PutImageOutput](t)(put(config, "latest"))
	if got := listed(types.TagStatusUntagged); got != "two" {
		t.Errorf("untagged: got %s", got)
	}

	_, err = f.api.DeleteRepository(ctx, &api.DeleteRepositoryInput{RepositoryName: new("app")})
	wantError(t, "delete", err, "RepositoryNotEmptyException", "still contains images")
	del := must[api.BatchDeleteImageOutput](t)(f.api.BatchDeleteImage(ctx, &api.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}, {ImageDigest: &two}, {}}}))
	if len(del.ImageIds) != 2 || len(del.Failures) != 1 || del.Failures[0].FailureCode != types.ImageFailureCodeMissingDigestAndTag {
		t.Errorf("got %s", f.Body())
	}
	if got := listed(types.TagStatusAny); got != "one:latest" {
		t.Errorf("got %s", got)
	}
	must[api.DeleteRepositoryOutput](t)(f.api.DeleteRepository(ctx, &api.DeleteRepositoryInput{RepositoryName: new("app"), Force: true}))
	f.repository(t, "app")
	if got := listed(types.TagStatusAny); got != "" {
		t.Errorf("images of a deleted repository: %s", got)
	}
}

func TestLifecyclePolicy(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	f.repository(t, "app")
	put := func(text string) error {
		_, err := f.api.PutLifecyclePolicy(ctx, &api.PutLifecyclePolicyInput{RepositoryName: new("app"), LifecyclePolicyText: &text})
		return err
	}
	good := `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14},"action":{"type":"expire"}}]}`
	for name, test := range map[string]struct{ old, new, want string }{
		"no JSON":  {good, strings.Repeat("x", 100), "JSON"},
		"no rules": {good, `{"rules":[],"x":"` + strings.Repeat("x", 100) + `"}`, "at least one rule"},
		"status":   {"untagged", "none", "tagStatus"},
		"prefixes": {"untagged", "tagged", "tagPrefixList"},
		"unit":     {`"days"`, `"years"`, "countUnit"},
		"number":   {":14", ":0", "countNumber"},
		"action":   {"expire", "burn", "action"},
	} {
		wantError(t, name, put(strings.Replace(good, test.old, test.new, 1)), "InvalidParameterException", test.want)
	}
	_, err := f.api.GetLifecyclePolicy(ctx, &api.GetLifecyclePolicyInput{RepositoryName: new("app")})
	wantError(t, "none", err, "LifecyclePolicyNotFoundException", "Lifecycle policy does not exist")
	if err := put(good); err != nil {
		t.Fatal(err)
	}
	if g := must[api.GetLifecyclePolicyOutput](t)(f.api.GetLifecyclePolicy(ctx, &api.GetLifecyclePolicyInput{RepositoryName: new("app")})); *g.LifecyclePolicyText != good {
		t.Errorf("got %s", f.Body())
	}
	must[api.DeleteLifecyclePolicyOutput](t)(f.api.DeleteLifecyclePolicy(ctx, &api.DeleteLifecyclePolicyInput{RepositoryName: new("app")}))
	_, err = f.api.DeleteLifecyclePolicy(ctx, &api.DeleteLifecyclePolicyInput{RepositoryName: new("app")})
	wantError(t, "deleted twice", err, "LifecyclePolicyNotFoundException", "")
}

func TestRefusals(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	f.repository(t, "app")
	_, err := f.api.CreateRepository(ctx, &api.CreateRepositoryInput{RepositoryName: new("app")})
	wantError(t, "twice", err, "RepositoryAlreadyExistsException", "The repository with name 'app' already exists in the registry with id '111122223333'")
	_, err = f.api.CreateRepository(ctx, &api.CreateRepositoryInput{RepositoryName: new("App")})
	wantError(t, "capitals", err, "InvalidParameterException", "repositoryName")
	_, err = f.api.CreateRepository(ctx, &api.CreateRepositoryInput{RepositoryName: new("bb"), Tags: []types.Tag{{Key: new("aws:x"), Value: new("")}}})
	wantError(t, "reserved tag", err, "InvalidTagParameterException", "aws:")
	_, err = f.api.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: new("arn:aws:s3:::b")})
	wantError(t, "ARN", err, "InvalidParameterException", "Invalid ARN")
	_, err = f.api.ListImages(ctx, &api.ListImagesInput{RepositoryName: new("app"), NextToken: new("%")})
	wantError(t, "token", err, "InvalidParameterException", "Invalid token")
}

// Everything survives the end of the process.
func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, st, Options{})
	f.repository(t, "app")
	must[api.PutImageOutput](t)(f.api.PutImage(t.Context(), &api.PutImageInput{RepositoryName: new("app"), ImageManifest: new(config), ImageTag: new("v1")}))
	must[api.SetRepositoryPolicyOutput](t)(f.api.SetRepositoryPolicy(t.Context(), &api.SetRepositoryPolicyInput{RepositoryName: new("app"), PolicyText: new(pull)}))
	read := func() string {
		t.Helper()
		must[api.DescribeRepositoriesOutput](t)(f.api.DescribeRepositories(t.Context(), &api.DescribeRepositoriesInput{}))
		out := f.Body()
		must[api.DescribeImagesOutput](t)(f.api.DescribeImages(t.Context(), &api.DescribeImagesInput{RepositoryName: new("app")}))
		out += f.Body()
		must[api.GetRepositoryPolicyOutput](t)(f.api.GetRepositoryPolicy(t.Context(), &api.GetRepositoryPolicyInput{RepositoryName: new("app")}))
		return out + f.Body()
	}
	before := read()
	st.Close()
	if st, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	f = newFront(t, st, Options{})
	if after := read(); after != before {
		t.Errorf("got %s\nwant %s", after, before)
	}
}

// FuzzManifest and FuzzPolicy: no text is answered with anything but an
// image, a policy or an error of the API.
func FuzzManifest(f *testing.F) {
	f.Add(config, "")
	f.Add(`{"schemaVersion":2,"manifests":[]}`, ociIndex)
	f.Add(`{"schemaVersion":1}`, "")
	f.Add(`null`, "")
	f.Fuzz(func(t *testing.T, text, mediaType string) {
		row, err := readManifest(text, mediaType)
		if err == nil && (len(row.Digest) != len("sha256:")+64 || row.MediaType == "") {
			t.Errorf("got %+v", row)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(pull)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"ecr:*"}}`)
	f.Add(`{"Statement":null}`)
	s := &call{ECR: New(nil, Options{PrincipalExists: func(string) bool { return true }})}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := iam.Parse(iam.Resource, "", []byte(text)); err != nil {
			return
		}
		err := s.checkPrincipals(text)
		if _, ok := errors.AsType[*wire.Error](err); err != nil && !ok {
			t.Errorf("not an error of the API: %v", err)
		}
	})
}
