//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/internal/pgtest"
)

// process starts a sandbox that can be killed, and returns it with the
// configuration of its administrator.
func process(t *testing.T, args ...string) (*os.Process, sdk.Config) {
	t.Helper()
	a := &aws{t: t, runtime: t.TempDir()}
	cmd := exec.Command(mantle(t), append([]string{"sandbox", "up", "--listen", "127.0.0.1:0", "--output", "json", "--account", "dev=111122223333"}, args...)...)
	cmd.Env = append(plainEnv(), "XDG_RUNTIME_DIR="+a.runtime)
	cmd.Stderr = &logWriter{t: t, prefix: "sandbox"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	var ready struct{ URL, State string }
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil || ready.URL == "" {
		t.Fatalf("sandbox said %q (%v), want one line of JSON with its url", line, err)
	}
	if strings.Contains(ready.State, "s3cret") {
		t.Errorf("the banner shows the password of the database: %s", ready.State)
	}
	a.url = ready.URL
	var profile, file string
	for _, kv := range a.env("dev") {
		if v, ok := strings.CutPrefix(kv, "AWS_PROFILE="); ok {
			profile = v
		}
		if v, ok := strings.CutPrefix(kv, "AWS_CONFIG_FILE="); ok {
			file = v
		}
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigFiles([]string{file}), config.WithSharedCredentialsFiles(nil), config.WithSharedConfigProfile(profile), config.WithBaseEndpoint(a.url))
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process, cfg
}

func pathStyle(o *s3.Options) { o.UsePathStyle = true }

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestSharedState: several sandboxes on one database are one AWS.
func TestSharedState(t *testing.T) {
	dsn := pgtest.Start(t).DSN("shared") + "&password=s3cret"
	killed, one := process(t, "--state", dsn)
	_, two := process(t, "--state", dsn)
	ctx := t.Context()
	iam1, iam2 := iam.NewFromConfig(one), iam.NewFromConfig(two)
	s31, s32 := s3.NewFromConfig(one, pathStyle), s3.NewFromConfig(two, pathStyle)

	t.Run("what one grants the other knows", func(t *testing.T) {
		user, err := iam1.CreateUser(ctx, &iam.CreateUserInput{UserName: sdk.String("alice")})
		if err != nil {
			t.Fatal(err)
		}
		key, err := iam1.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: sdk.String("alice")})
		if err != nil {
			t.Fatal(err)
		}
		alice := two.Copy()
		alice.Credentials = static.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
		me, err := sts.NewFromConfig(alice).GetCallerIdentity(ctx, nil)
		if err != nil || *me.Arn != *user.User.Arn {
			t.Fatalf("the key made by one is to the other %v, %v", me, err)
		}
		list := func() error {
			_, err := iam.NewFromConfig(alice).ListUsers(ctx, nil)
			return err
		}
		// To and fro, each change at one, each question to the other, with
		// nothing in between.
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}`
		for range 20 {
			if err := list(); code(err) != "AccessDenied" {
				t.Fatalf("before the grant: %v", err)
			}
			if _, err := iam1.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: sdk.String("alice"), PolicyName: sdk.String("p"), PolicyDocument: &document}); err != nil {
				t.Fatal(err)
			}
			if err := list(); err != nil {
				t.Fatalf("after the grant: %v", err)
			}
			if _, err := iam1.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: sdk.String("alice"), PolicyName: sdk.String("p")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := iam1.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: sdk.String("alice"), AccessKeyId: key.AccessKey.AccessKeyId, Status: "Inactive"}); err != nil {
			t.Fatal(err)
		}
		if _, err := sts.NewFromConfig(alice).GetCallerIdentity(ctx, nil); code(err) != "InvalidClientTokenId" {
			t.Errorf("a key that one switched off is to the other: %v", err)
		}
	})

	t.Run("a session of one is good at the other", func(t *testing.T) {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/dev-admin"},"Action":"sts:AssumeRole"}]}`
		role, err := iam1.CreateRole(ctx, &iam.CreateRoleInput{RoleName: sdk.String("app"), AssumeRolePolicyDocument: &trust})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := iam2.GetRole(ctx, &iam.GetRoleInput{RoleName: sdk.String("app")}); err != nil || *got.Role.RoleId != *role.Role.RoleId {
			t.Fatalf("role: %v", err)
		}
		session, err := sts.NewFromConfig(one).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: sdk.String("session")})
		if err != nil {
			t.Fatal(err)
		}
		c := two.Copy()
		c.Credentials = static.NewStaticCredentialsProvider(*session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, *session.Credentials.SessionToken)
		if me, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, nil); err != nil || *me.Arn != *session.AssumedRoleUser.Arn {
			t.Errorf("identity: %v", err)
		}
	})

	if _, err := s31.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: sdk.String("shared")}); err != nil {
		t.Fatal(err)
	}
	put := func(c *s3.Client, key, content string, match *string) (string, error) {
		in := &s3.PutObjectInput{Bucket: sdk.String("shared"), Key: &key, Body: strings.NewReader(content), IfMatch: match}
		out, err := c.PutObject(ctx, in)
		if err != nil {
			return "", err
		}
		return *out.ETag, nil
	}
	get := func(t *testing.T, c *s3.Client, key string) (content, etag string) {
		t.Helper()
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: sdk.String("shared"), Key: &key})
		if err != nil {
			t.Fatalf("get %s: %v", key, err)
		}
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatalf("read %s: %v", key, err)
		}
		return string(b), *out.ETag
	}

	t.Run("objects", func(t *testing.T) {
		big := strings.Repeat("0123456789", 300_000)
		if _, err := put(s31, "big", big, nil); err != nil {
			t.Fatal(err)
		}
		if got, _ := get(t, s32, "big"); got != big {
			t.Errorf("the other has %d bytes of %d", len(got), len(big))
		}
	})

	t.Run("800 contended updates", func(t *testing.T) {
		if _, err := put(s31, "counter", "0", nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		var lost atomic.Int64
		for i := range 8 {
			c := []*s3.Client{s31, s32}[i%2]
			wg.Go(func() {
				for done := 0; done < 100; {
					content, etag := get(t, c, "counter")
					n, _ := strconv.Atoi(content)
					switch _, err := put(c, "counter", fmt.Sprint(n+1), &etag); code(err) {
					case "<nil>":
						done++
					case "PreconditionFailed", "ConditionalRequestConflict":
						lost.Add(1)
					default:
						t.Errorf("put: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		if got, _ := get(t, s32, "counter"); got != "800" {
			t.Errorf("counter is %s, want 800", got)
		}
		t.Logf("took %v, with %d attempts that lost", time.Since(began), lost.Load())
	})

	t.Run("snapshot", func(t *testing.T) {
		dir := t.TempDir()
		file, folder := filepath.Join(dir, "s.tgz"), filepath.Join(dir, "state")
		must(t, plainEnv(), dir, mantle(t), "sandbox", "snapshot", file, "--state", dsn)
		must(t, plainEnv(), dir, mantle(t), "sandbox", "restore", file, "--state", folder)
		_, three := process(t, "--state", folder)
		if got, _ := get(t, s3.NewFromConfig(three, pathStyle), "counter"); got != "800" {
			t.Errorf("restored counter is %s, want 800", got)
		}
		// The same keys, and the same sessions: it is the same AWS.
		c := three.Copy()
		c.Credentials = one.Credentials
		if _, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, nil); err != nil {
			t.Errorf("the administrator's key after restoring: %v", err)
		}
		for _, args := range [][]string{{"snapshot", file}, {"restore", file, "--replace"}} {
			r := run(t, plainEnv(), dir, mantle(t), append([]string{"sandbox"}, append(args, "--state", folder)...)...)
			if r.code != 2 || !strings.Contains(r.stderr, "in use by another sandbox") {
				t.Errorf("%v of a folder in use: status %d, %s", args, r.code, r.stderr)
			}
		}
		r := run(t, plainEnv(), dir, mantle(t), "sandbox", "restore", file, "--state", dsn)
		if r.code != 2 || !strings.Contains(r.stderr, "--replace") || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("restore over a state: status %d, %s", r.code, r.stderr)
		}
	})

	t.Run("kill -9 of one loses nothing acknowledged", func(t *testing.T) {
		var mu sync.Mutex // guards the field below
		acknowledged := map[string]string{}
		var wg sync.WaitGroup
		impatient := s3.NewFromConfig(one, pathStyle, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		for i := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					key := fmt.Sprintf("k%d-%d", i, n)
					if _, err := put(impatient, key, "content of "+key, nil); err != nil {
						return // it is dead
					}
					mu.Lock()
					acknowledged[key] = "content of " + key
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Second)
		if err := killed.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if len(acknowledged) < 20 {
			t.Fatalf("only %d writes before the kill", len(acknowledged))
		}
		// The other goes on at once, also with writing.
		last, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if _, err := s32.PutObject(last, &s3.PutObjectInput{Bucket: sdk.String("shared"), Key: sdk.String("after"), Body: strings.NewReader("x")}); err != nil {
			t.Errorf("write at the survivor: %v", err)
		}
		for key, want := range acknowledged {
			if got, _ := get(t, s32, key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		t.Logf("%d acknowledged writes", len(acknowledged))
	})
}
