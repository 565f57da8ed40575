package ecr

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// manifest is what is read of an image's manifest or of an index of several.
// https://github.com/opencontainers/image-spec/blob/main/manifest.md
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
	Manifests     []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
)

// readManifest reads a manifest. mediaType is what the caller says that it
// is; OCI manifests need not say it themselves.
func readManifest(text, mediaType string) (imageRow, error) {
	var m manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return imageRow{}, invalid("ImageManifest", "Invalid JSON syntax")
	}
	switch {
	case m.SchemaVersion != 2:
		return imageRow{}, fail("UnsupportedImageTypeException", "The sandbox keeps image manifests of schema version 2, not %d.", m.SchemaVersion)
	case mediaType != "" && m.MediaType != "" && mediaType != m.MediaType:
		return imageRow{}, invalid("ImageManifestMediaType", "Image manifest media type does not match the one in the manifest")
	}
	sum := sha256.Sum256([]byte(text))
	row := imageRow{Digest: "sha256:" + hex.EncodeToString(sum[:]), Manifest: text, MediaType: mediaType, Size: int64(len(text))}
	if row.MediaType == "" {
		row.MediaType = m.MediaType
	}
	if row.MediaType == "" {
		row.MediaType = ociManifest
		if m.Manifests != nil {
			row.MediaType = ociIndex
		}
	}
	for _, d := range append([]descriptor{m.Config}, m.Layers...) {
		if d.Digest != "" {
			row.Size += d.Size
			row.Layers = append(row.Layers, types.Layer{LayerDigest: &d.Digest, LayerSize: &d.Size, MediaType: &d.MediaType, LayerAvailability: types.LayerAvailabilityAvailable})
		}
	}
	return row, nil
}
