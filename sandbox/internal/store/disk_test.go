package store

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func reopen(t *testing.T, place string) {
	s := open(t, place)
	put(t, s, "a", 1)
	put(t, s, "bytes\xff\x00", 2)
	put(t, s, "gone", 3)
	s.Update(func(tx *Tx) error { things.Delete(tx, "gone"); return nil })
	revision := s.Revision()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, place)
	if got, want := contents(t, s), (map[string]int{"a": 1, "bytes\xff\x00": 2}); !maps.Equal(got, want) {
		t.Errorf("after reopening: %v, want %v", got, want)
	}
	if got := s.Revision(); got != revision {
		t.Errorf("revision after reopening is %d, want %d", got, revision)
	}
}

func TestStateFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state file: %v, %v, want mode 0600: it holds secrets", info.Mode(), err)
	}
}

func TestDirectoryWithOddName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20&mode=memory")
	s := open(t, dir)
	put(t, s, "a", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, open(t, dir))["a"]; got != 1 {
		t.Errorf("row is %d after reopening, want 1", got)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", 1)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "in use by another sandbox") {
		t.Fatalf("second Open: %v, want an error that says the directory is in use", err)
	}
	put(t, s, "b", 2) // the first is unharmed
	s.Close()
	if got := contents(t, open(t, dir)); len(got) != 2 {
		t.Errorf("after the refusal: %v, want two rows", got)
	}
}

// TestBadFiles checks that a file we cannot use is named, explained and left
// byte for byte as it was.
func TestBadFiles(t *testing.T) {
	database := func(statements ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, q := range statements {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, test := range []struct {
		name  string
		build func(*testing.T, string)
		want  string
	}{
		{"text", func(t *testing.T, path string) {
			os.WriteFile(path, bytes.Repeat([]byte("not a database. "), 100), 0o600)
		}, "is not a state file"},
		{"foreign", database(`CREATE TABLE users (id)`), "database of another program"},
		{"newer", database(fmt.Sprintf(`PRAGMA application_id = %d`, applicationID), `PRAGMA user_version = 99`, `CREATE TABLE future (x)`), "has format 99, this program reads up to 1"},
		{"damaged", func(t *testing.T, path string) {
			s := open(t, filepath.Dir(path))
			for i := range 200 {
				put(t, s, fmt.Sprint(strings.Repeat("k", 200), i), i)
			}
			s.Close()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 8 * 4096; i < 9*4096; i++ {
				data[i] = 0x55
			}
			os.WriteFile(path, data, 0o600)
		}, "is damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), fileName)
			test.build(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(filepath.Dir(path))
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want one that names %s and has %q", err, path, test.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func rowOfAnotherShape(t *testing.T, place string) {
	s := open(t, place)
	put(t, s, "a", 1)
	s.Close()
	s = open(t, place)
	numbers := NewTable[int]("things")
	err := s.View(func(tx *Tx) error { numbers.Get(tx, "a"); return nil })
	if err == nil || !strings.Contains(err.Error(), `row "a" of table things`) {
		t.Errorf("error %v, want one that names the row", err)
	}
	err = s.Update(func(tx *Tx) error {
		n, _ := numbers.Get(tx, "a")
		numbers.Put(tx, "a", n+1)
		return nil
	})
	if err == nil {
		t.Error("an Update that could not read a row was committed")
	}
	if got := contents(t, s)["a"]; got != 1 {
		t.Errorf("the row is %d, want 1", got)
	}
}

func unwritableValue(t *testing.T, place string) {
	s := open(t, place)
	channels := NewTable[chan int]("channels")
	err := s.Update(func(tx *Tx) error {
		things.Put(tx, "a", thing{})
		channels.Put(tx, "c", make(chan int))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), `row "c" of table channels`) {
		t.Errorf("error %v, want one that names the row", err)
	}
	if got := contents(t, s); len(got) != 0 {
		t.Errorf("half an update was kept: %v", got)
	}
}

// killedDir makes this test binary the child of kill.
const killedDir = "MANTLE_STORE_TEST_DIR"

// TestKillChild is kill's child: it writes rows and reports each on
// standard output after Update returned, until it is killed.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		return // an ordinary run: kill starts this again as a child
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		put(t, s, fmt.Sprintf("%08d", i), i)
		fmt.Printf("wrote %d\n", i)
	}
}

// kill kills a writing process with SIGKILL and expects every write that
// it reported to be there, and nothing after the first gap.
func kill(t *testing.T, dir string) {
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
		child.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		reported := -1
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			word, number, _ := strings.Cut(lines.Text(), " ")
			if word != "wrote" {
				continue
			}
			if reported, err = strconv.Atoi(number); err != nil {
				t.Fatal(err)
			}
			if reported == 40+round*13 {
				// From here on the child runs into its death at a moment
				// we do not choose; keep reading what it reports.
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		child.Wait() // reports the kill
		if reported < 40 {
			t.Fatalf("the child stopped by itself after %d writes", reported)
		}
		s := open(t, dir)
		got := contents(t, s)
		for i := range reported + 1 {
			if n, ok := got[fmt.Sprintf("%08d", i)]; !ok || n != i {
				t.Fatalf("write %d of %d was reported and is lost", i, reported)
			}
		}
		s.Close()
	}
}

// TestFailedCommit takes the database away: the change is refused, memory
// keeps what is on disk, and the file is whole.
func TestFailedCommit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", 1)
	revision := s.Revision()
	if err := s.back.close(); err != nil {
		t.Fatal(err)
	}
	err := s.Update(func(tx *Tx) error { things.Put(tx, "a", thing{N: 2}); return nil })
	if err == nil {
		t.Fatal("an Update without database succeeded")
	}
	if got := contents(t, s)["a"]; got != 1 || s.Revision() != revision {
		t.Errorf("after a failed commit the row is %d at revision %d, want 1 at %d", got, s.Revision(), revision)
	}
	if got := contents(t, open(t, dir))["a"]; got != 1 {
		t.Errorf("on disk the row is %d, want 1", got)
	}
}
