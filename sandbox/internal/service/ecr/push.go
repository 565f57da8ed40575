package ecr

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxManifest is the size limit of a manifest in bytes (PutImage,
// imageManifest).
const maxManifest = 4 << 20

// image names the image that a request of docker's is about.
func (t *target) image() types.ImageIdentifier {
	if strings.Contains(t.ref, ":") { // which no tag has
		return types.ImageIdentifier{ImageDigest: &t.ref}
	}
	return types.ImageIdentifier{ImageTag: &t.ref}
}

// pullManifest hands out a manifest. Only a GET is a pull, which is noted.
func (s *ECR) pullManifest() service.Operation {
	return s.serving("BatchGetImage", func(w http.ResponseWriter, h *http.Request, r *service.Request, t *target) error {
		var row imageRow
		open := s.store.View
		if h.Method == http.MethodGet {
			open = s.store.Update
		}
		err := open(func(tx *store.Tx) error {
			if err := t.exists(tx); err != nil {
				return err
			}
			c := &call{ECR: s, tx: tx, req: r}
			var ok bool
			if row, ok = c.image(t.repository, t.image()); !ok {
				return fail("ImageNotFoundException", "Requested image not found")
			}
			if h.Method == http.MethodGet {
				row.Pulled = c.now()
				images.Put(tx, t.images()+row.Digest, row)
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", row.MediaType)
		w.Header().Set("Docker-Content-Digest", row.Digest)
		w.Header().Set("Content-Length", strconv.Itoa(len(row.Manifest)))
		w.WriteHeader(http.StatusOK)
		if h.Method == http.MethodGet {
			_, _ = io.WriteString(w, row.Manifest) // the client has hung up, or not
		}
		return nil
	})
}

// pushManifest keeps a manifest whose layers are there.
func (s *ECR) pushManifest() service.Operation {
	return s.serving("PutImage", func(w http.ResponseWriter, h *http.Request, r *service.Request, t *target) error {
		text, err := io.ReadAll(io.LimitReader(h.Body, maxManifest+1))
		switch {
		case err != nil:
			return wire.Fail("MANIFEST_INVALID", http.StatusBadRequest, "the manifest could not be read to its end")
		case len(text) > maxManifest:
			return wire.Fail("MANIFEST_INVALID", http.StatusRequestEntityTooLarge, "a manifest has %d bytes at most", maxManifest)
		}
		mediaType, _, _ := strings.Cut(h.Header.Get("Content-Type"), ";")
		row, err := readManifest(string(text), strings.TrimSpace(mediaType))
		if err != nil {
			return err
		}
		id := t.image()
		in := &api.PutImageInput{RegistryId: &t.account, RepositoryName: &t.name, ImageManifest: &row.Manifest, ImageManifestMediaType: &row.MediaType, ImageDigest: id.ImageDigest, ImageTag: id.ImageTag}
		err = s.store.Update(func(tx *store.Tx) error {
			if err := t.exists(tx); err != nil {
				return err
			}
			if err := t.complete(tx, row); err != nil {
				return err
			}
			c := &call{ECR: s, tx: tx, req: r}
			_, err := c.putImage(in)
			return err
		})
		// Docker pushes again what is there.
		if e, ok := errors.AsType[*wire.Error](err); ok && e.Code == "ImageAlreadyExistsException" {
			err = nil
		}
		if err != nil {
			return err
		}
		w.Header().Set("Location", t.base+"/manifests/"+row.Digest)
		w.Header().Set("Docker-Content-Digest", row.Digest)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusCreated)
		return nil
	})
}

// complete tells whether the repository has what a manifest is made of.
// Layers that lie elsewhere are not asked for.
func (t *target) complete(tx *store.Tx, row imageRow) error {
	for _, l := range row.Layers {
		if m := *l.MediaType; strings.Contains(m, ".foreign.") || strings.Contains(m, "nondistributable") {
			continue
		}
		if _, ok := layers.Get(tx, t.images()+*l.LayerDigest); !ok {
			return fail("LayersNotFoundException", "Layers with digests '[%s]' could not be found in registry with id '%s' and in repository with name '%s'", *l.LayerDigest, t.account, t.name)
		}
	}
	var m manifest
	if err := json.Unmarshal([]byte(row.Manifest), &m); err != nil {
		return fmt.Errorf("read a manifest again: %w", err)
	}
	for _, d := range m.Manifests {
		if _, ok := images.Get(tx, t.images()+d.Digest); !ok {
			return fail("ReferencedImagesNotFoundException", "Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", d.Digest, t.name, t.account)
		}
	}
	return nil
}

// listTags lists the tags of a repository in order, n of them from after
// last on.
func (s *ECR) listTags() service.Operation {
	return s.serving("ListImages", func(w http.ResponseWriter, h *http.Request, _ *service.Request, t *target) error {
		q := h.URL.Query()
		tags := []string{}
		err := s.store.View(func(tx *store.Tx) error {
			if err := t.exists(tx); err != nil {
				return err
			}
			for _, i := range images.Range(tx, t.images()) {
				for _, tag := range i.Tags {
					if tag > q.Get("last") {
						tags = append(tags, tag)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		slices.Sort(tags)
		if q.Has("n") {
			n, err := strconv.Atoi(q.Get("n"))
			if err != nil || n < 0 {
				return wire.Fail("PAGINATION_NUMBER_INVALID", http.StatusBadRequest, "n=%q is not a number of tags", q.Get("n"))
			}
			if n < len(tags) {
				tags = tags[:n]
				if n > 0 {
					w.Header().Set("Link", fmt.Sprintf(`<%s/tags/list?n=%d&last=%s>; rel="next"`, t.base, n, tags[n-1]))
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"name": strings.TrimPrefix(t.base, "/v2/"), "tags": tags}) // the client has hung up, or not
		return nil
	})
}
