package check

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The form of JUnit reports that CI systems read.
// https://github.com/testmoapp/junitxml
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Skipped *junitSkipped `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes the result as JUnit XML: a suite for each section and a
// case for each rule that was held to it. A rule fails if one of its findings
// is as bad as the threshold; a rule that could not be decided is skipped.
func WriteJUnit(w io.Writer, sections []Section, threshold Severity) error {
	all := junitSuites{Name: "mantle check"}
	for _, s := range sections {
		suite := junitSuite{Name: s.Name}
		idle := map[string]bool{}
		for _, ids := range s.Result.Idle {
			for _, id := range ids {
				idle[id] = true
			}
		}
		for _, r := range Rules() {
			if r.Check == nil || idle[r.ID] {
				continue
			}
			c := junitCase{Class: s.Name, Name: r.ID + " " + r.Title}
			for _, f := range s.Result.Findings {
				if f.Rule != r.ID {
					continue
				}
				line := fmt.Sprintf("%s %s\n%s\n", placeOf(f.Where, f.Address), f.Message, f.Cure)
				if f.Severity < threshold {
					c.Out += line
					continue
				}
				if c.Failure == nil {
					c.Failure = &junitFailure{Type: f.Severity.String(), Message: f.Message}
					c.File, c.Line = f.Where.File, f.Where.Line
				}
				c.Failure.Text += line
			}
			for _, u := range s.Result.Unchecked {
				if u.Rule == r.ID && c.Failure == nil {
					c.Skipped = &junitSkipped{"needs " + u.Needs}
				}
			}
			suite.Tests++
			if c.Failure != nil {
				suite.Failures++
			} else if c.Skipped != nil {
				suite.Skipped++
			}
			suite.Cases = append(suite.Cases, c)
		}
		all.Suites = append(all.Suites, suite)
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Skipped += suite.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
