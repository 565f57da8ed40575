package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/broker"
)

// TestWearerFollowsTheClock: an instance is given new credentials when its
// old ones have ended by the sandbox's clock, and is told of their end by
// this host's.
func TestWearerFollowsTheClock(t *testing.T) {
	w, c := newTestWorld(t)
	if err := w.role("host", "ec2.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	id, err := w.instance("host")
	if err != nil {
		t.Fatal(err)
	}
	x := &wearer{c: c, id: id, instance: true}
	lent := func(left time.Duration) broker.Credentials {
		t.Helper()
		x.seen = time.Time{}
		cred, err := x.Credentials(t.Context(), broker.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Until(cred.Expires) - left; d < -time.Minute || d > time.Minute {
			t.Errorf("%s are left, want %s", time.Until(cred.Expires), left)
		}
		return cred
	}
	works := func(cred broker.Credentials) error {
		cfg := w.cfg.Copy()
		cfg.Credentials = credentials.NewStaticCredentialsProvider(cred.AccessKeyID, cred.SecretAccessKey, cred.SessionToken)
		_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
		return err
	}
	first := lent(6 * time.Hour)
	if _, err := c.moveClock(t.Context(), clockMove{Advance: 2 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if same := lent(4 * time.Hour); same.AccessKeyID != first.AccessKeyID {
		t.Error("credentials with four hours left were exchanged")
	}
	if _, err := c.moveClock(t.Context(), clockMove{Advance: 5 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := works(first); err == nil || !strings.Contains(err.Error(), "ExpiredToken") {
		t.Errorf("after seven hours: %v, want ExpiredToken", err)
	}
	if err := works(lent(6 * time.Hour)); err != nil {
		t.Errorf("the new credentials: %v", err)
	}
}

// TestHostFollowsTheClock: so does the host of `mantle up`.
func TestHostFollowsTheClock(t *testing.T) {
	w, _ := newTestWorld(t)
	if err := w.role("host", "ec2.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	p := w.hostCredentials(roleARN("host"), "i-0123456789abcdef0")
	var keys []string
	for _, pass := range []time.Duration{0, 5 * time.Hour, time.Hour} {
		if err := w.Advance(pass); err != nil {
			t.Fatal(err)
		}
		cred, err := p.Retrieve(t.Context())
		if err != nil || !time.Now().Add(10*time.Minute).Before(cred.Expires) || cred.Expires.After(time.Now().Add(6*time.Hour+time.Minute)) {
			t.Fatalf("until %s, %v", cred.Expires, err)
		}
		keys = append(keys, cred.AccessKeyID)
	}
	if keys[0] != keys[1] || keys[1] == keys[2] {
		t.Errorf("keys %v: want new ones after six hours and none before", keys)
	}
}

// TestUpPropagates: changes of IAM take as long as sandbox up was told, by a
// clock that sandbox clock moves.
func TestUpPropagates(t *testing.T) {
	dir := t.TempDir()
	environ := []string{"XDG_RUNTIME_DIR=" + dir}
	ctx, stop := context.WithCancel(t.Context())
	var up sync.WaitGroup
	var banner, problems strings.Builder
	up.Go(func() {
		e := &env{Stdout: &banner, Stderr: &problems, Environ: environ}
		run(ctx, []string{"sandbox", "up", "--listen", "127.0.0.1:0", "--propagation", "1h"}, e)
	})
	defer func() {
		stop()
		up.Wait()
		if !strings.Contains(banner.String(), "propagation: 1h0m0s") || problems.Len() > 0 {
			t.Errorf("sandbox up says %q, %q", banner.String(), problems.String())
		}
	}()
	var sockets []string
	for range 200 {
		if sockets, _ = filepath.Glob(filepath.Join(dir, "mantle", "*.sock")); len(sockets) == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(sockets) != 1 {
		t.Fatalf("sockets %v", sockets)
	}
	_, port, _ := strings.Cut(strings.TrimSuffix(filepath.Base(sockets[0]), ".sock"), "127.0.0.1-")
	address := "127.0.0.1:" + port
	var out strings.Builder
	e := &env{Stdout: &out, Stderr: io.Discard, Environ: environ}
	x, err := e.exportsOf(address, "dev")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigFiles([]string{x.Set["AWS_CONFIG_FILE"]}), config.WithSharedConfigProfile("dev"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("app"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	assume := func() error {
		_, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN("app")), RoleSessionName: aws.String("one")})
		return err
	}
	if err := assume(); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("at once: %v, want AccessDenied", err)
	}
	if code := run(t.Context(), []string{"sandbox", "clock", "--listen", address, "--advance", "1h"}, e); code != exitOK || !strings.Contains(out.String(), "1h0m0s ahead") {
		t.Errorf("sandbox clock: %d, %s", code, out.String())
	}
	if err := assume(); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}
