package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Folder is the name of the folder of objects in a state folder.
const Folder = "objects"

// Open opens the objects of a state, as [store.Open] opens its rows. The
// caller must close the bucket.
func Open(state string) (*blob.Bucket, error) {
	switch {
	case state == "":
		return memblob.OpenBucket(nil), nil
	case store.Shared(state):
		return openPostgres(state)
	}
	dir := filepath.Join(state, Folder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
}

// Each calls f with every object's id and size in bytes, those included that
// were deleted so lately that their bytes are still there.
func Each(ctx context.Context, b *blob.Bucket, f func(id string, size int64) error) error {
	all := func(as func(any) bool) error {
		var l *listing
		if as(&l) {
			l.all = true
		}
		return nil
	}
	for it := b.List(&blob.ListOptions{BeforeList: all}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if err := f(o.Key, o.Size); err != nil {
			return err
		}
	}
}
