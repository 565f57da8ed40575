package sandbox_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecr "github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox"
)

// docker speaks docker's protocol with a password.
type docker struct {
	t        *testing.T
	url      string
	host     string // of the requests, "" for the address
	password string
}

func (c *client) ecr() *awsecr.Client { return awsecr.NewFromConfig(c.cfg) }

// docker logs in.
func (c *client) docker() *docker {
	c.t.Helper()
	out, err := c.ecr().GetAuthorizationToken(c.t.Context(), &awsecr.GetAuthorizationTokenInput{})
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		c.t.Fatal(err)
	}
	_, password, _ := strings.Cut(string(raw), ":")
	return &docker{t: c.t, url: aws.ToString(c.cfg.BaseEndpoint), password: password}
}

type dockerAnswer struct {
	status int
	header http.Header
	body   string
}

// code is the first error's code and message, "" if there is none.
func (a dockerAnswer) code() (code, message string) {
	var x struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(a.body), &x) != nil || len(x.Errors) == 0 {
		return "", a.body
	}
	return x.Errors[0].Code, x.Errors[0].Message
}

func (d *docker) do(method, path, body string, header ...string) dockerAnswer {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if d.password != "" {
		r.SetBasicAuth("AWS", d.password)
	}
	r.Host = d.host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return dockerAnswer{resp.StatusCode, resp.Header, string(b)}
}

func (d *docker) want(status int, code, method, path, body string, header ...string) dockerAnswer {
	d.t.Helper()
	a := d.do(method, path, body, header...)
	if got, message := a.code(); a.status != status || method != http.MethodHead && got != code {
		d.t.Fatalf("%s %s: status %d, %s %s, want %d %s", method, path, a.status, got, message, status, code)
	}
	return a
}

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// upload brings a layer in two parts, the second with its end.
func (d *docker) upload(repo, text string) string {
	d.t.Helper()
	at := d.want(202, "", "POST", repo+"/blobs/uploads/", "").header.Get("Location")
	half := (len(text) + 1) / 2
	a := d.want(202, "", "PATCH", at, text[:half], "Content-Range", fmt.Sprintf("0-%d", half-1))
	if got, want := a.header.Get("Range"), fmt.Sprintf("0-%d", half-1); got != want {
		d.t.Errorf("range %s, want %s", got, want)
	}
	d.want(201, "", "PUT", a.header.Get("Location")+"?digest="+digestOf(text), text[half:])
	return digestOf(text)
}

const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

// image is a manifest of two layers that lie in no repository yet.
func image(config, layer string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":%q},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%d,"digest":%q}]}`,
		dockerManifest, len(config), digestOf(config), len(layer), digestOf(layer))
}

func (d *docker) push(repo, config, layer, ref string) string {
	d.t.Helper()
	d.upload(repo, config)
	d.upload(repo, layer)
	d.want(201, "", "PUT", repo+"/manifests/"+ref, image(config, layer), "Content-Type", dockerManifest)
	return digestOf(image(config, layer))
}

const registryName = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"

func (c *client) repository(name string, mutable ecrtypes.ImageTagMutability) {
	c.t.Helper()
	if _, err := c.ecr().CreateRepository(c.t.Context(), &awsecr.CreateRepositoryInput{RepositoryName: &name, ImageTagMutability: mutable}); err != nil {
		c.t.Fatal(err)
	}
}

