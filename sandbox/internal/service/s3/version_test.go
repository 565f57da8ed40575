package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// history is what ListObjectVersions says, one line a version, following
// pages of size n.
func history(t testing.TB, c *awss3.Client, bucket string, n int32) string {
	t.Helper()
	type line struct {
		key, id, kind string
		latest        bool
	}
	var lines []line
	in := &awss3.ListObjectVersionsInput{Bucket: &bucket, MaxKeys: &n}
	for range 100 {
		out, err := c.ListObjectVersions(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(out.Versions) + len(out.DeleteMarkers); got > int(n) {
			t.Errorf("a page of %d holds %d", n, got)
		}
		for _, v := range out.Versions {
			lines = append(lines, line{*v.Key, *v.VersionId, "object", *v.IsLatest})
		}
		for _, v := range out.DeleteMarkers {
			lines = append(lines, line{*v.Key, *v.VersionId, "marker", *v.IsLatest})
		}
		if !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
	count := map[string]int{}
	for _, l := range lines {
		id := "id"
		if l.id == null {
			id = null
		}
		count[fmt.Sprintf("%s %s %s %v", l.key, l.kind, id, l.latest)]++
	}
	return fmt.Sprint(count)
}

func TestVersions(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	if out := mustPut(t, c, "photos", "k", "zero"); out.VersionId != nil {
		t.Errorf("an unversioned bucket answers version %q", *out.VersionId)
	}
	mustVersion(t, c, "photos", types.BucketVersioningStatusEnabled)
	one := mustPut(t, c, "photos", "k", "one").VersionId
	two := mustPut(t, c, "photos", "k", "two").VersionId
	if one == nil || two == nil || *one == *two {
		t.Fatalf("version ids %v and %v", one, two)
	}
	for id, want := range map[string]string{null: "zero", *one: "one", *two: "two"} {
		if got, out := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, VersionId: &id}); got != want || aws.ToString(out.VersionId) != id {
			t.Errorf("version %s is %q, want %q", id, got, want)
		}
	}
	del, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k})
	if err != nil || !*del.DeleteMarker || del.VersionId == nil {
		t.Fatalf("delete: %+v %v", del, err)
	}
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k})
	wantCode(t, "get a deleted key", err, "NoSuchKey")
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k, VersionId: del.VersionId})
	wantCode(t, "get a delete marker", err, "MethodNotAllowed")
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k, VersionId: aws.String("none")})
	wantCode(t, "get a version that is not", err, "NoSuchVersion")
	want := "map[k marker id true:1 k object id false:2 k object null false:1]"
	for _, n := range []int32{1, 2, 3, 1000} {
		if got := history(t, c, "photos", n); got != want {
			t.Errorf("history in pages of %d: %s, want %s", n, got, want)
		}
	}
	if list, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: b, Delimiter: aws.String("/")}); err != nil || len(list.Contents) != 0 {
		t.Errorf("a deleted key is listed: %v %v", list, err)
	}
	// Deleting the marker brings the object back.
	undo, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k, VersionId: del.VersionId})
	if err != nil || !*undo.DeleteMarker || *undo.VersionId != *del.VersionId {
		t.Fatalf("delete the marker: %+v %v", undo, err)
	}
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k}); got != "two" {
		t.Errorf("after deleting the marker: %q", got)
	}
	// While suspended, writes replace the null version.
	mustVersion(t, c, "photos", types.BucketVersioningStatusSuspended)
	if out := mustPut(t, c, "photos", "k", "new null"); aws.ToString(out.VersionId) != null {
		t.Errorf("suspended put answers version %v", out.VersionId)
	}
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, VersionId: aws.String(null)}); got != "new null" {
		t.Errorf("null version is %q", got)
	}
	if got, want := history(t, c, "photos", 1000), "map[k object id false:2 k object null true:1]"; got != want {
		t.Errorf("history after suspension: %s, want %s", got, want)
	}
	if _, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k}); err != nil {
		t.Fatal(err)
	}
	if got, want := history(t, c, "photos", 1000), "map[k marker null true:1 k object id false:2]"; got != want {
		t.Errorf("history after a suspended delete: %s, want %s", got, want)
	}
	if n := blobCount(t, f); n != 2 {
		t.Errorf("%d blobs, want those of 2 versions", n)
	}
	_, err = c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b})
	wantCode(t, "delete a bucket with versions", err, "BucketNotEmpty")
	// What terraform destroy with force_destroy does.
	all, err := c.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: b})
	if err != nil {
		t.Fatal(err)
	}
	var ids []types.ObjectIdentifier
	for _, v := range all.Versions {
		ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, v := range all.DeleteMarkers {
		ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	gone, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: ids}})
	if err != nil || len(gone.Deleted) != 3 || len(gone.Errors) != 0 {
		t.Fatalf("delete all versions: %+v %v", gone, err)
	}
	if _, err := c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Error(err)
	}
	if n := blobCount(t, f); n != 0 {
		t.Errorf("%d blobs at the end, want 0", n)
	}
}

