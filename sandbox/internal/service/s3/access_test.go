package s3

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// value is what a check says about a condition key, "-" if nothing.
func value(c service.Check, key string) string {
	for _, kv := range c.Context {
		if strings.EqualFold(kv.Key, key) {
			return strings.Join(kv.Values, ",")
		}
	}
	return "-"
}

// send makes an unsigned-looking call as the account's user.
func send(t testing.TB, method, url, body string, header ...string) (int, string) {
	t.Helper()
	h, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	h.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA"+account+"/20260101/us-east-1/s3/aws4_request")
	for _, kv := range header {
		k, v, _ := strings.Cut(kv, ": ")
		h.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(h)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestChecks lists what each call is checked for.
func TestChecks(t *testing.T) {
	f, c, url := setUp(t, "photos")
	mustVersion(t, c, "photos", types.BucketVersioningStatusEnabled)
	if _, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("photos"), Key: aws.String("k"), Body: strings.NewReader("v"), Tagging: aws.String("team=red")}); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, c, "target")
	const doc = "<Tagging><TagSet><Tag><Key>team</Key><Value>blue</Value></Tag></TagSet></Tagging>"
	for _, tt := range []struct {
		method, path string
		header       []string
		body         string
		want         string // action resource [key=value…], one check a line
	}{
		{"GET", "/", nil, "", "s3:ListAllMyBuckets *"},
		{"PUT", "/new", []string{"x-amz-object-ownership: BucketOwnerEnforced"}, "", "s3:CreateBucket new s3:x-amz-object-ownership=BucketOwnerEnforced\ns3:PutBucketOwnershipControls new"},
		{"PUT", "/new", []string{"x-amz-acl: private"}, "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
			"s3:CreateBucket new s3:LocationConstraint=eu-west-1 s3:x-amz-acl=private\ns3:PutBucketAcl new"},
		{"HEAD", "/photos", nil, "", "s3:ListBucket photos s3:prefix=- s3:ResourceAccount=111122223333 s3:authType=REST-HEADER s3:signatureversion=AWS4-HMAC-SHA256"},
		{"DELETE", "/photos", nil, "", "s3:DeleteBucket photos"},
		{"GET", "/photos?location", nil, "", "s3:GetBucketLocation photos"},
		{"GET", "/photos?list-type=2&prefix=a%2F&delimiter=%2F&max-keys=7", nil, "", "s3:ListBucket photos s3:prefix=a/ s3:delimiter=/ s3:max-keys=7"},
		{"GET", "/photos?prefix=", nil, "", "s3:ListBucket photos s3:prefix= s3:delimiter=-"},
		{"GET", "/photos?versions", nil, "", "s3:ListBucketVersions photos"},
		{"GET", "/photos?uploads", nil, "", "s3:ListBucketMultipartUploads photos"},
		{"GET", "/photos/k", nil, "", "s3:GetObject photos/k s3:ExistingObjectTag/team=red s3:VersionId=-"},
		{"HEAD", "/photos/k", nil, "", "s3:GetObject photos/k"},
		{"GET", "/photos/k?versionId=v1", nil, "", "s3:GetObjectVersion photos/k s3:VersionId=v1"},
		{"GET", "/photos/k?attributes", []string{"x-amz-object-attributes: ETag"}, "", "s3:GetObject photos/k\ns3:GetObjectAttributes photos/k"},
		{"GET", "/photos/k?attributes&versionId=v1", []string{"x-amz-object-attributes: ETag"}, "", "s3:GetObjectVersion photos/k\ns3:GetObjectVersionAttributes photos/k"},
		{"PUT", "/photos/p", []string{"x-amz-acl: bucket-owner-full-control", "x-amz-tagging: team=blue", "x-amz-server-side-encryption: aws:kms", "If-None-Match: *", "x-amz-storage-class: STANDARD_IA"}, "v",
			"s3:PutObject photos/p s3:x-amz-acl=bucket-owner-full-control s3:RequestObjectTag/team=blue s3:RequestObjectTagKeys=team s3:x-amz-server-side-encryption=aws:kms s3:if-none-match=* s3:x-amz-storage-class=STANDARD_IA s3:ObjectCreationOperation=true\ns3:PutObjectAcl photos/p\ns3:PutObjectTagging photos/p"},
		{"PUT", "/photos/p", []string{"x-amz-object-lock-mode: GOVERNANCE", "x-amz-object-lock-legal-hold: ON"}, "v", "s3:PutObject photos/p s3:object-lock-mode=GOVERNANCE\ns3:PutObjectRetention photos/p\ns3:PutObjectLegalHold photos/p"},
		{"PUT", "/target/c", []string{"x-amz-copy-source: photos/k"}, "",
			"s3:GetObject photos/k s3:ExistingObjectTag/team=red\ns3:GetObjectTagging photos/k\ns3:PutObject target/c s3:x-amz-copy-source=photos/k\ns3:PutObjectTagging target/c"},
		{"PUT", "/target/c", []string{"x-amz-copy-source: photos/k?versionId=v1", "x-amz-metadata-directive: REPLACE"}, "",
			"s3:GetObjectVersion photos/k s3:VersionId=v1\ns3:PutObject target/c s3:x-amz-metadata-directive=REPLACE"},
		{"POST", "/photos/m?uploads", nil, "", "s3:PutObject photos/m s3:ObjectCreationOperation=false"},
		{"PUT", "/photos/m?partNumber=1&uploadId=u", nil, "v", "s3:PutObject photos/m"},
		{"PUT", "/photos/m?partNumber=1&uploadId=u", []string{"x-amz-copy-source: photos/k"}, "", "s3:GetObject photos/k\ns3:PutObject photos/m"},
		{"POST", "/photos/m?uploadId=u", nil, "<CompleteMultipartUpload/>", "s3:PutObject photos/m s3:ObjectCreationOperation=true"},
		{"GET", "/photos/m?uploadId=u", nil, "", "s3:ListMultipartUploadParts photos/m"},
		{"DELETE", "/photos/m?uploadId=u", nil, "", "s3:AbortMultipartUpload photos/m"},
		{"DELETE", "/photos/k", []string{`If-Match: "e"`}, "", `s3:DeleteObject photos/k s3:if-match="e"`},
		{"DELETE", "/photos/k?versionId=v1", nil, "", "s3:DeleteObjectVersion photos/k s3:VersionId=v1"},
		{"POST", "/photos?delete", nil, "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>v1</VersionId></Object></Delete>",
			"s3:DeleteObject photos/a\ns3:DeleteObjectVersion photos/b s3:VersionId=v1"},
		{"GET", "/photos/k?tagging", nil, "", "s3:GetObjectTagging photos/k"},
		{"GET", "/photos/k?tagging&versionId=v1", nil, "", "s3:GetObjectVersionTagging photos/k"},
		{"PUT", "/photos/k?tagging", nil, doc, "s3:PutObjectTagging photos/k s3:RequestObjectTag/team=blue s3:ExistingObjectTag/team=red s3:RequestObjectTagKeys=team"},
		{"DELETE", "/photos/k?tagging&versionId=v1", nil, "", "s3:DeleteObjectVersionTagging photos/k"},
		{"GET", "/photos/k?acl", nil, "", "s3:GetObjectAcl photos/k"},
		{"PUT", "/photos/k?acl&versionId=v1", []string{"x-amz-acl: private"}, "", "s3:PutObjectVersionAcl photos/k"},
		{"GET", "/photos?policy", nil, "", "s3:GetBucketPolicy photos"},
		{"PUT", "/photos?policy", nil, "{}", "s3:PutBucketPolicy photos"},
		{"DELETE", "/photos?policy", nil, "", "s3:DeleteBucketPolicy photos"},
		{"GET", "/photos?policyStatus", nil, "", "s3:GetBucketPolicyStatus photos"},
		{"GET", "/photos?versioning", nil, "", "s3:GetBucketVersioning photos"},
		{"PUT", "/photos?versioning", nil, "<VersioningConfiguration/>", "s3:PutBucketVersioning photos"},
		{"GET", "/photos?tagging", nil, "", "s3:GetBucketTagging photos"},
		{"PUT", "/photos?tagging", nil, doc, "s3:PutBucketTagging photos"},
		{"DELETE", "/photos?tagging", nil, "", "s3:PutBucketTagging photos"},
		{"GET", "/photos?acl", nil, "", "s3:GetBucketAcl photos"},
		{"PUT", "/photos?acl", []string{"x-amz-acl: private"}, "", "s3:PutBucketAcl photos s3:x-amz-acl=private"},
		{"GET", "/photos?cors", nil, "", "s3:GetBucketCORS photos"},
		{"DELETE", "/photos?cors", nil, "", "s3:PutBucketCORS photos"},
		{"GET", "/photos?website", nil, "", "s3:GetBucketWebsite photos"},
		{"DELETE", "/photos?website", nil, "", "s3:DeleteBucketWebsite photos"},
		{"GET", "/photos?lifecycle", nil, "", "s3:GetLifecycleConfiguration photos"},
		{"DELETE", "/photos?lifecycle", nil, "", "s3:PutLifecycleConfiguration photos"},
		{"GET", "/photos?replication", nil, "", "s3:GetReplicationConfiguration photos"},
		{"GET", "/photos?encryption", nil, "", "s3:GetEncryptionConfiguration photos"},
		{"DELETE", "/photos?encryption", nil, "", "s3:PutEncryptionConfiguration photos"},
		{"GET", "/photos?logging", nil, "", "s3:GetBucketLogging photos"},
		{"GET", "/photos?notification", nil, "", "s3:GetBucketNotification photos"},
		{"GET", "/photos?requestPayment", nil, "", "s3:GetBucketRequestPayment photos"},
		{"GET", "/photos?accelerate", nil, "", "s3:GetAccelerateConfiguration photos"},
		{"GET", "/photos?object-lock", nil, "", "s3:GetBucketObjectLockConfiguration photos"},
		{"GET", "/photos?publicAccessBlock", nil, "", "s3:GetBucketPublicAccessBlock photos"},
		{"DELETE", "/photos?publicAccessBlock", nil, "", "s3:PutBucketPublicAccessBlock photos"},
		{"GET", "/photos?ownershipControls", nil, "", "s3:GetBucketOwnershipControls photos"},
		{"DELETE", "/photos?ownershipControls", nil, "", "s3:PutBucketOwnershipControls photos"},
		{"GET", "/photos?abac", nil, "", "s3:GetBucketAbac photos"},
	} {
		what := tt.method + " " + tt.path
		var want []string
		for line := range strings.SplitSeq(tt.want, "\n") {
			want = append(want, line)
		}
		// Deny the last check: every one before it is asked for, and nothing
		// happens to the buckets.
		denied := 0
		f.deny(func(*service.Request, service.Check) bool { denied++; return denied == len(want) })
		f.Checks()
		status, body := send(t, tt.method, url+tt.path, tt.body, tt.header...)
		batch := strings.Contains(tt.path, "?delete")
		if status != 403 && !batch || batch && !strings.Contains(body, "AccessDenied") {
			t.Errorf("%s: %d %s, want it denied", what, status, body)
		}
		seen := f.Checks()
		if len(seen) != len(want) {
			t.Errorf("%s: %d checks %+v, want %d", what, len(seen), seen, len(want))
			continue
		}
		for i, line := range want {
			fields := strings.Fields(line)
			resource := strings.TrimPrefix(seen[i].Resource, "arn:aws:s3:::")
			if seen[i].Action != fields[0] || resource != fields[1] {
				t.Errorf("%s: check %d is %s on %s, want %s", what, i, seen[i].Action, seen[i].Resource, line)
			}
			for _, kv := range fields[2:] {
				k, v, _ := strings.Cut(kv, "=")
				if got := value(seen[i], k); got != v {
					t.Errorf("%s: check %d: %s is %q, want %q", what, i, k, got, v)
				}
			}
			if strings.HasPrefix(resource, "photos") && seen[i].Owner != account {
				t.Errorf("%s: check %d has owner %q", what, i, seen[i].Owner)
			}
		}
	}
}

