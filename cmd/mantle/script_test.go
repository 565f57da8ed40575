package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the programs that the scripts run: mantle
// itself, and an ordinary client of the AWS SDK.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mantle": main,
		"client": client,
		"stall":  stall,
		"fetch":  fetchURL,
	})
}

// client says who it is, and for each bucket whether it may read "key".
func client() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err == nil {
		var me *sts.GetCallerIdentityOutput
		if me, err = sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil); err == nil {
			fmt.Println("I am", aws.ToString(me.Arn))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, b := range os.Args[1:] {
		if _, err := s3.NewFromConfig(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: aws.String("key")}); err != nil {
			fmt.Println("refused", b, err)
		} else {
			fmt.Println("may read", b)
		}
	}
}

// stall runs until it is asked to end.
func stall() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("stalling")
	os.WriteFile("stalling", nil, 0o600)
	<-ctx.Done()
	fmt.Println("ended")
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// The scripts see no credentials, files or endpoints of the
			// machine that runs them.
			for _, kv := range os.Environ() {
				if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
					e.Setenv(name, "")
				}
			}
			e.Setenv("AWS_CONFIG_FILE", os.DevNull)
			e.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, ".run"))
			e.Setenv("MANTLE_SOCKET", filepath.Join(e.WorkDir, ".run", "agent.sock"))
			return os.MkdirAll(filepath.Join(e.WorkDir, ".run"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"busy":   busy,
			"status": status,
			"until":  until,
		},
	})
}

// busy NAME takes a free port until the script ends and sets NAME to its
// address.
func busy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: busy NAME")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}

// status N COMMAND… runs a command that has to end with status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	code := 0
	if x, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		code = x.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("status %d, want %s", code, args[0])
	}
}

// TestDecisionScripts holds the scripts that the engine's own tests run to
// the command line as well.
func TestDecisionScripts(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"decide", "../../iam/testdata/decide"}, &env{Stdout: &out, Stderr: &errs}); code != exitOK {
		t.Errorf("status %d\n%s%s", code, out.String(), errs.String())
	}
}

// until FILE waits for a file that a program in the background writes.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: until FILE")
	}
	for range 600 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}
