package ecr

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The protocol that docker speaks: OCI Distribution Specification 1.1,
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md.
// Each of its requests is one operation of ECR, and takes that operation's
// permission:
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html.

// registryHosts and registryNames are a registry's name as the host of a
// request, whatever domain it is in, and as the first part of a repository's
// name, for clients that reach the sandbox by an address.
var (
	registryHosts = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.`)
	registryNames = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)
	// names and tags are the patterns of repositoryName and imageTag.
	names   = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*/)*[a-z0-9]+(?:[._-]+[a-z0-9]+)*$`)
	tags    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digests = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// IsRegistry tells whether a request is one of docker's and not one of an
// API: its path begins with /v2, which no bucket can be named, and nothing in
// it is signed.
func IsRegistry(r *http.Request) bool {
	if r.URL.Path != "/v2" && !strings.HasPrefix(r.URL.Path, "/v2/") {
		return false
	}
	if auth := r.Header.Get("Authorization"); auth != "" {
		if scheme, _, _ := strings.Cut(auth, " "); !strings.EqualFold(scheme, "Basic") {
			return false
		}
	}
	if q := r.URL.Query(); q.Has("X-Amz-Signature") || q.Has("AWSAccessKeyId") {
		return false
	}
	host := strings.ToLower(r.Host)
	if registryHosts.MatchString(host) {
		return true
	}
	// What else is in AWS's domains, or is a bucket's host, is not docker's.
	return !strings.Contains(host, ".amazonaws.") && !strings.Contains(host, ".s3.") && !strings.Contains(host, ".s3-")
}

// Ask is one request of docker's.
type Ask struct {
	// Operation answers it, and Input is what its functions are given. Its
	// Name is empty for a client that only asks whether its password is good.
	Operation service.Operation
	Input     any
	// Region is the registry's.
	Region string
}

// target is what a request is about.
type target struct {
	repository
	// ref is a tag or digest, or the id of an upload.
	ref string
	// base is the path of the repository as the client wrote it.
	base string
}

// named finds the repository that a name in a request means.
func (s *ECR) named(r *http.Request, name string) (repository, *wire.Error) {
	if m := registryHosts.FindStringSubmatch(strings.ToLower(r.Host)); m != nil {
		return repository{registry{m[1], m[2]}, name}, nil
	}
	first, rest, _ := strings.Cut(name, "/")
	m := registryNames.FindStringSubmatch(first)
	if m == nil || rest == "" {
		return repository{}, wire.Fail("NAME_UNKNOWN", http.StatusNotFound,
			"%s does not say whose repository it is: write %s/ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, as repositoryUri has it", name, r.Host)
	}
	return repository{registry{m[1], m[2]}, rest}, nil
}

