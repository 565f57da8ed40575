package s3

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// maxKeys is the largest page of a listing.
const maxKeys = 1000

// pageSize reads the size of a page: absent means the largest, and more than
// that is the largest too.
func pageSize(name string, n *int32, largest int) (int, error) {
	switch {
	case n == nil:
		return largest, nil
	case *n < 0:
		return 0, errInvalidArgument(name, "", "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return min(int(*n), largest), nil
}

// pastAll sorts after every key that begins with what it is appended to.
const pastAll = "\xff"

// entry is one line of a listing: a row or a common prefix.
type entry[T any] struct {
	row    T
	prefix string // the common prefix, "" for a row
}

// entries walks the rows of a bucket whose key begins with prefix and comes
// after a marker. Keys that have the delimiter behind the prefix are rolled
// up into one entry, and the walk jumps over the rest of them. keyOf tells a
// row's object key.
func entries[T any](tx *store.Tx, t store.Table[T], bucket, prefix, delimiter, after string, keyOf func(*T) string) iter.Seq[entry[T]] {
	return func(yield func(entry[T]) bool) {
		base := bucket + "/"
		at := base
		if after != "" {
			at += after
		}
		for {
			jumped := false
			for _, row := range t.After(tx, base+prefix, at) {
				key := keyOf(&row)
				if delimiter != "" {
					if i := strings.Index(key[len(prefix):], delimiter); i >= 0 {
						common := key[:len(prefix)+i+len(delimiter)]
						if common > after && !yield(entry[T]{prefix: common}) {
							return
						}
						at, jumped = base+common+pastAll, true
						break
					}
				}
				if !yield(entry[T]{row: row}) {
					return
				}
			}
			if !jumped {
				return
			}
		}
	}
}

// listing is what the listings of a bucket have in common.
type listing struct {
	prefix, delimiter, after string
	limit                    int
	url                      bool // keys are written URL-encoded
}

// encode writes a key as the client asked for.
func (l *listing) encode(key string) *string {
	if l.url {
		key = escapeKey(key)
	}
	return &key
}

// escapeKey writes a key for encoding-type=url; slashes stay.
func escapeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

func encodingType(t types.EncodingType) (bool, error) {
	switch t {
	case "":
		return false, nil
	case types.EncodingTypeUrl:
		return true, nil
	}
	return false, errInvalidArgument("encoding-type", string(t), "Invalid Encoding Method specified in Request")
}

// page is one page of the keys of a bucket.
type page struct {
	contents  []types.Object
	prefixes  []types.CommonPrefix
	truncated bool
	last      string // the last key or prefix shown
}

// list reads one page.
func (s *S3) list(name string, l listing, withOwner bool) (p page, err error) {
	err = s.st.View(func(tx *store.Tx) error {
		b, err := findBucket(tx, name)
		if err != nil || l.limit == 0 {
			return err
		}
		for e := range entries(tx, current, name, l.prefix, l.delimiter, l.after, func(v *version) string { return v.Key }) {
			if e.prefix == "" && e.row.Marker || e.prefix != "" && !s.anyLive(tx, name, e.prefix) {
				continue
			}
			if len(p.contents)+len(p.prefixes) == l.limit {
				p.truncated = true
				break
			}
			if e.prefix != "" {
				p.prefixes = append(p.prefixes, types.CommonPrefix{Prefix: l.encode(e.prefix)})
				p.last = e.prefix
				continue
			}
			v := e.row
			o := types.Object{Key: l.encode(v.Key), LastModified: aws.Time(v.Modified), ETag: quote(v.ETag), Size: aws.Int64(v.Size),
				StorageClass: types.ObjectStorageClass(v.StorageClass), ChecksumType: types.ChecksumType(v.Sum.typ())}
			if v.Sum.Algorithm != "" {
				o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(v.Sum.Algorithm)}
			}
			if withOwner {
				o.Owner = owner(b.Account)
			}
			p.contents, p.last = append(p.contents, o), v.Key
		}
		return nil
	})
	return p, err
}

// anyLive tells whether a common prefix has a key that is not deleted; the
// latest versions of all its keys may be delete markers.
func (s *S3) anyLive(tx *store.Tx, bucket, prefix string) bool {
	for _, v := range current.Range(tx, objectKey(bucket, prefix)) {
		if !v.Marker {
			return true
		}
	}
	return false
}

func (s *S3) listObjectsV2(_ context.Context, r *service.Request, in *awss3.ListObjectsV2Input) (*awss3.ListObjectsV2Output, error) {
	l := listing{prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.StartAfter)}
	var err error
	if l.url, err = encodingType(in.EncodingType); err != nil {
		return nil, err
	}
	if l.limit, err = pageSize("max-keys", in.MaxKeys, maxKeys); err != nil {
		return nil, err
	}
	token, err := fromToken(in.ContinuationToken)
	if err != nil {
		return nil, err
	}
	if token != "" {
		l.after = token
	}
	p, err := s.list(bucketOf(r), l, isTrue(in.FetchOwner))
	if err != nil {
		return nil, err
	}
	out := &awss3.ListObjectsV2Output{
		Name: aws.String(bucketOf(r)), Prefix: l.encode(l.prefix), MaxKeys: aws.Int32(int32(l.limit)),
		KeyCount: aws.Int32(int32(len(p.contents) + len(p.prefixes))), IsTruncated: &p.truncated,
		Contents: p.contents, CommonPrefixes: p.prefixes, ContinuationToken: in.ContinuationToken,
		EncodingType: in.EncodingType,
	}
	if l.delimiter != "" {
		out.Delimiter = l.encode(l.delimiter)
	}
	if in.StartAfter != nil {
		out.StartAfter = l.encode(*in.StartAfter)
	}
	if p.truncated {
		out.NextContinuationToken = toToken(p.last)
	}
	return out, nil
}

