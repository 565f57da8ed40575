package s3

import (
	"iter"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// latest returns the newest version of a key, delete markers included.
func latest(tx *store.Tx, bucket, key string) (version, bool) {
	return current.Get(tx, objectKey(bucket, key))
}

// olderVersions yields the versions of a key before the latest, newest first.
func olderVersions(tx *store.Tx, bucket, key string) iter.Seq2[string, version] {
	return func(yield func(string, version) bool) {
		for k, o := range older.Range(tx, olderPrefix(bucket, key)) {
			if o.Key == key && !yield(k, o) {
				return
			}
		}
	}
}

// lookup finds an object: the latest version if id is empty, else that
// version. The error tells a key that is missing (or deleted, then v is its
// marker) from a version that is.
func lookup(tx *store.Tx, bucket, key, id string) (v version, err error) {
	v, ok := latest(tx, bucket, key)
	if id == "" {
		if !ok || v.Marker {
			return v, errNoSuchKey(key)
		}
		return v, nil
	}
	if ok && v.ID == id {
		return v, nil
	}
	for _, o := range olderVersions(tx, bucket, key) {
		if o.ID == id {
			return o, nil
		}
	}
	return version{}, errNoSuchVersion(key, id)
}

// write makes v the latest version of its key, with the id that the bucket's
// versioning gives it, and returns it and the bytes that nothing names any
// more.
func write(tx *store.Tx, b bucket, v version) (version, []piece) {
	var gone []piece
	cur, ok := latest(tx, b.Name, v.Key)
	v.Seq = cur.Seq + 1
	v.ID = null
	if b.Versioning == versioned {
		v.ID = newID()
	} else {
		gone = dropNull(tx, b.Name, v.Key)
		ok = ok && cur.ID != null
	}
	if ok {
		older.Put(tx, olderKey(b.Name, &cur), cur)
	}
	current.Put(tx, objectKey(b.Name, v.Key), v)
	return v, gone
}

// dropNull forgets the key's null version where it is not the latest, and
// returns its bytes wherever it is: a write of a null version replaces it.
func dropNull(tx *store.Tx, bucket, key string) []piece {
	if cur, ok := latest(tx, bucket, key); ok && cur.ID == null {
		return cur.Pieces
	}
	for k, o := range olderVersions(tx, bucket, key) {
		if o.ID == null {
			older.Delete(tx, k)
			return o.Pieces
		}
	}
	return nil
}

// remove is a DELETE without a version id: the object itself where the
// bucket was never versioned, else a delete marker, which is returned.
func remove(tx *store.Tx, b bucket, key string, now time.Time) (marker *version, gone []piece) {
	if b.Versioning == "" {
		cur, ok := latest(tx, b.Name, key)
		if ok {
			current.Delete(tx, objectKey(b.Name, key))
		}
		return nil, cur.Pieces
	}
	v, gone := write(tx, b, version{Key: key, Marker: true, Modified: now})
	return &v, gone
}

// removeVersion deletes one version for good and returns it; if it was the
// latest, the one before it becomes the latest.
func removeVersion(tx *store.Tx, bucket, key, id string) (version, bool) {
	cur, ok := latest(tx, bucket, key)
	if !ok {
		return version{}, false
	}
	if cur.ID != id {
		for k, o := range olderVersions(tx, bucket, key) {
			if o.ID == id {
				older.Delete(tx, k)
				return o, true
			}
		}
		return version{}, false
	}
	for k, o := range olderVersions(tx, bucket, key) {
		older.Delete(tx, k)
		current.Put(tx, objectKey(bucket, key), o)
		return cur, true
	}
	current.Delete(tx, objectKey(bucket, key))
	return cur, true
}

// replace stores a changed version in the place of the one it was read from.
func replace(tx *store.Tx, bucket string, v version) {
	if cur, ok := latest(tx, bucket, v.Key); ok && cur.ID == v.ID {
		current.Put(tx, objectKey(bucket, v.Key), v)
		return
	}
	older.Put(tx, olderKey(bucket, &v), v)
}
