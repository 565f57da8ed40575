package config

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Position is a place in a file; lines and columns count from 1, columns in
// characters.
type Position struct {
	File   string
	Line   int
	Column int
}

// String is FILE:LINE:COLUMN.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Position Position
	Summary  string // one line, lower case
	Hint     string // the cure; may be empty
	Source   string // the line of the file; empty when it may hold a secret
}

// String is FILE:LINE:COLUMN: SUMMARY.
func (p Problem) String() string { return p.Position.String() + ": " + p.Summary }

// Error is every problem of a configuration, in the order of the file; those
// in files that it names come last.
type Error struct{ Problems []Problem }

// Error names the first problem and counts the others; [Error.Write] tells all.
func (e *Error) Error() string {
	if len(e.Problems) == 0 {
		return "configuration is unsound"
	}
	s := e.Problems[0].String()
	if n := len(e.Problems) - 1; n == 1 {
		s += " (and 1 more problem)"
	} else if n > 1 {
		s += fmt.Sprintf(" (and %d more problems)", n)
	}
	return s
}

// Write prints every problem: its place and summary, the line with a caret
// below the place, and the hint.
func (e *Error) Write(w io.Writer) error {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, p)
		if p.Source != "" {
			fmt.Fprintf(&b, "  %s\n  %s^\n", p.Source, caretPad(p.Source, p.Position.Column))
		}
		if p.Hint != "" {
			fmt.Fprintln(&b, "hint:", p.Hint)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// caretPad is the blank space before a column of line; tabs stay tabs so that
// the caret stands below its character whatever the width of a tab.
func caretPad(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// problems collects what is wrong, with the text of the files it is wrong in.
type problems struct {
	list  []Problem
	files map[string][]byte
	first string // the configuration itself, whose problems come before those of files it names
}

// add records a problem at p. The line of the file is shown with it.
func (ps *problems) add(p Position, hint, format string, args ...any) {
	ps.list = append(ps.list, Problem{
		Position: p,
		Summary:  fmt.Sprintf(format, args...),
		Hint:     hint,
		Source:   line(ps.files[p.File], p.Line),
	})
}

// addSecret is add for a line that may hold a secret, which is not shown.
func (ps *problems) addSecret(p Position, hint, format string, args ...any) {
	ps.add(p, hint, format, args...)
	ps.list[len(ps.list)-1].Source = ""
}

// err returns the problems as *Error, sorted and each only once, or nil.
func (ps *problems) err() error {
	if len(ps.list) == 0 {
		return nil
	}
	slices.SortStableFunc(ps.list, func(a, b Problem) int {
		if x, y := a.Position.File == ps.first, b.Position.File == ps.first; x != y {
			if x {
				return -1
			}
			return 1
		}
		return a.Position.compare(b.Position)
	})
	return &Error{slices.CompactFunc(ps.list, func(a, b Problem) bool {
		return a.Position == b.Position && a.Summary == b.Summary
	})}
}

// addHCL takes over what the HCL library found, in our form. Names, if any,
// are those that may be used where it was found.
func (ps *problems) addHCL(diags hcl.Diagnostics, names ...string) {
	for _, d := range diags {
		var p Position
		if d.Subject != nil {
			p = place(d.Subject.Filename, d.Subject.Start)
		}
		summary, hint := rephrase(d, names)
		ps.add(p, hint, "%s", summary)
	}
}

var (
	quotedRE    = regexp.MustCompile(`"([^"]*)"`)
	parameterRE = regexp.MustCompile(`^Invalid value for "[^"]*" parameter: `)
)

// rephrase turns a diagnostic into one lower-case line and a hint. The
// library's detail is a sentence that names the thing, then perhaps advice;
// its summary is only a category.
func rephrase(d *hcl.Diagnostic, names []string) (summary, hint string) {
	detail := strings.Join(strings.Fields(d.Detail), " ")
	if detail == "" {
		detail = d.Summary
	}
	kind, _ := strings.CutPrefix(d.Summary, "Missing name for ")
	switch {
	case d.Summary == "Unsupported argument", d.Summary == "Unsupported block type", d.Summary == "Extraneous JSON object property":
		if m := quotedRE.FindStringSubmatch(detail); m != nil {
			what := map[string]string{"Unsupported argument": "argument", "Unsupported block type": "block"}[d.Summary]
			hint := "known here: " + strings.Join(names, ", ")
			if slices.Contains(names, m[1]) {
				hint = "write it as " + map[string]string{"argument": "a block: " + m[1] + " { … }", "block": "an argument: " + m[1] + " = …"}[what]
			} else if near := nearest(m[1], names); near != "" {
				hint = "did you mean " + quote(near) + "?"
			}
			return "unknown " + cmp.Or(what, "argument or block") + " " + quote(m[1]), hint
		}
	case kind != d.Summary:
		return kind + " has no name", "write " + kind + ` "name" { … }`
	case d.Summary == "Invalid single-argument block definition":
		return lowerFirst(strings.TrimSuffix(detail, ".")), "put each argument on a line of its own"
	}
	detail = parameterRE.ReplaceAllString(detail, "")
	summary = detail
	if first, rest, ok := strings.Cut(detail, ". "); ok {
		summary, hint = first, rest
	} else if first, rest, ok := strings.Cut(detail, "; "); ok && !strings.ContainsAny(first, `"(`) {
		summary, hint = first, rest
	}
	summary = strings.TrimSuffix(summary, ".")
	hint = strings.TrimSuffix(hint, ".")
	return lowerFirst(summary), lowerFirst(hint)
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(next) {
		return s // an abbreviation
	}
	return string(unicode.ToLower(r)) + s[n:]
}

func place(file string, at hcl.Pos) Position { return Position{file, at.Line, at.Column} }

// secretRE finds lines on which a secret may be set, among other things.
var secretRE = regexp.MustCompile(`(?i)(secret|passw|token|credential|api_?key)[a-z_]*"?\s*[=:]`)

// line returns line n of text, counted from 1, without its end. Lines that may
// hold a secret are not shown, and long ones, as JSON files have them, are not
// worth it.
func line(text []byte, n int) string {
	if n < 1 {
		return ""
	}
	for l := range strings.Lines(string(text)) {
		if n--; n == 0 {
			l = strings.TrimRight(l, "\r\n")
			if len(l) > 200 || secretRE.MatchString(l) || accessKeyRE.MatchString(l) || !utf8.ValidString(l) || strings.ContainsFunc(l, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
				return ""
			}
			return l
		}
	}
	return ""
}