// TestMissing: who may not list a bucket does not learn what is not in it.
func TestMissing(t *testing.T) {
	f, c, url := setUp(t, "photos")
	noList := func(_ *service.Request, c service.Check) bool { return c.Action == "s3:ListBucket" }
	for _, call := range []string{"GET /photos/none", "HEAD /photos/none", "GET /photos/none?versionId=v1", "GET /photos/none?tagging", "GET /photos/none?acl", "GET /photos/none?attributes", "PUT /photos/copy"} {
		method, path, _ := strings.Cut(call, " ")
		header := []string{"x-amz-object-attributes: ETag"}
		if method == "PUT" {
			header = append(header, "x-amz-copy-source: photos/none")
		}
		f.deny(func(*service.Request, service.Check) bool { return false })
		if status, body := send(t, method, url+path, "", header...); status != 404 || method != "HEAD" && !strings.Contains(body, "<Code>NoSuch") {
			t.Errorf("%s with s3:ListBucket: %d %s, want 404", call, status, body)
		}
		f.deny(noList)
		if status, body := send(t, method, url+path, "", header...); status != 403 || method != "HEAD" && !strings.Contains(body, "perform: s3:ListBucket on resource: arn:aws:s3:::photos<") {
			t.Errorf("%s without s3:ListBucket: %d %s, want 403", call, status, body)
		}
	}
	// Without anybody to ask, nothing is told.
	f.s3.UseAuthorizer(nil)
	_, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("none")})
	wantCode(t, "missing key without authorizer", err, "AccessDenied")
}

