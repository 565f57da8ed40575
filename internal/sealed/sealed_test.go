package sealed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func key(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRoundTrip(t *testing.T) {
	k := key(t, strings.Repeat("k", 32), 0o600)
	path := filepath.Join(t.TempDir(), "below", "loans")
	f, err := Open(path, k, "loans")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what was never written: %v", err)
	}
	for _, want := range []string{"first", "", "second, which is longer"} {
		if err := f.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := f.Read()
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, []byte("second")) {
		t.Errorf("the file shows what it holds (%v)", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".sealed-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(path); bytes.Equal(again[:12], raw[:12]) {
		t.Error("a nonce was used twice")
	}
	if err := errors.Join(f.Remove(), f.Remove()); err != nil {
		t.Error(err)
	}
}

func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loans")
	k := key(t, strings.Repeat("k", 32), 0o600)
	f, err := Open(path, k, "loans")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	other, err := Open(path, key(t, strings.Repeat("x", 32), 0o600), "loans")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Read(); !errors.Is(err, ErrForeign) {
		t.Errorf("with another key: %v", err)
	}
	use, err := Open(path, k, "tokens")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := use.Read(); !errors.Is(err, ErrForeign) {
		t.Errorf("for another use: %v", err)
	}
	sound, _ := os.ReadFile(path)
	for i := range sound {
		bad := bytes.Clone(sound)
		bad[i] ^= 1
		os.WriteFile(path, bad, 0o600)
		if _, err := f.Read(); !errors.Is(err, ErrForeign) {
			t.Fatalf("with byte %d changed: %v", i, err)
		}
	}
	os.WriteFile(path, sound[:5], 0o600)
	if _, err := f.Read(); !errors.Is(err, ErrForeign) {
		t.Errorf("cut short: %v", err)
	}
}

func TestKey(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"missing":         {filepath.Join(t.TempDir(), "none"), "no such file"},
		"short":           {key(t, "short", 0o600), "has 5 bytes"},
		"others' too":     {key(t, strings.Repeat("k", 32), 0o644), "chmod 600"},
		"the group's too": {key(t, strings.Repeat("k", 32), 0o640), "chmod 600"},
	} {
		if _, err := Open("x", tt.file, "u"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := Open("x", key(t, strings.Repeat("k", 32), 0o400), "u"); err != nil {
		t.Errorf("a key that only its owner may read: %v", err)
	}
}
