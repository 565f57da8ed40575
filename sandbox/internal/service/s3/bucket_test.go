package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

func TestBucketNames(t *testing.T) {
	for name, want := range map[string]bool{
		"abc": true, "my.bucket-1": true, "1a2": true, strings.Repeat("a", 63): true, "1.2.3": true, "a-b.c-d": true,
		"ab": false, strings.Repeat("a", 64): false, "Abc": false, "a_b": false, "-abc": false, "abc-": false, ".abc": false,
		"abc.": false, "a..b": false, "192.168.5.4": false, "xn--abc": false, "sthree-abc": false, "amzn-s3-demo-abc": false,
		"abc-s3alias": false, "abc--ol-s3": false, "abc.mrap": false, "abc--x-s3": false, "abc--table-s3": false, "a/b": false, "": false,
	} {
		if got := validBucketName(name); got != want {
			t.Errorf("name %q: valid is %v, want %v", name, got, want)
		}
	}
}

func TestBucketOwners(t *testing.T) {
	f := memory(t)
	_, as := f.start(t)
	east, west, others := as(account, "us-east-1"), as(account, "eu-west-1"), as(other, "us-east-1")
	create := func(c *awss3.Client, name, constraint string) error {
		in := &awss3.CreateBucketInput{Bucket: &name}
		if constraint != "" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(constraint)}
		}
		_, err := c.CreateBucket(t.Context(), in)
		return err
	}
	for _, tt := range []struct {
		what       string
		c          *awss3.Client
		name, at   string
		code       string
		wantRegion string
	}{
		{"in us-east-1", east, "one", "", "", "us-east-1"},
		{"again in us-east-1", east, "one", "", "", "us-east-1"},
		{"of another account", others, "one", "", "BucketAlreadyExists", "us-east-1"},
		{"in eu-west-1", west, "two", "eu-west-1", "", "eu-west-1"},
		{"again in eu-west-1", west, "two", "eu-west-1", "BucketAlreadyOwnedByYou", "eu-west-1"},
		{"elsewhere from us-east-1", east, "three", "EU", "", "eu-west-1"},
		{"without constraint in eu-west-1", west, "four", "", "IllegalLocationConstraintException", ""},
		{"with another constraint", west, "four", "eu-north-1", "IllegalLocationConstraintException", ""},
		{"with a bad name", east, "Four", "", "InvalidBucketName", ""},
	} {
		wantCode(t, "create "+tt.what, create(tt.c, tt.name, tt.at), tt.code)
		head, err := east.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: &tt.name})
		if tt.wantRegion == "" {
			if tt.name == "four" {
				wantCode(t, "head", err, "NotFound")
			}
			continue
		}
		if err != nil || aws.ToString(head.BucketRegion) != tt.wantRegion {
			t.Errorf("%s: region %v %v, want %s", tt.what, head, err, tt.wantRegion)
		}
		loc, err := east.GetBucketLocation(t.Context(), &awss3.GetBucketLocationInput{Bucket: &tt.name})
		if want := strings.TrimPrefix(tt.wantRegion, "us-east-1"); err != nil || string(loc.LocationConstraint) != want {
			t.Errorf("%s: location %+v %v, want %q", tt.what, loc, err, want)
		}
	}
	wantCode(t, "create for the other account", create(others, "theirs", ""), "")
	for _, tt := range []struct {
		c    *awss3.Client
		in   awss3.ListBucketsInput
		want string
		id   string
	}{
		{east, awss3.ListBucketsInput{}, "[one three two]", canonicalID(account)},
		{others, awss3.ListBucketsInput{}, "[theirs]", canonicalID(other)},
		{east, awss3.ListBucketsInput{Prefix: aws.String("t")}, "[three two]", canonicalID(account)},
		{east, awss3.ListBucketsInput{BucketRegion: aws.String("us-east-1")}, "[one]", canonicalID(account)},
		{east, awss3.ListBucketsInput{MaxBuckets: aws.Int32(2)}, "[one three]", canonicalID(account)},
	} {
		out, err := tt.c.ListBuckets(t.Context(), &tt.in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, b := range out.Buckets {
			names = append(names, *b.Name)
			if b.CreationDate == nil || *b.BucketArn != "arn:aws:s3:::"+*b.Name || aws.ToString(b.BucketRegion) == "" {
				t.Errorf("bucket %+v lacks its date, ARN or region", b)
			}
		}
		if fmt.Sprint(names) != tt.want || *out.Owner.ID != tt.id {
			t.Errorf("list %+v: %v of %s, want %s", tt.in, names, *out.Owner.ID, tt.want)
		}
		if tt.in.MaxBuckets != nil {
			next, err := tt.c.ListBuckets(t.Context(), &awss3.ListBucketsInput{MaxBuckets: tt.in.MaxBuckets, ContinuationToken: out.ContinuationToken})
			if err != nil || len(next.Buckets) != 1 || next.ContinuationToken != nil {
				t.Errorf("next page: %+v %v", next, err)
			}
		}
	}
	_, err := east.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: aws.String("one"), ExpectedBucketOwner: aws.String(other)})
	wantCode(t, "head with another owner expected", err, "Forbidden")
}