func TestMissingBucket(t *testing.T) {
	f, _, url := setUp(t, "photos")
	f.deny(func(r *service.Request, c service.Check) bool { return c.Owner != "" })
	if status, body := send(t, "GET", url+"/nonesuch/k", ""); status != 404 || !strings.Contains(body, "NoSuchBucket") {
		t.Errorf("allowed by identity: %d %s, want NoSuchBucket", status, body)
	}
	f.deny(func(*service.Request, service.Check) bool { return true })
	if status, body := send(t, "GET", url+"/nonesuch/k", ""); status != 403 {
		t.Errorf("denied by identity: %d %s, want 403", status, body)
	}
	resp, err := http.Get(url + "/nonesuch/k")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("unsigned: %d, want 404", resp.StatusCode)
	}
}

// TestDeleteObjectsPerKey: each key is decided by itself.
func TestDeleteObjectsPerKey(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	var ids []types.ObjectIdentifier
	for i := range 4 {
		k := fmt.Sprint("k", i)
		mustPut(t, c, "photos", k, "v")
		ids = append(ids, types.ObjectIdentifier{Key: &k})
	}
	f.deny(func(_ *service.Request, c service.Check) bool {
		return strings.HasSuffix(c.Resource, "k1") || strings.HasSuffix(c.Resource, "k3")
	})
	out, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("photos"), Delete: &types.Delete{Objects: append(ids, types.ObjectIdentifier{Key: aws.String("none")})}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range out.Deleted {
		got = append(got, *d.Key)
	}
	for _, e := range out.Errors {
		got = append(got, *e.Key+":"+*e.Code)
	}
	if want := []string{"k0", "k2", "none", "k1:AccessDenied", "k3:AccessDenied"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	f.deny(func(*service.Request, service.Check) bool { return false })
	list, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("photos")})
	if err != nil || len(list.Contents) != 2 {
		t.Errorf("left: %+v %v, want k1 and k3", list, err)
	}
	quiet, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("photos"), Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil || len(quiet.Deleted) != 0 || len(quiet.Errors) != 0 {
		t.Errorf("quiet: %+v %v", quiet, err)
	}
}
