package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsddb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox"
)

// crashState tells the child of TestKill where its state is.
const crashState = "MANTLE_TEST_CRASH_STATE"

// TestKillChild is no test of its own: it is a sandbox that serves until it is
// killed.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(crashState)
	if dir == "" {
		return // only the child has work to do
	}
	srv, err := sandbox.New(sandbox.Options{State: dir})
	if err != nil {
		t.Fatal(err)
	}
	a, err := srv.AddAccount("dev", dev)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready", ln.Addr(), a.Admin.ID, a.Admin.Secret)
	t.Error(srv.Serve(context.Background(), ln))
}

// TestKill kills a sandbox in the middle of a thousand writes to three
// services by eight clients. What it had acknowledged is there.
func TestKill(t *testing.T) {
	const writes, clients = 1000, 8
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	cmd.Env = append(os.Environ(), crashState+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address, id, secret string
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scan := fmt.Sscanf(line, "ready %s %s %s", &address, &id, &secret); scan != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	w := &world{t: t, url: "http://" + address}
	admin := w.as(id, secret, "")
	table := crashTable(t, admin)

	// Write i is a user, an object or an item, by its remainder.
	body := func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), 500) }
	write := func(i int) (err error) {
		name := fmt.Sprint("n", i)
		switch i % 3 {
		case 0:
			_, err = admin.iam.CreateUser(context.Background(), &awsiam.CreateUserInput{UserName: &name})
		case 1:
			_, err = admin.s3.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String("crash"), Key: &name, Body: strings.NewReader(body(i))})
		default:
			_, err = table.PutItem(context.Background(), &awsddb.PutItemInput{TableName: aws.String("crash"), Item: map[string]ddbtypes.AttributeValue{"k": &ddbtypes.AttributeValueMemberS{Value: name}}})
		}
		return err
	}
	var next, acknowledged atomic.Int64
	var done [writes]atomic.Bool
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= writes || write(i) != nil {
					return // killed
				}
				done[i].Store(true)
				if acknowledged.Add(1) == writes/2 {
					if err := cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	running.Wait()
	_ = cmd.Wait() // killed
	n := acknowledged.Load()
	if n < writes/2 || n > writes/2+clients {
		t.Fatalf("%d writes were acknowledged when it was killed at %d", n, writes/2)
	}

	began := time.Now()
	w = newWorld(t, dir)
	t.Logf("%d writes acknowledged; open again after %s", n, time.Since(began).Round(time.Millisecond))
	admin = w.as(id, secret, "")
	table = awsddb.NewFromConfig(admin.cfg)
	for i := range done {
		if !done[i].Load() {
			continue
		}
		name := fmt.Sprint("n", i)
		switch i % 3 {
		case 0:
			_, err = admin.iam.GetUser(t.Context(), &awsiam.GetUserInput{UserName: &name})
		case 1:
			var got *awss3.GetObjectOutput
			if got, err = admin.s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("crash"), Key: &name}); err == nil {
				b, bad := io.ReadAll(got.Body)
				if err = bad; string(b) != body(i) {
					t.Errorf("object %d has %d bytes of others", i, len(b))
				}
			}
		default:
			var got *awsddb.GetItemOutput
			got, err = table.GetItem(t.Context(), &awsddb.GetItemInput{TableName: aws.String("crash"), Key: map[string]ddbtypes.AttributeValue{"k": &ddbtypes.AttributeValueMemberS{Value: name}}})
			if err == nil && len(got.Item) == 0 {
				err = fmt.Errorf("no item")
			}
		}
		if err != nil {
			t.Errorf("write %d was acknowledged and is lost: %v", i, err)
		}
	}
}

// crashTable makes a bucket and a table named crash.
func crashTable(t *testing.T, c *client) *awsddb.Client {
	t.Helper()
	in := &awss3.CreateBucketInput{Bucket: aws.String("crash"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}
	if _, err := c.s3.CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	table := awsddb.NewFromConfig(c.cfg)
	_, err := table.CreateTable(t.Context(), &awsddb.CreateTableInput{
		TableName: aws.String("crash"), BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: ddbtypes.ScalarAttributeTypeS}},
		KeySchema:            []ddbtypes.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: ddbtypes.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}