// TestRegistry: what docker pushes is what the API shows and what docker
// pulls again, also after a restart from a snapshot.
func TestRegistry(t *testing.T) {
	state := t.TempDir()
	before, err := sandbox.New(sandbox.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	account, err := before.AddAccount("dev", dev)
	if err != nil {
		t.Fatal(err)
	}
	first := httptest.NewServer(before)
	defer first.Close()
	w := &world{t: t, srv: before, url: first.URL, account: map[string]sandbox.Account{dev: account}}
	admin := w.admin(dev)
	admin.repository("team/app", "IMMUTABLE")
	d := admin.docker()
	repo := "/v2/" + registryName + "/team/app"

	// A client begins without a password and hears what is wanted.
	bare := &docker{t: t, url: w.url}
	if a := bare.want(401, "UNAUTHORIZED", "GET", "/v2/", ""); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("challenge %q", a.header.Get("WWW-Authenticate"))
	}
	d.want(200, "", "GET", "/v2/", "")

	config, layer := `{"os":"linux"}`, strings.Repeat("the bytes of a layer ", 1000)
	d.want(404, "BLOB_UNKNOWN", "HEAD", repo+"/blobs/"+digestOf(layer), "")
	d.want(404, "MANIFEST_BLOB_UNKNOWN", "PUT", repo+"/manifests/v1", image(config, layer), "Content-Type", dockerManifest)
	digest := d.push(repo, config, layer, "v1")
	d.want(201, "", "PUT", repo+"/manifests/v1", image(config, layer), "Content-Type", dockerManifest) // again
	d.upload(repo, layer)                                                                              // again
	if _, message := d.want(400, "TAG_INVALID", "PUT", repo+"/manifests/v1", image(layer, config), "Content-Type", dockerManifest).code(); !strings.Contains(message, "immutable") {
		t.Errorf("an immutable tag: %s", message)
	}

	got, err := admin.ecr().DescribeImages(t.Context(), &awsecr.DescribeImagesInput{RepositoryName: aws.String("team/app")})
	if err != nil || len(got.ImageDetails) != 1 || *got.ImageDetails[0].ImageDigest != digest || got.ImageDetails[0].ImageTags[0] != "v1" {
		t.Fatalf("the API shows %+v, %v", got, err)
	}
	// An index of images needs its images.
	index := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"` + dockerManifest + `","size":1,"digest":"` + digest + `"}]}`
	d.want(404, "MANIFEST_UNKNOWN", "PUT", repo+"/manifests/all", strings.Replace(index, digest, digestOf(""), 1), "Content-Type", "application/vnd.oci.image.index.v1+json")
	d.want(201, "", "PUT", repo+"/manifests/"+digestOf(index), index, "Content-Type", "application/vnd.oci.image.index.v1+json")
	d.want(400, "DIGEST_INVALID", "PUT", repo+"/manifests/"+digestOf(""), index)
	if _, err := admin.ecr().PutImage(t.Context(), &awsecr.PutImageInput{RepositoryName: aws.String("team/app"), ImageManifest: aws.String(image(config, layer)), ImageTag: aws.String("v2")}); err != nil {
		t.Fatal(err)
	}
	if a := d.want(200, "", "GET", repo+"/tags/list", ""); !strings.Contains(a.body, `"tags":["v1","v2"]`) {
		t.Errorf("tags %s", a.body)
	}
	if a := d.want(200, "", "GET", repo+"/tags/list?n=1&last=v1", ""); !strings.Contains(a.body, `"tags":["v2"]`) {
		t.Errorf("tags %s", a.body)
	}

	pull := func() {
		t.Helper()
		for _, ref := range []string{"v1", "v2", digest} {
			a := d.want(200, "", "GET", repo+"/manifests/"+ref, "")
			if a.body != image(config, layer) || a.header.Get("Docker-Content-Digest") != digest || a.header.Get("Content-Type") != dockerManifest {
				t.Errorf("manifest %s: %v %s", ref, a.header, a.body)
			}
		}
		d.want(404, "MANIFEST_UNKNOWN", "GET", repo+"/manifests/v3", "")
		if a := d.want(200, "", "GET", repo+"/blobs/"+digestOf(layer), ""); a.body != layer {
			t.Errorf("the layer has %d bytes, want %d", len(a.body), len(layer))
		}
		// A range over the border of the two parts.
		if a := d.want(206, "", "GET", repo+"/blobs/"+digestOf(layer), "", "Range", "bytes=10000-10999"); a.body != layer[10000:11000] {
			t.Errorf("a range has %d bytes", len(a.body))
		}
		if a := d.want(200, "", "HEAD", repo+"/blobs/"+digestOf(config), ""); a.header.Get("Content-Length") != fmt.Sprint(len(config)) {
			t.Errorf("the configuration has %s bytes", a.header.Get("Content-Length"))
		}
	}
	pull()
	// By the registry's own name, as through the proxy.
	d.host, repo = registryName, "/v2/team/app"
	pull()
	first.Close()
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	// The restart is one from a snapshot.
	var snapshot bytes.Buffer
	if _, err := sandbox.Snapshot(t.Context(), state, &snapshot); err != nil {
		t.Fatal(err)
	}
	state = t.TempDir()
	if _, err := sandbox.Restore(t.Context(), state, &snapshot, true); err != nil {
		t.Fatal(err)
	}
	again, err := sandbox.New(sandbox.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	ts := httptest.NewServer(again)
	defer ts.Close()
	d.url = ts.URL
	pull()

	// With the last image that mentions it, a layer goes.
	admin.cfg.BaseEndpoint = &ts.URL
	if _, err := admin.ecr().BatchDeleteImage(t.Context(), &awsecr.BatchDeleteImageInput{RepositoryName: aws.String("team/app"), ImageIds: []ecrtypes.ImageIdentifier{{ImageDigest: &digest}}}); err != nil {
		t.Fatal(err)
	}
	d.want(404, "BLOB_UNKNOWN", "GET", repo+"/blobs/"+digestOf(layer), "")
	ts.Close()
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(state, "objects")); err != nil || len(files) != 0 {
		t.Errorf("bytes are left of deleted layers: %v %v", files, err)
	}
}

// TestRegistryUploads: an upload goes on where it ended, and becomes a layer
// only under its own digest.
func TestRegistryUploads(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	admin.repository("app", "MUTABLE")
	d := admin.docker()
	repo := "/v2/" + registryName + "/app"
	begin := func() string {
		t.Helper()
		return d.want(202, "", "POST", repo+"/blobs/uploads/", "").header.Get("Location")
	}
	at := begin()
	d.want(202, "", "PATCH", at, "one ")
	d.want(416, "BLOB_UPLOAD_INVALID", "PATCH", at, "two ", "Content-Range", "3-6")
	d.want(202, "", "PATCH", at, "two ")
	if a := d.want(204, "", "GET", at, ""); a.header.Get("Range") != "0-7" {
		t.Errorf("an upload of eight bytes is at %s", a.header.Get("Range"))
	}
	d.want(201, "", "PUT", at+"?digest="+digestOf("one two "), "")
	d.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, "three")
	if a := d.want(200, "", "GET", repo+"/blobs/"+digestOf("one two "), ""); a.body != "one two " {
		t.Errorf("got %q", a.body)
	}

	at = begin()
	d.want(400, "DIGEST_INVALID", "PUT", at+"?digest=md5:x", "one")
	d.want(400, "DIGEST_INVALID", "PUT", at+"?digest="+digestOf("two"), "one")
	d.want(404, "BLOB_UNKNOWN", "GET", repo+"/blobs/"+digestOf("two"), "")
	at = begin()
	d.want(204, "", "DELETE", at, "")
	d.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", at, "")
	at = begin()
	d.want(201, "", "PUT", at+"?digest="+digestOf(""), "") // a layer may be empty
	d.want(200, "", "GET", repo+"/blobs/"+digestOf(""), "")

	// Another repository's upload is not known here.
	admin.repository("other", "MUTABLE")
	d.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", strings.Replace(begin(), "/app/", "/other/", 1), "x")
	d.want(404, "BLOB_UNKNOWN", "GET", "/v2/"+registryName+"/other/blobs/"+digestOf("one two "), "")

	d.want(404, "NAME_UNKNOWN", "POST", "/v2/"+registryName+"/missing/blobs/uploads/", "")
	d.want(404, "NAME_UNKNOWN", "GET", "/v2/app/manifests/v1", "")
	d.want(405, "UNSUPPORTED", "DELETE", repo+"/manifests/v1", "")
	d.want(405, "UNSUPPORTED", "GET", "/v2/_catalog", "")
	d.want(400, "MANIFEST_INVALID", "PUT", repo+"/manifests/v1", "{")
	// A repository may be named like the protocol.
	admin.repository("blobs/uploads", "MUTABLE")
	d.push("/v2/"+registryName+"/blobs/uploads", "{}", "layer", "v1")

	if _, err := admin.ecr().DeleteRepository(t.Context(), &awsecr.DeleteRepositoryInput{RepositoryName: aws.String("app"), Force: true}); err != nil {
		t.Fatal(err)
	}
	admin.repository("app", "MUTABLE")
	d.want(404, "BLOB_UNKNOWN", "GET", repo+"/blobs/"+digestOf("one two "), "")
}

// TestRegistryPermissions: each request takes the permission of the operation
// that it stands for, of everyone alike, and leaves a record.
func TestRegistryPermissions(t *testing.T) {
	var records []sandbox.Record
	w := newWorldOptions(t, sandbox.Options{Trail: func(r sandbox.Record) { records = append(records, r) }})
	admin := w.admin(dev)
	admin.repository("app", "MUTABLE")
	repo := "/v2/" + registryName + "/app"
	admin.docker().push(repo, "{}", "layer", "v1")

	session := func(name, policy string) *docker {
		t.Helper()
		admin.role(name, trusts(`{"AWS":"111122223333"}`), policy)
		cred, err := admin.assume(roleARN(dev, name), "one")
		if err != nil {
			t.Fatal(err)
		}
		return w.with(cred).docker()
	}
	const token = `"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"`
	const app = `"Resource":"arn:aws:ecr:eu-west-1:111122223333:repository/app"`
	allow := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":[{` + token + `},{"Effect":"Allow","Action":[` + actions + `],` + app + `}]}`
	}
	puller := session("puller", allow(`"ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"`))
	puller.want(200, "", "GET", repo+"/manifests/v1", "")
	puller.want(200, "", "GET", repo+"/blobs/"+digestOf("layer"), "")
	puller.want(403, "DENIED", "HEAD", repo+"/blobs/"+digestOf("layer"), "")
	puller.want(403, "DENIED", "GET", repo+"/tags/list", "")
	_, message := puller.want(403, "DENIED", "POST", repo+"/blobs/uploads/", "").code()
	if want := "User: arn:aws:sts::111122223333:assumed-role/puller/one is not authorized to perform: ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-west-1:111122223333:repository/app because no identity-based policy allows the ecr:InitiateLayerUpload action"; message != want {
		t.Errorf("got  %s\nwant %s", message, want)
	}
	last := records[len(records)-1]
	if last.EventName != "InitiateLayerUpload" || last.ErrorCode != "AccessDeniedException" || last.UserIdentity.ARN != "arn:aws:sts::111122223333:assumed-role/puller/one" || last.AWSRegion != "eu-west-1" {
		t.Errorf("record %v", last)
	}
	// Only who may ask learns what is missing.
	puller.want(403, "DENIED", "GET", "/v2/"+registryName+"/missing/manifests/v1", "")

	uploader := session("uploader", allow(`"ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload"`))
	uploader.upload(repo, "more")
	uploader.want(403, "DENIED", "PUT", repo+"/manifests/v2", image("{}", "more"), "Content-Type", dockerManifest)

	// Another account needs both sides.
	other := w.admin(shared).docker()
	other.want(403, "DENIED", "GET", repo+"/manifests/v1", "")
	if _, err := admin.ecr().SetRepositoryPolicy(t.Context(), &awsecr.SetRepositoryPolicyInput{RepositoryName: aws.String("app"),
		PolicyText: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + shared + `"},"Action":"ecr:BatchGetImage"}]}`)}); err != nil {
		t.Fatal(err)
	}
	other.want(200, "", "GET", repo+"/manifests/v1", "")
	other.want(403, "DENIED", "GET", repo+"/blobs/"+digestOf("layer"), "")

	// A policy that changes counts for passwords that are out already.
	if _, err := admin.iam.DeleteRolePolicy(t.Context(), &awsiam.DeleteRolePolicyInput{RoleName: aws.String("puller"), PolicyName: aws.String("own")}); err != nil {
		t.Fatal(err)
	}
	puller.want(403, "DENIED", "GET", repo+"/manifests/v1", "")
	if _, err := admin.iam.DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("puller")}); err != nil {
		t.Fatal(err)
	}
	puller.want(401, "UNAUTHORIZED", "GET", repo+"/manifests/v1", "")
	var names []string
	for _, r := range records {
		if r.EventSource == "ecr.amazonaws.com" && !slices.Contains(names, r.EventName) {
			names = append(names, r.EventName)
		}
		for _, d := range []*docker{puller, uploader, other} {
			if strings.Contains(r.String(), d.password) {
				t.Errorf("a record of %s tells a password", r.EventName)
			}
		}
	}
	slices.Sort(names)
	if got, want := strings.Join(names, " "), "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload CreateRepository GetAuthorizationToken GetDownloadUrlForLayer InitiateLayerUpload ListImages PutImage SetRepositoryPolicy UploadLayerPart"; got != want {
		t.Errorf("records of %s\nwant       %s", got, want)
	}
}