func TestLocation(t *testing.T) {
	for _, tt := range []struct{ region, constraint, want, code string }{
		{"us-east-1", "", "us-east-1", ""},
		{"us-east-1", "ap-south-1", "ap-south-1", ""},
		{"us-east-1", "us-east-1", "", "InvalidLocationConstraint"},
		{"us-east-1", "nowhere", "", "InvalidLocationConstraint"},
		{"us-east-1", "eu-west", "", "InvalidLocationConstraint"},
		{"us-gov-west-1", "us-gov-west-1", "us-gov-west-1", ""},
		{"eu-west-1", "EU", "eu-west-1", ""},
		{"eu-west-1", "", "", "IllegalLocationConstraintException"},
		{"eu-west-1", "us-east-2", "", "IllegalLocationConstraintException"},
	} {
		got, err := location(tt.region, tt.constraint)
		var e *wire.Error
		if errors.As(err, &e); got != tt.want || (e == nil) != (tt.code == "") || e != nil && e.Code != tt.code {
			t.Errorf("%q in %s: got %q %v, want %q %s", tt.constraint, tt.region, got, err, tt.want, tt.code)
		}
	}
}

func TestBucketDelete(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	b := aws.String("photos")
	mustPut(t, c, "photos", "k", "v")
	begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("pending")})
	_, err := c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b})
	wantCode(t, "delete a bucket with an object", err, "BucketNotEmpty")
	if _, err := c.PutBucketTagging(t.Context(), &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeletePublicAccessBlock(t.Context(), &awss3.DeletePublicAccessBlockInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b})
	wantCode(t, "delete again", err, "NoSuchBucket")
	mustCreate(t, c, "photos")
	_, err = c.GetBucketTagging(t.Context(), &awss3.GetBucketTaggingInput{Bucket: b})
	wantCode(t, "tags of the next bucket of the name", err, "NoSuchTagSet")
	if pab, err := c.GetPublicAccessBlock(t.Context(), &awss3.GetPublicAccessBlockInput{Bucket: b}); err != nil || !*pab.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Errorf("public access block of the next bucket: %+v %v", pab, err)
	}
	ups, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: b})
	if err != nil || len(ups.Uploads) != 0 {
		t.Errorf("uploads of the next bucket: %+v %v", ups, err)
	}
	if n := blobCount(t, f); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

