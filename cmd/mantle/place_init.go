package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// initSpec is how a command is started in a place. It travels through a pipe
// and through the control socket, never through arguments or files: the
// environment holds the place's secret.
type initSpec struct {
	Command []string
	Env     []string
	Dir     string
	// UID is -1 to stay who we are.
	UID, GID int
	Groups   []int
	// Fresh says that the namespaces are new: mounts and hidden folders are
	// made, and the processes of the place shown.
	Fresh  bool
	Mounts []mount
	Hidden []string
}

// String hides the environment.
func (s *initSpec) String() string { return "start of " + strings.Join(s.Command, " ") }

// GoString hides the environment.
func (s *initSpec) GoString() string { return s.String() }

// mount shows a file or folder of the host at another path.
type mount struct {
	Source, Target string
	ReadOnly       bool
}

// readMount reads SRC:DST[:ro].
func readMount(s string) (mount, error) {
	source, target, ok := strings.Cut(s, ":")
	m := mount{Source: source, Target: target}
	if t, mode, more := strings.Cut(target, ":"); more {
		m.Target, m.ReadOnly = t, mode == "ro"
		ok = ok && (mode == "ro" || mode == "rw")
	}
	if !ok || m.Source == "" || !filepath.IsAbs(m.Target) {
		return m, usagef("--mount %s is not SRC:DST[:ro]", s).withHint("for example --mount ./profile:/home/app/.aws:ro; DST is absolute")
	}
	abs, err := filepath.Abs(m.Source)
	if err != nil {
		return m, err
	}
	m.Source, m.Target = abs, filepath.Clean(m.Target)
	if _, err := os.Stat(m.Source); err != nil {
		return m, usagef("--mount %s: %w", s, err)
	}
	return m, nil
}

// inOrder puts mounts below other mounts behind them.
func inOrder(mounts []mount) []mount {
	return slices.SortedStableFunc(slices.Values(mounts), func(a, b mount) int {
		return cmp.Compare(strings.Count(a.Target, "/"), strings.Count(b.Target, "/"))
	})
}

// covers tells whether a path comes from one of the mounts.
func covers(mounts []mount, path string) bool {
	return slices.ContainsFunc(mounts, func(m mount) bool {
		return path == m.Target || strings.HasPrefix(path, strings.TrimSuffix(m.Target, "/")+"/")
	})
}

// targets makes the files and folders that the mounts are to be put on, as
// far as the host has none, and returns what takes them away again.
func targets(mounts []mount) (undo func(), err error) {
	var made []string
	undo = func() {
		for _, path := range slices.Backward(made) {
			os.Remove(path) // not if somebody has put something into it
		}
	}
	for i, m := range inOrder(mounts) {
		if covers(inOrder(mounts)[:i], m.Target) {
			continue // it is inside another mount, and made in there
		}
		more, err := makeTarget(m)
		made = append(made, more...)
		if err != nil {
			undo()
			return nil, fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return undo, nil
}

// makeTarget makes one mount point and returns what was made, outermost first.
func makeTarget(m mount) (made []string, err error) {
	info, err := os.Stat(m.Source)
	if err != nil {
		return nil, err
	}
	var missing []string
	for path := m.Target; ; path = filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		missing = append(missing, path)
	}
	for i, path := range slices.Backward(missing) {
		if i > 0 || info.IsDir() {
			err = os.Mkdir(path, 0o755)
		} else {
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			return made, err
		}
		made = append(made, path)
	}
	return made, nil
}

// initCommand is the command that becomes the spec's, and the function that
// tells it what to do once it runs. It is this program again, as
// `sandbox place`.
func (s *initSpec) command() (cmd *exec.Cmd, tell func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	cmd = &exec.Cmd{Path: self, Args: []string{os.Args[0], "sandbox", "place", "init"}, Env: []string{}, ExtraFiles: []*os.File{r}}
	return cmd, func() error {
		defer w.Close()
		r.Close()
		if cmd.Process == nil {
			return nil
		}
		return json.NewEncoder(w).Encode(s)
	}, nil
}

// lookPath finds a program in a PATH other than our own.
func lookPath(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in PATH", name)
}

// value is a variable of an environment; the last one counts.
func value(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}