// TestRegistryPasswords: a password is good for twelve hours, while the key
// behind it is, and cannot be made up.
func TestRegistryPasswords(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	d := admin.docker()
	for _, password := range []string{
		"x", d.password[:len(d.password)-4], d.password + "AAAA", "AAAA" + d.password[4:], w.account[dev].Admin.Secret,
		newWorld(t, "").admin(dev).docker().password, // another sandbox's
	} {
		(&docker{t: t, url: w.url, password: password}).want(401, "UNAUTHORIZED", "GET", "/v2/", "")
	}
	key, err := admin.iam.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: aws.String("u")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.iam.PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: key.User.UserName, PolicyName: aws.String("p"), PolicyDocument: aws.String(statement(`"Effect":"Allow","Action":"ecr:*","Resource":"*"`))}); err != nil {
		t.Fatal(err)
	}
	made, err := admin.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: key.User.UserName})
	if err != nil {
		t.Fatal(err)
	}
	u := w.as(*made.AccessKey.AccessKeyId, *made.AccessKey.SecretAccessKey, "").docker()
	u.want(200, "", "GET", "/v2/", "")
	if _, err := admin.iam.UpdateAccessKey(t.Context(), &awsiam.UpdateAccessKeyInput{UserName: key.User.UserName, AccessKeyId: made.AccessKey.AccessKeyId, Status: "Inactive"}); err != nil {
		t.Fatal(err)
	}
	u.want(401, "UNAUTHORIZED", "GET", "/v2/", "")
	// A session's password outlives the session, as on AWS.
	admin.role("app", trusts(`{"AWS":"111122223333"}`), statement(`"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"`))
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	app := w.with(cred).docker()
	w.advance(12*time.Hour - time.Minute)
	app.want(200, "", "GET", "/v2/", "")
	d.want(200, "", "GET", "/v2/", "")
	w.advance(2 * time.Minute)
	if _, message := d.want(403, "DENIED", "GET", "/v2/", "").code(); !strings.Contains(message, "expired") {
		t.Errorf("got %s", message)
	}
}

// TestRegistryOrAPI: what is signed, or has a bucket's host, is not docker's.
func TestRegistryOrAPI(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	if _, err := admin.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("a-bucket"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("a-bucket"), Key: aws.String("v2/x"), Body: bytes.NewReader([]byte("hello"))}); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"a-bucket.s3.localhost", "a-bucket.s3.eu-west-1.amazonaws.com"} {
		a := (&docker{t: t, url: w.url, host: host}).do("GET", "/v2/x", "")
		if a.status != 403 || !strings.Contains(a.body, "<Code>AccessDenied</Code>") {
			t.Errorf("%s: status %d, %s", host, a.status, a.body)
		}
	}
}