func TestListing(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b := aws.String("photos")
	for _, k := range []string{"a", "a/", "a/1", "a/2/x", "a/2/y", "a//z", "b", "c d/e&f", "z"} {
		mustPut(t, c, "photos", k, k)
	}
	show := func(keys []types.Object, prefixes []types.CommonPrefix) string {
		var s []string
		for _, o := range keys {
			s = append(s, *o.Key)
		}
		for _, p := range prefixes {
			s = append(s, *p.Prefix+"*")
		}
		return strings.Join(s, " ")
	}
	for _, tt := range []struct{ prefix, delimiter, after, encoding, want string }{
		{"", "", "", "", "a a/ a//z a/1 a/2/x a/2/y b c d/e&f z"},
		{"", "/", "", "", "a b z a/* c d/*"},
		{"a/", "/", "", "", "a/ a/1 a//* a/2/*"},
		{"a/2", "/", "", "", "a/2/*"},
		{"a/2/", "/", "", "", "a/2/x a/2/y"},
		{"none", "/", "", "", ""},
		{"", "/", "a/", "", "b z c d/*"},
		{"", "", "a/2/x", "", "a/2/y b c d/e&f z"},
		{"c", "", "", "url", "c+d/e%26f"},
		{"", "a", "", "", "b c d/e&f z a*"},
	} {
		in := &awss3.ListObjectsV2Input{Bucket: b, Prefix: &tt.prefix, EncodingType: types.EncodingType(tt.encoding)}
		if tt.delimiter != "" {
			in.Delimiter = &tt.delimiter
		}
		if tt.after != "" {
			in.StartAfter = &tt.after
		}
		out, err := c.ListObjectsV2(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(out.Contents, out.CommonPrefixes); got != tt.want {
			t.Errorf("V2 %+v: %q, want %q", tt, got, tt.want)
		}
		if int(*out.KeyCount) != len(out.Contents)+len(out.CommonPrefixes) || *out.IsTruncated {
			t.Errorf("V2 %+v: count %d, truncated %v", tt, *out.KeyCount, *out.IsTruncated)
		}
		one, err := c.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: b, Prefix: in.Prefix, Delimiter: in.Delimiter, Marker: in.StartAfter, EncodingType: in.EncodingType})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(one.Contents, one.CommonPrefixes); got != tt.want {
			t.Errorf("V1 %+v: %q, want %q", tt, got, tt.want)
		}
	}
	// Pages of every size hold the same.
	for n := int32(1); n < 8; n++ {
		var keys []types.Object
		var prefixes []types.CommonPrefix
		in := &awss3.ListObjectsV2Input{Bucket: b, Delimiter: aws.String("/"), MaxKeys: &n}
		for range 20 {
			out, err := c.ListObjectsV2(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			keys, prefixes = append(keys, out.Contents...), append(prefixes, out.CommonPrefixes...)
			if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
				break
			}
		}
		if got, want := show(keys, prefixes), "a b z a/* c d/*"; got != want {
			t.Errorf("pages of %d: %q, want %q", n, got, want)
		}
	}
	zero, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(0)})
	if err != nil || len(zero.Contents) != 0 || *zero.IsTruncated {
		t.Errorf("max-keys 0: %+v %v", zero, err)
	}
	_, err = c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: b, ContinuationToken: aws.String("%")})
	wantCode(t, "a bad token", err, "InvalidArgument")
	_, err = c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("nonesuch")})
	wantCode(t, "a missing bucket", err, "NoSuchBucket")
}

// TestUnsupported: what the sandbox leaves out is refused, and is never
// taken for a call on the bucket or object itself.
func TestUnsupported(t *testing.T) {
	_, c, url := setUp(t, "photos")
	mustPut(t, c, "photos", "k", "v")
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"DELETE", "/photos?inventory&id=x", 501},
		{"DELETE", "/photos?location", 405},
		{"PUT", "/photos?replication", 501},
		{"PUT", "/photos?object-lock", 501},
		{"GET", "/photos?analytics", 501},
		{"GET", "/photos/k?torrent", 501},
		{"PUT", "/photos/k?retention", 501},
		{"POST", "/photos/k?restore", 501},
		{"POST", "/photos/k?select&select-type=2", 501},
		{"POST", "/photos", 501},
		{"PATCH", "/photos/k", 405},
		{"DELETE", "/", 405},
		{"DELETE", "/photos/k?somethingnew", 405},
		{"GET", "//k", 400},
	} {
		h, err := http.NewRequest(tt.method, url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(h)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), "<Code>") {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, resp.StatusCode, body, tt.status)
		}
	}
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("k")}); got != "v" {
		t.Errorf("the object is %q after calls that must not touch it", got)
	}
}
