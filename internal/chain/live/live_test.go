package live

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/internal/chain"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"a b  c", []string{"a", "b", "c"}}, {`"a b" 'c d'`, []string{"a b", "c d"}}, {`a\ b`, []string{"a b"}}, {`"a\"b\c"`, []string{`a"b\c`}},
		{`'a\b'`, []string{`a\b`}}, {`a"b"c ''`, []string{"abc", ""}}, {"$HOME/x ~", []string{"$HOME/x", "~"}},
		{`"a`, nil}, {`a\`, nil}, {"  ", nil},
	} {
		got, err := split(c.in)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("split(%q): got %q, %v, want %q", c.in, got, err, c.want)
		}
	}
}

func TestRun(t *testing.T) {
	w := Own([]string{"PATH=" + os.Getenv("PATH"), "WORD=hello"})
	if out, err := w.Run(t.Context(), "echo $WORD", true); string(out) != "hello\n" || err != nil {
		t.Errorf("with a shell: got %q, %v", out, err)
	}
	if out, err := w.Run(t.Context(), "echo $WORD", false); string(out) != "$WORD\n" || err != nil {
		t.Errorf("without: got %q, %v", out, err)
	}
	if _, err := w.Run(t.Context(), "echo no >&2; exit 3", true); err == nil || !strings.Contains(err.Error(), "exit status 3: no") {
		t.Errorf("got %v, want the status and what was said", err)
	}
	if _, err := (&World{}).Run(t.Context(), "true", true); !errors.Is(err, chain.ErrNotRun) {
		t.Errorf("another program's: got %v, want that it is not run", err)
	}
}

// TestEndpoints: an answer is handed on as it is, redirects are not followed,
// and who does not answer in a second is not waited for.
func TestEndpoints(t *testing.T) {
	slow := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-slow
		case "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusTeapot)
			w.Write([]byte(r.Method + r.Header.Get("Authorization")))
		}
	}))
	defer srv.Close()
	defer close(slow)
	w := Own(nil)
	a, err := w.Do(t.Context(), "PUT", srv.URL, http.Header{"Authorization": {"tok"}})
	if err != nil || a.Status != http.StatusTeapot || string(a.Body) != "PUTtok" {
		t.Errorf("got %d %q, %v", a.Status, a.Body, err)
	}
	if a, _ := w.Do(t.Context(), "GET", srv.URL+"/away", nil); a.Status != http.StatusFound {
		t.Errorf("redirect: got %d, want 302", a.Status)
	}
	began := time.Now()
	if _, err := w.Do(t.Context(), "GET", srv.URL+"/slow", nil); err == nil || time.Since(began) > 3*time.Second {
		t.Errorf("slow: got %v after %s", err, time.Since(began))
	}
}

// TestSTS: errors are in botocore's words, with the server's date.
func TestSTS(t *testing.T) {
	date := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		w.Header().Set("Content-Type", "text/xml")
		if r.ParseForm(); r.Form.Get("Action") == "GetCallerIdentity" && !strings.Contains(r.Header.Get("Authorization"), "AKIAWRONG") {
			w.Write([]byte(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/u</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`))
	}))
	defer srv.Close()
	w, at := Own(nil), chain.Endpoint{URL: srv.URL}
	id, err := w.Identity(t.Context(), chain.Credentials{AccessKeyID: "AKIARIGHT", SecretAccessKey: "s"}, at)
	if err != nil || id.ARN != "arn:aws:iam::111122223333:user/u" || !id.Date.Equal(date) {
		t.Errorf("got %+v, %v", id, err)
	}
	id, err = w.Identity(t.Context(), chain.Credentials{AccessKeyID: "AKIAWRONG", SecretAccessKey: "s"}, at)
	if err == nil || err.Error() != "(AccessDenied) when calling the GetCallerIdentity operation: no" || !id.Date.Equal(date) {
		t.Errorf("refused: got %+v, %v", id, err)
	}
	if _, err := w.AssumeRole(t.Context(), chain.Credentials{AccessKeyID: "AKIARIGHT", SecretAccessKey: "s"}, at, chain.Assume{RoleARN: "arn:aws:iam::111122223333:role/r", SessionName: "nn"}); err == nil || !strings.Contains(err.Error(), "(AccessDenied) when calling the AssumeRole operation") {
		t.Errorf("role: got %v", err)
	}
	srv.Close()
	if _, err := w.Identity(t.Context(), chain.Credentials{AccessKeyID: "AKIARIGHT", SecretAccessKey: "s"}, at); !strings.Contains(err.Error(), "STS does not answer") {
		t.Errorf("nobody there: got %v", err)
	}
}

// TestProcess: another process's environment and home, and its files with its
// own rights and nobody else's.
func TestProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, _, err := Process(1); err == nil {
			t.Error("no error where other processes cannot be seen")
		}
		return
	}
	home := t.TempDir()
	cmd := exec.Command("sleep", "60")
	cmd.Env = []string{"HOME=" + home, "AWS_PROFILE=x", "EMPTY="}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	var s *chain.Surroundings
	var w *World
	var err error
	for range 100 { // until it is no longer a copy of this process
		if s, w, err = Process(cmd.Process.Pid); err != nil || s.Environ["AWS_PROFILE"] == "x" {
			break
		}
		w.Close()
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, set := s.Environ["EMPTY"]; s.Environ["AWS_PROFILE"] != "x" || s.Home != home || !set || len(s.Environ) != 3 {
		t.Errorf("got %v, home %s", s.Environ, s.Home)
	}
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ReadFile(file); string(got) != "text" || err != nil {
		t.Errorf("its file: got %q, %v", got, err)
	}
	if _, err := w.ReadFile(file + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	if w.Apart() {
		t.Error("its network is ours, and is said to be another")
	}
	if _, _, err := Process(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no process: got %v", err)
	}
	if os.Geteuid() == 0 {
		// As root: what another user may not read is not read for it.
		_, other, err := Beside(cmd.Process.Pid, nil, User{UID: 65534, GID: 65534})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if _, err := other.ReadFile(file); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("as another user: got %v, want that it may not", err)
		}
		if got, err := other.Look(file); string(got) != "text" || err != nil {
			t.Errorf("with our own rights: got %q, %v", got, err)
		}
	}
}

// TestSDKs finds packages below a root and follows no link out of it.
func TestSDKs(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for _, dir := range []string{"usr/lib/python3.11/site-packages/botocore-1.30.1.dist-info", "app/node_modules/@aws-sdk/client-sts", "srv"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(root, "app/node_modules/@aws-sdk/client-sts/package.json"), []byte(`{"version":"3.400.0"}`), 0o644)
	os.MkdirAll(filepath.Join(outside, "aws-sdk"), 0o755)
	os.WriteFile(filepath.Join(outside, "aws-sdk/package.json"), []byte(`{"version":"2.1.0"}`), 0o644)
	if err := os.Symlink(outside, filepath.Join(root, "srv/node_modules")); err != nil {
		t.Fatal(err)
	}
	got := (&World{root: root}).SDKs("/srv")
	want := []SDK{{"botocore", "1.30.1", "/usr/lib/python3.11/site-packages"}, {"aws-sdk-js-v3", "3.400.0", "/app/node_modules/@aws-sdk/client-sts"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