func TestObjectTags(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	mustVersion(t, c, "photos", types.BucketVersioningStatusEnabled)
	one := mustPut(t, c, "photos", "k", "one").VersionId
	mustPut(t, c, "photos", "k", "two")
	put := func(id *string, tags ...string) error {
		set := &types.Tagging{TagSet: []types.Tag{}}
		for _, kv := range tags {
			key, v, _ := strings.Cut(kv, "=")
			set.TagSet = append(set.TagSet, types.Tag{Key: &key, Value: &v})
		}
		_, err := c.PutObjectTagging(t.Context(), &awss3.PutObjectTaggingInput{Bucket: b, Key: k, VersionId: id, Tagging: set})
		return err
	}
	tags := func(id *string) string {
		out, err := c.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: b, Key: k, VersionId: id})
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, tag := range out.TagSet {
			s = append(s, *tag.Key+"="+*tag.Value)
		}
		return strings.Join(s, " ")
	}
	wantCode(t, "tag the latest", put(nil, "z=1", "a=2"), "")
	wantCode(t, "tag a version", put(one, "old=yes"), "")
	if got := tags(nil); got != "a=2 z=1" {
		t.Errorf("tags are %q", got)
	}
	if got := tags(one); got != "old=yes" {
		t.Errorf("tags of the older version are %q", got)
	}
	wantCode(t, "duplicate key", put(nil, "a=1", "a=2"), "InvalidTag")
	wantCode(t, "system tag", put(nil, "aws:x=1"), "InvalidTag")
	wantCode(t, "empty key", put(nil, "=1"), "InvalidTag")
	wantCode(t, "eleven tags", put(nil, strings.Split("a b c d e f g h i j k", " ")...), "BadRequest")
	if _, err := c.DeleteObjectTagging(t.Context(), &awss3.DeleteObjectTaggingInput{Bucket: b, Key: k}); err != nil {
		t.Error(err)
	}
	if got := tags(nil); got != "" {
		t.Errorf("tags after the delete are %q", got)
	}
}

func TestCopy(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	mustCreate(t, c, "target")
	mustVersion(t, c, "photos", types.BucketVersioningStatusEnabled)
	in := &awss3.PutObjectInput{Bucket: aws.String("photos"), Key: aws.String("a b/ü+"), Body: strings.NewReader("first"),
		ContentType: aws.String("text/plain"), Metadata: map[string]string{"m": "1"}, Tagging: aws.String("t=1")}
	first, err := c.PutObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "photos", "a b/ü+", "second")
	source := "photos/a%20b/%C3%BC%2B"
	cp := func(source string, edit func(*awss3.CopyObjectInput)) (*awss3.CopyObjectOutput, error) {
		in := &awss3.CopyObjectInput{Bucket: aws.String("target"), Key: aws.String("copy"), CopySource: &source}
		if edit != nil {
			edit(in)
		}
		return c.CopyObject(t.Context(), in)
	}
	out, err := cp(source+"?versionId="+*first.VersionId, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.CopyObjectResult.ETag != *first.ETag || *out.CopySourceVersionId != *first.VersionId || out.CopyObjectResult.LastModified == nil {
		t.Errorf("copy of a version: %+v", out)
	}
	body, got := get(t, c, &awss3.GetObjectInput{Bucket: aws.String("target"), Key: aws.String("copy")})
	if body != "first" || *got.ContentType != "text/plain" || got.Metadata["m"] != "1" || aws.ToInt32(got.TagCount) != 1 {
		t.Errorf("the copy: %q %+v", body, got)
	}
	if _, err = cp("/"+source, func(in *awss3.CopyObjectInput) {
		in.MetadataDirective, in.TaggingDirective = types.MetadataDirectiveReplace, types.TaggingDirectiveReplace
		in.ContentType, in.Metadata = aws.String("image/png"), map[string]string{"n": "2"}
	}); err != nil {
		t.Fatal(err)
	}
	body, got = get(t, c, &awss3.GetObjectInput{Bucket: aws.String("target"), Key: aws.String("copy")})
	if body != "second" || *got.ContentType != "image/png" || got.Metadata["m"] != "" || got.Metadata["n"] != "2" || got.TagCount != nil {
		t.Errorf("the copy with other metadata: %q %+v", body, got)
	}
	for _, tt := range []struct {
		what, source string
		edit         func(*awss3.CopyObjectInput)
		code         string
	}{
		{"a missing key", "photos/none", nil, "NoSuchKey"},
		{"a missing bucket", "nonesuch/k", nil, "NoSuchBucket"},
		{"no key", "photos", nil, "InvalidArgument"},
		{"a bad escape", "photos/%zz", nil, "InvalidArgument"},
		{"itself", "target/copy", nil, "InvalidRequest"},
		{"another entity tag", source, func(in *awss3.CopyObjectInput) { in.CopySourceIfMatch = aws.String("x") }, "PreconditionFailed"},
		{"the same entity tag", source, func(in *awss3.CopyObjectInput) { in.CopySourceIfNoneMatch = got.ETag }, "PreconditionFailed"},
		{"a key that is there", source, func(in *awss3.CopyObjectInput) { in.IfNoneMatch = aws.String("*") }, "PreconditionFailed"},
	} {
		_, err := cp(tt.source, tt.edit)
		wantCode(t, "copy of "+tt.what, err, tt.code)
	}
	if n := blobCount(t, f); n != 3 {
		t.Errorf("%d blobs, want 3", n)
	}
}
