package check

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// A Section is the result of one group, with its name for people.
type Section struct {
	Name   string `json:"name"`
	Result Result `json:"-"`
}

// letter is the severity in one letter, as reports for people show it.
func (s Severity) letter() string { return strings.ToUpper(s.String()[:1]) }

// Count is how many findings there are of each severity.
func Count(all []Finding) (errors, warnings, infos int) {
	for _, f := range all {
		switch f.Severity {
		case Error:
			errors++
		case Warning:
			warnings++
		default:
			infos++
		}
	}
	return
}

// WriteText writes sections for people: each finding with its place and cure,
// and a line that sums up.
func WriteText(w io.Writer, sections []Section) error {
	var b strings.Builder
	for i, s := range sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, f := range s.Result.Findings {
			fmt.Fprintf(&b, "%s %s %s %s\n", f.Severity.letter(), f.Rule, placeOf(f.Where, f.Address), f.Message)
			if f.Cure != "" {
				fmt.Fprintf(&b, "       cure: %s\n", f.Cure)
			}
			for _, r := range f.Related {
				fmt.Fprintf(&b, "       %s: %s\n", placeOf(r.Where, ""), r.Text)
			}
		}
		for _, u := range s.Result.Unchecked {
			fmt.Fprintf(&b, "? %s %s not checked: needs %s\n", u.Rule, u.Where, u.Needs)
		}
		fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Result.Summary())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is the result in one line.
func (r *Result) Summary() string {
	c := r.Counts
	var what []string
	for _, x := range []struct {
		n    int
		word string
	}{
		{c.Roles, "role"}, {c.Profiles, "instance profile"}, {c.Attachments, "attachment"}, {c.Policies, "policy document"}, {c.Tasks, "task definition"}, {c.Files, "file"},
	} {
		if x.n > 0 {
			what = append(what, plural(x.n, x.word))
		}
	}
	if len(what) == 0 {
		what = []string{"nothing to check"}
	}
	errors, warnings, infos := Count(r.Findings)
	var found []string
	if errors == 0 {
		found = append(found, "no errors")
	} else {
		found = append(found, plural(errors, "error"))
	}
	if warnings > 0 {
		found = append(found, plural(warnings, "warning"))
	}
	if infos > 0 {
		found = append(found, fmt.Sprintf("%d worth knowing", infos))
	}
	if n := len(r.Unchecked); n > 0 {
		found = append(found, fmt.Sprintf("%d not checked", n))
	}
	return strings.Join(what, ", ") + " – " + strings.Join(found, ", ")
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// WriteIdle says which rules had nothing to look at, and what they look at.
func WriteIdle(w io.Writer, r *Result) error {
	for _, what := range sortedKeys(r.Idle) {
		if _, err := fmt.Fprintf(w, "no %s: nothing for %s\n", what, strings.Join(r.Idle[what], " ")); err != nil {
			return err
		}
	}
	return nil
}

// Explain writes what there is to know of a rule.
func (r Rule) Explain(w io.Writer) error {
	where := "mantle " + r.Verb
	if r.Check == nil {
		where += " (it needs a running host)"
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s\n\n%s\n\nwrong  %s\nright  %s\n\nchecked by  %s\nsee         %s\nignore      # mantle:ignore %s REASON\n",
		r.ID, r.Severity, r.Title, r.Why, r.Bad, r.Good, where, r.Page, r.ID)
	return err
}

// uri is a file as SARIF wants it: relative to the working folder where it can
// be, with slashes.
func uri(file string) string {
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(file))}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}

// worst is the worst severity of some findings, 0 of none.
func worst(all []Finding) Severity {
	var out Severity
	for _, f := range all {
		out = max(out, f.Severity)
	}
	return out
}

// Fails reports whether findings are as bad as a threshold.
func Fails(sections []Section, threshold Severity) bool {
	return slices.ContainsFunc(sections, func(s Section) bool { return worst(s.Result.Findings) >= threshold })
}