// Ask reads a request of docker's. The path is read from its end: a
// repository may be named like a part of the protocol.
func (s *ECR) Ask(r *http.Request) (Ask, *wire.Error) {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v2"), "/")
	if path == "" {
		return Ask{}, nil
	}
	w := strings.Split(strings.TrimSuffix(path, "/"), "/")
	n := len(w)
	var op service.Operation
	tail, ref := 2, w[n-1] // how many words follow the name
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case n > 3 && w[n-3] == "blobs" && w[n-2] == "uploads":
		tail = 3
		switch r.Method {
		case http.MethodGet:
			op = s.uploadStatus()
		case http.MethodPatch:
			op = s.uploadPart()
		case http.MethodPut:
			op = s.completeUpload()
		case http.MethodDelete:
			op = s.cancelUpload()
		}
	case n > 2 && w[n-2] == "blobs" && w[n-1] == "uploads" && r.Method == http.MethodPost:
		op = s.initiateUpload()
	case n > 2 && w[n-2] == "blobs" && reads:
		if !digests.MatchString(ref) {
			return Ask{}, wire.Fail("DIGEST_INVALID", http.StatusBadRequest, "%q is not a digest of SHA-256", ref)
		}
		if op = s.downloadLayer(); r.Method == http.MethodHead {
			op = s.layerAvailable()
		}
	case n > 2 && w[n-2] == "manifests" && reads:
		op = s.pullManifest()
	case n > 2 && w[n-2] == "manifests" && r.Method == http.MethodPut:
		op = s.pushManifest()
	case n > 2 && w[n-2] == "tags" && w[n-1] == "list" && r.Method == http.MethodGet:
		op = s.listTags()
	case n > 2 && w[n-2] == "referrers" && reads:
		// A client then looks for a tag of the digest's name.
		return Ask{}, wire.Fail("UNSUPPORTED", http.StatusNotFound, "the sandbox has no list of referrers")
	}
	if op.Name == "" {
		return Ask{}, wire.Fail("UNSUPPORTED", http.StatusMethodNotAllowed, "the sandbox's registry has no %s %s", r.Method, r.URL.Path)
	}
	name := strings.Join(w[:n-tail], "/")
	repo, fault := s.named(r, name)
	switch {
	case fault != nil:
		return Ask{}, fault
	case !names.MatchString(repo.name):
		return Ask{}, wire.Fail("NAME_INVALID", http.StatusBadRequest, "%q is not the name of a repository", repo.name)
	case w[n-2] == "manifests" && !tags.MatchString(ref) && !digests.MatchString(ref):
		return Ask{}, wire.Fail("TAG_INVALID", http.StatusBadRequest, "%q is neither a tag nor a digest of SHA-256", ref)
	}
	return Ask{Operation: op, Input: &target{repo, ref, "/v2/" + name}, Region: repo.region}, nil
}

// onTarget checks the repository that a request of docker's names.
func onTarget(c *call, in *target) ([]service.Check, error) {
	check, err := c.check(in.repository)
	return []service.Check{check}, err
}

// serving makes an operation of docker's protocol.
func (s *ECR) serving(name string, serve func(http.ResponseWriter, *http.Request, *service.Request, *target) error) service.Operation {
	op := read(s, name, onTarget, func(*call, *target) (*struct{}, error) { return nil, nil })
	op.Handle = nil
	op.Serve = func(w http.ResponseWriter, h *http.Request, r *service.Request, in any) error {
		return serve(w, h, r, in.(*target))
	}
	return op
}

// answers are the codes of the protocol for ECR's errors.
var answers = map[string]struct {
	status int
	code   string
}{
	"AccessDeniedException":             {http.StatusForbidden, "DENIED"},
	"RepositoryNotFoundException":       {http.StatusNotFound, "NAME_UNKNOWN"},
	"ImageNotFoundException":            {http.StatusNotFound, "MANIFEST_UNKNOWN"},
	"LayersNotFoundException":           {http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN"},
	"ReferencedImagesNotFoundException": {http.StatusNotFound, "MANIFEST_UNKNOWN"},
	"ImageTagAlreadyExistsException":    {http.StatusBadRequest, "TAG_INVALID"},
	"ImageDigestDoesNotMatchException":  {http.StatusBadRequest, "DIGEST_INVALID"},
	"UnsupportedImageTypeException":     {http.StatusBadRequest, "MANIFEST_INVALID"},
	"InvalidParameterException":         {http.StatusBadRequest, "MANIFEST_INVALID"},
	"ThrottlingException":               {http.StatusTooManyRequests, "TOOMANYREQUESTS"},
}

// FailRegistry answers a request of docker's with an error.
func FailRegistry(w http.ResponseWriter, r *http.Request, e *wire.Error) {
	a, ok := answers[e.Code]
	switch {
	case ok:
	case e.Status >= http.StatusInternalServerError:
		a.status, a.code = e.Status, "UNKNOWN"
	default:
		a.status, a.code = e.Status, e.Code
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Docker-Distribution-Api-Version", "registry/2.0")
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="http://`+r.Host+`/",service="ecr.amazonaws.com"`)
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		type one struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		_ = json.NewEncoder(w).Encode(map[string][]one{"errors": {{a.code, e.Message}}}) // the client has hung up, or not
	}
}
