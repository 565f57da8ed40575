package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

func TestTokenFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	known := agent.NewWorkloads()
	web := broker.Rule{Name: "web", Match: broker.Match{UID: new(os.Getuid())}}
	folder, err := openTokens(dir, "http://169.254.170.2", known, broker.Rules{web, {Name: "vm"}})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	token := read("web/token")
	if len(token) < 40 || strings.ContainsAny(token, "\r\n") || token == read("vm/token") {
		t.Errorf("tokens %q and %q: want two, long, without line breaks", token, read("vm/token"))
	}
	want := "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.2/v1/credentials\nAWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + filepath.Join(dir, "web", "token") + "\n"
	if got := read("web/env"); got != want {
		t.Errorf("env %q, want %q", got, want)
	}
	for _, name := range []string{"web/token", "web/env", "vm/token"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	// A workload that stays keeps its token, one that goes loses it.
	if err := folder.follow(broker.Rules{web}); err != nil {
		t.Fatal(err)
	}
	if got := read("web/token"); got != token {
		t.Error("a workload that did not change got another token")
	}
	if names := known.Names(); len(names) != 1 || names[0] != "web" {
		t.Errorf("tokens are known of %v", names)
	}
	if _, err := os.Stat(filepath.Join(dir, "vm")); !os.IsNotExist(err) {
		t.Errorf("the folder of a workload that is gone: %v", err)
	}
	if err := folder.close(); err != nil || len(known.Names()) != 0 {
		t.Errorf("after the end: %v, %v", known.Names(), err)
	}
}