func (s *S3) listObjects(_ context.Context, r *service.Request, in *awss3.ListObjectsInput) (*awss3.ListObjectsOutput, error) {
	l := listing{prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.Marker)}
	var err error
	if l.url, err = encodingType(in.EncodingType); err != nil {
		return nil, err
	}
	if l.limit, err = pageSize("max-keys", in.MaxKeys, maxKeys); err != nil {
		return nil, err
	}
	p, err := s.list(bucketOf(r), l, true)
	if err != nil {
		return nil, err
	}
	out := &awss3.ListObjectsOutput{
		Name: aws.String(bucketOf(r)), Prefix: l.encode(l.prefix), Marker: l.encode(l.after), MaxKeys: aws.Int32(int32(l.limit)),
		IsTruncated: &p.truncated, Contents: p.contents, CommonPrefixes: p.prefixes, EncodingType: in.EncodingType,
	}
	if l.delimiter != "" {
		out.Delimiter = l.encode(l.delimiter)
		if p.truncated { // without a delimiter the last key is the marker
			out.NextMarker = l.encode(p.last)
		}
	}
	return out, nil
}

func (s *S3) listObjectVersions(_ context.Context, r *service.Request, in *awss3.ListObjectVersionsInput) (*awss3.ListObjectVersionsOutput, error) {
	l := listing{prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.KeyMarker)}
	var err error
	if l.url, err = encodingType(in.EncodingType); err != nil {
		return nil, err
	}
	if l.limit, err = pageSize("max-keys", in.MaxKeys, maxKeys); err != nil {
		return nil, err
	}
	if in.VersionIdMarker != nil && *in.VersionIdMarker == "" {
		return nil, errInvalidArgument("version-id-marker", "", "A version-id marker cannot be empty.")
	}
	if in.VersionIdMarker != nil && l.after == "" {
		return nil, errInvalidArgument("version-id-marker", *in.VersionIdMarker, "A version-id marker cannot be specified without a key marker.")
	}
	out := &awss3.ListObjectVersionsOutput{
		Name: aws.String(bucketOf(r)), Prefix: l.encode(l.prefix), KeyMarker: l.encode(l.after), MaxKeys: aws.Int32(int32(l.limit)),
		VersionIdMarker: aws.String(aws.ToString(in.VersionIdMarker)), IsTruncated: aws.Bool(false), EncodingType: in.EncodingType,
	}
	if l.delimiter != "" {
		out.Delimiter = l.encode(l.delimiter)
	}
	err = s.st.View(func(tx *store.Tx) error {
		b, err := findBucket(tx, bucketOf(r))
		if err != nil || l.limit == 0 {
			return err
		}
		n, id := 0, ""
		full := func(key, next string) bool {
			if n == l.limit {
				out.IsTruncated = aws.Bool(true)
				return true
			}
			out.NextKeyMarker, id = l.encode(key), next
			n++
			return false
		}
		show := func(v version, isLatest bool) bool {
			if full(v.Key, v.ID) {
				return false
			}
			showVersion(out, &l, &v, isLatest, b.Account)
			return true
		}
		if !restOfKey(tx, b.Name, l.after, in.VersionIdMarker, show) {
			out.NextVersionIdMarker = &id
			return nil
		}
		for e := range entries(tx, current, b.Name, l.prefix, l.delimiter, l.after, func(v *version) string { return v.Key }) {
			if e.prefix != "" {
				if full(e.prefix, "") {
					break
				}
				out.CommonPrefixes = append(out.CommonPrefixes, types.CommonPrefix{Prefix: l.encode(e.prefix)})
				continue
			}
			if !show(e.row, true) || !showOlder(tx, b.Name, e.row.Key, show) {
				break
			}
		}
		if !*out.IsTruncated {
			out.NextKeyMarker = nil
		} else if id != "" {
			out.NextVersionIdMarker = &id
		}
		return nil
	})
	return out, err
}

