package check

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Edits are the edits of some findings, by file and in the order of the text.
// Of two that touch the same bytes the first one is taken; the next run finds
// the other again.
func Edits(all []Finding) map[string][]Edit {
	out := map[string][]Edit{}
	for _, f := range all {
		if f.Edit != nil {
			out[f.Edit.File] = append(out[f.Edit.File], *f.Edit)
		}
	}
	for name, edits := range out {
		slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
		kept := edits[:0]
		end := -1
		for _, e := range edits {
			if e.Start >= end {
				kept, end = append(kept, e), e.End
			}
		}
		out[name] = kept
	}
	return out
}

// Apply is a text after some edits of it, which do not overlap.
func Apply(src []byte, edits []Edit) ([]byte, error) {
	var out []byte
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("%s has changed since it was read: nothing is written", e.File)
		}
		out = append(append(out, src[at:e.Start]...), e.New...)
		at = e.End
	}
	return append(out, src[at:]...), nil
}

// Write replaces files by their edited texts, each at once: a reader sees the
// old text or the new one. What was read has to be there still.
func Write(edits map[string][]Edit, was map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(edits)) {
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if old, ok := was[name]; ok && string(old) != string(src) {
			return fmt.Errorf("%s has changed since it was read: it is left alone", name)
		}
		text, err := Apply(src, edits[name])
		if err != nil {
			return err
		}
		if err := replaceFile(name, text); err != nil {
			return err
		}
	}
	return nil
}

func replaceFile(name string, text []byte) error {
	// A link stays one: its target is replaced.
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), ".mantle-fix-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), target)
}

// Diff is what edits change in a file, as a unified diff without context
// beyond three lines. Edits do not add or remove lines.
func Diff(name string, src []byte, edits []Edit) (string, error) {
	text, err := Apply(src, edits)
	if err != nil {
		return "", err
	}
	const context = 3
	a, b := strings.SplitAfter(string(src), "\n"), strings.SplitAfter(string(text), "\n")
	if len(a) != len(b) {
		return "", fmt.Errorf("an edit of %s changes the number of its lines", name)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	for i := 0; i < len(a); {
		if a[i] == b[i] {
			i++
			continue
		}
		from, last := max(0, i-context), i
		for j := i; j < len(a) && j <= last+2*context; j++ {
			if a[j] != b[j] {
				last = j
			}
		}
		to := min(len(a), last+context+1)
		if to == len(a) && a[to-1] == "" {
			to-- // after the last line feed
		}
		fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", from+1, to-from, from+1, to-from)
		for j := from; j < to; {
			if a[j] == b[j] {
				diffLine(&out, " ", a[j])
				j++
				continue
			}
			k := j
			for k < to && a[k] != b[k] {
				diffLine(&out, "-", a[k])
				k++
			}
			for ; j < k; j++ {
				diffLine(&out, "+", b[j])
			}
		}
		i = to
	}
	return out.String(), nil
}

func diffLine(out *strings.Builder, mark, line string) {
	out.WriteString(mark + strings.TrimSuffix(line, "\n") + "\n")
	if !strings.HasSuffix(line, "\n") {
		out.WriteString("\\ No newline at end of file\n")
	}
}
