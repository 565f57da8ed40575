package s3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// crashDir tells the child of TestKill where to work.
const crashDir = "MANTLE_TEST_S3_CRASH_DIR"

// crashBody is the body of object i, some 100 KB that begin with its number.
func crashBody(i int) string {
	return fmt.Sprintf("%08d", i) + strings.Repeat(fmt.Sprint(i%10), 100_000+i)
}

// TestKillChild is no test of its own: it writes objects, tells of each that
// was acknowledged, and waits to be killed.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // only the child has work to do
	}
	f, _ := onDisk(t, dir)
	_, as := f.start(t)
	c := as(account, "us-east-1")
	mustCreate(t, c, "photos")
	for i := 0; ; i++ {
		mustPut(t, c, "photos", fmt.Sprint("k", i%7), crashBody(i))
		fmt.Println("done", i)
	}
}

// TestKill kills a process that writes objects. Every acknowledged object is
// there or was replaced by a later whole one, and no bytes are left over.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for in := bufio.NewScanner(out); in.Scan(); {
		if _, err := fmt.Sscanf(in.Text(), "done %d", &last); err != nil {
			t.Fatalf("the child says %q", in.Text())
		}
		if last == 20 {
			// Kill in the middle of the next write.
			time.Sleep(3 * time.Millisecond)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if last < 20 {
		t.Fatalf("the child ended after object %d", last)
	}
	f, shut := onDisk(t, dir)
	defer shut()
	_, as := f.start(t)
	c := as(account, "us-east-1")
	newest := map[int]int{}
	for i := range last + 1 {
		newest[i%7] = i
	}
	for k, i := range newest {
		got, _ := get(t, c, &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String(fmt.Sprint("k", k))})
		var n int
		if _, err := fmt.Sscanf(got, "%08d", &n); err != nil || n < i || n%7 != k || got != crashBody(n) {
			t.Errorf("key k%d holds %d bytes of object %d, want all of object %d or a later one", k, len(got), n, i)
		}
	}
	if n := blobCount(t, f); n != 7 {
		t.Errorf("%d blobs after the sweep, want 7", n)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	f, shut := onDisk(t, dir)
	_, as := f.start(t)
	c := as(account, "us-east-1")
	mustCreate(t, c, "photos")
	mustVersion(t, c, "photos", "Enabled")
	mustPut(t, c, "photos", "k", "old")
	mustPut(t, c, "photos", "k", "new")
	id := begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: aws.String("photos"), Key: aws.String("m")})
	if _, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: aws.String("photos"), Key: aws.String("m"), UploadId: id, PartNumber: aws.Int32(1), Body: strings.NewReader("part")}); err != nil {
		t.Fatal(err)
	}
	if err := f.s3.contents.blobs.WriteAll(t.Context(), "orphan", []byte("x"), &blob.WriterOptions{}); err != nil {
		t.Fatal(err)
	}
	shut()
	f, shut = onDisk(t, dir)
	defer shut()
	if n := blobCount(t, f); n != 3 {
		t.Errorf("%d blobs after the sweep, want 2 versions and a part", n)
	}
	_, as = f.start(t)
	c = as(account, "us-east-1")
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("k")}); got != "new" {
		t.Errorf("the object is %q", got)
	}
	list, err := c.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: aws.String("photos"), Key: aws.String("m"), UploadId: id})
	if err != nil || len(list.Parts) != 1 {
		t.Errorf("the upload after a restart: %+v %v", list, err)
	}
}

// TestShortBlob: bytes that were lost are an error, not a short object.
func TestShortBlob(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	mustPut(t, c, "photos", "k", "0123456789")
	v, in, err := f.s3.open(t.Context(), "photos", "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := f.s3.contents.blobs.WriteAll(t.Context(), v.Pieces[0].Blob, []byte("01234"), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v; want an unexpected end", got, err)
	}
}

// TestCancelledUpload: a client that hangs up leaves nothing.
func TestCancelledUpload(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	mustPut(t, c, "photos", "k", "whole")
	ctx, cancel := context.WithCancel(t.Context())
	r := readerFunc(func(p []byte) (int, error) { cancel(); <-ctx.Done(); return 0, ctx.Err() })
	if _, err := f.s3.contents.receive(t.Context(), r, maxSinglePut, nil); err == nil {
		t.Error("half an upload is taken for a whole one")
	}
	if n := blobCount(t, f); n != 1 {
		t.Errorf("%d blobs, want 1", n)
	}
	if err := f.s3.st.View(func(tx *store.Tx) error { _, err := lookup(tx, "photos", "k", ""); return err }); err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