// restOfKey shows the versions of a key behind a version marker; it tells
// whether the page has room for more.
func restOfKey(tx *store.Tx, bucket, key string, marker *string, show func(version, bool) bool) bool {
	if marker == nil {
		return true
	}
	cur, ok := latest(tx, bucket, key)
	found := ok && cur.ID == *marker
	for _, v := range olderVersions(tx, bucket, key) {
		if found && !show(v, false) {
			return false
		}
		found = found || v.ID == *marker
	}
	return true
}

func showOlder(tx *store.Tx, bucket, key string, show func(version, bool) bool) bool {
	for _, v := range olderVersions(tx, bucket, key) {
		if !show(v, false) {
			return false
		}
	}
	return true
}

func showVersion(out *awss3.ListObjectVersionsOutput, l *listing, v *version, isLatest bool, account string) {
	if v.Marker {
		out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{
			Key: l.encode(v.Key), VersionId: aws.String(v.ID), IsLatest: &isLatest, LastModified: aws.Time(v.Modified), Owner: owner(account)})
		return
	}
	o := types.ObjectVersion{
		Key: l.encode(v.Key), VersionId: aws.String(v.ID), IsLatest: &isLatest, LastModified: aws.Time(v.Modified), Owner: owner(account),
		ETag: quote(v.ETag), Size: aws.Int64(v.Size), StorageClass: types.ObjectVersionStorageClassStandard,
		ChecksumType: types.ChecksumType(v.Sum.typ()),
	}
	if v.StorageClass != "" {
		o.StorageClass = types.ObjectVersionStorageClass(v.StorageClass)
	}
	if v.Sum.Algorithm != "" {
		o.ChecksumAlgorithm = []types.ChecksumAlgorithm{types.ChecksumAlgorithm(v.Sum.Algorithm)}
	}
	out.Versions = append(out.Versions, o)
}
