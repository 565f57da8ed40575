package s3

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// The tables. Bucket names hold no slash, so "bucket/" is a prefix that
// exactly one bucket's rows have.
var (
	buckets = store.NewTable[bucket]("s3.bucket")  // bucket name
	current = store.NewTable[version]("s3.object") // bucket/key: its latest version or delete marker
	older   = store.NewTable[version]("s3.older")  // olderKey: the versions before it
	uploads = store.NewTable[upload]("s3.upload")  // uploadKey
	parts   = store.NewTable[part]("s3.part")      // partKey
)

// Versioning states of a bucket; it begins with none.
const (
	versioned = "Enabled"
	suspended = "Suspended"
)

// null is the version id of objects written while versioning is not enabled.
const null = "null"

// bucket is one bucket.
type bucket struct {
	Name    string    `json:"n"`
	Account string    `json:"a"`
	Region  string    `json:"r"`
	Created time.Time `json:"c"`
	// Versioning is "", versioned or suspended.
	Versioning string `json:"v,omitempty"`
	// Tags are sorted by key.
	Tags []tag `json:"t,omitempty"`
}

// tag is one tag.
type tag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

// piece is a run of bytes: one blob.
type piece struct {
	Blob string `json:"b"`
	Size int64  `json:"s"`
	// Number is the part's number and Sum its checksum, if the object was
	// uploaded in parts.
	Number int32  `json:"n,omitempty"`
	Sum    string `json:"c,omitempty"`
}

// attributes is what the writer of an object says about it.
type attributes struct {
	// Headers are the headers kept and returned verbatim, e.g. Content-Type.
	Headers map[string]string `json:"h,omitempty"`
	// Meta is the user metadata, by lower-case name without x-amz-meta-.
	Meta map[string]string `json:"m,omitempty"`
	// Tags are sorted by key.
	Tags         []tag  `json:"t,omitempty"`
	StorageClass string `json:"sc,omitempty"`
	// SSE is x-amz-server-side-encryption; KMSKey and BucketKey go with aws:kms.
	SSE       string `json:"e,omitempty"`
	KMSKey    string `json:"ek,omitempty"`
	BucketKey bool   `json:"eb,omitempty"`
}

// version is one version of an object, or a delete marker.
type version struct {
	Key string `json:"k"`
	ID  string `json:"id"`
	// Seq counts the writes of the key; the greatest is the latest.
	Seq      uint64    `json:"q"`
	Marker   bool      `json:"d,omitempty"`
	Modified time.Time `json:"t"`
	Size     int64     `json:"s,omitempty"`
	// ETag is without quotes.
	ETag   string   `json:"e,omitempty"`
	Pieces []piece  `json:"p,omitempty"`
	Sum    checksum `json:"c,omitzero"`
	// Upload is the upload id that the version was made from.
	Upload     string `json:"u,omitempty"`
	attributes `json:"a,omitzero"`
}

// upload is a multipart upload in progress.
type upload struct {
	Bucket    string    `json:"b"`
	Key       string    `json:"k"`
	ID        string    `json:"id"`
	Account   string    `json:"a"`
	Initiator string    `json:"i"`
	Initiated time.Time `json:"t"`
	// Algorithm and FullObject say which checksum the object is to have.
	Algorithm  string `json:"g,omitempty"`
	FullObject bool   `json:"f,omitempty"`
	attributes `json:"x,omitzero"`
}

// part is one uploaded part.
type part struct {
	piece    `json:"p"`
	Modified time.Time `json:"t"`
	ETag     string    `json:"e"`
}

func objectKey(bucket, key string) string { return bucket + "/" + key }

// olderKey orders the versions of a key newest first.
func olderKey(bucket string, v *version) string {
	return olderPrefix(bucket, v.Key) + fmt.Sprintf("%016x", ^v.Seq)
}

// olderPrefix begins the keys of a key's older versions. A key with a NUL in
// it can begin so too, which is why readers go through [olderVersions].
func olderPrefix(bucket, key string) string { return bucket + "/" + key + "\x00" }

// uploadKey orders uploads by object key and is unique: ids hold no NUL.
func uploadKey(bucket, key, id string) string { return bucket + "/" + key + "\x00" + id }

func partKey(upload string, number int32) string { return fmt.Sprintf("%s/%05d", upload, number) }

// findBucket returns the bucket or the error NoSuchBucket.
func findBucket(tx *store.Tx, name string) (bucket, error) {
	b, ok := buckets.Get(tx, name)
	if !ok {
		return b, errNoSuchBucket(name)
	}
	return b, nil
}

// newID makes an identifier that nobody can guess: a version, an upload, a
// blob.
func newID() string { return strings.ToLower(rand.Text()) }

// canonicalID is the canonical user id of an account: 64 hexadecimal digits
// that no caller can turn into an account number by looking.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user id of account " + account))
	return hex.EncodeToString(sum[:])
}
