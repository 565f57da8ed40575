// Package check holds what people have written (Terraform, policies, task
// definitions, AWS profiles, compose files, Kubernetes manifests, mantle.hcl)
// to the rules of AWS roles, before anything is applied.
//
// A rule is a row of a table: what it finds, why that matters, what it needs to
// be decided, and a function from an [Input] to findings. A rule whose data is
// missing says so instead of passing. Deciding does no I/O: [Collect] reads
// files, [Run] decides, [Apply] computes edited files.
//
// The files, in the order of the steps: files.go collects; node.go reads JSON
// with positions; source.go finds places; document.go, role.go, task.go,
// profile.go, compose.go, manifest.go and program.go read what was collected;
// rules.go is the table and the rule_*.go its functions; ignore.go, fix.go,
// report.go, sarif.go and junit.go come after.
package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// Severity says how bad a finding is. The greater, the worse.
type Severity uint8

// The severities.
const (
	Info    Severity = iota + 1 // worth knowing
	Warning                     // works, and will hurt
	Error                       // does not work, or lets in whom it should not
)

// String is info, warning or error.
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// MarshalText writes the same words.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSeverity is the inverse of String.
func ParseSeverity(s string) (Severity, error) {
	for _, v := range []Severity{Info, Warning, Error} {
		if s == v.String() {
			return v, nil
		}
	}
	return 0, fmt.Errorf("there is no severity %q: use error, warning or info", s)
}

// A Finding is one thing that a rule found.
type Finding struct {
	Rule     string
	Severity Severity // that of the rule if zero
	Where    tf.Range // zero if the place is not known
	Address  string   // of the Terraform resource, or the name of what it is about
	Message  string
	Cure     string

	// Edit repairs it without changing what else the file means; nil where only
	// a person can decide.
	Edit *Edit

	Related []Related

	// Needs is set where the rule could not decide: what was missing. Such a
	// finding has no message.
	Needs string
}

// Related is another place that a finding is about.
type Related struct {
	Where tf.Range
	Text  string
}

// An Edit replaces a piece of a file.
type Edit struct {
	File       string
	Start, End int // bytes, up to but not including End
	New        string
}

// MarshalJSON writes the finding flat: file, line and column beside the rule.
func (f Finding) MarshalJSON() ([]byte, error) {
	type place struct {
		File   string `json:"file"`
		Line   int    `json:"line,omitempty"`
		Column int    `json:"column,omitempty"`
		Text   string `json:"text,omitempty"`
	}
	out := struct {
		Rule     string   `json:"rule"`
		Severity Severity `json:"severity"`
		File     string   `json:"file,omitempty"`
		Line     int      `json:"line,omitempty"`
		Column   int      `json:"column,omitempty"`
		Address  string   `json:"address,omitempty"`
		Message  string   `json:"message"`
		Cure     string   `json:"cure,omitempty"`
		Fixable  bool     `json:"fixable"`
		Related  []place  `json:"related,omitempty"`
	}{
		f.Rule, f.Severity, f.Where.File, f.Where.Line, f.Where.Column, f.Address, f.Message, f.Cure, f.Edit != nil, nil,
	}
	for _, r := range f.Related {
		out.Related = append(out.Related, place{r.Where.File, r.Where.Line, r.Where.Column, r.Text})
	}
	return json.Marshal(out)
}

// An Input is all that the rules may know. The zero value has nothing to check.
type Input struct {
	// Estate is the picture of the accounts; nil if no source of one was given.
	// Its Terraform worlds are checked too.
	Estate *estate.Estate

	// Files are the files that stand on their own.
	Files []File

	// Configs are the mantle.hcl files.
	Configs []*config.Config

	// Problems are what is wrong with mantle.hcl files that cannot be used.
	Problems []config.Problem

	// TrustQuota is the quota for the length of trust policies, in characters;
	// 0 stands for 2,048, the default of AWS.
	TrustQuota int

	facts *facts
}

// A Rule is one row of the table of rules.
type Rule struct {
	ID       string
	Severity Severity
	Title    string // what it finds, in a few words
	Verb     string // which verb decides it: "check", or another one where Check is nil
	Why      string
	Page     string // of AWS's documentation, or of the tool that it is about
	Bad      string // an example that it finds
	Good     string // the same, repaired

	// Needs are the things without which there is nothing to check: see [Have].
	Needs Have

	// Check finds. It is nil for rules that need a running process or host.
	Check func(*Input) iter.Seq[Finding]
}

// Have says which kinds of things an input has.
type Have uint16

// The kinds.
const (
	HaveTerraform Have = 1 << iota // configuration, plan or state
	HavePolicies                   // policy documents of any origin
	HaveRoles                      // roles with their policies
	HaveTasks                      // ECS task definitions
	HaveProfiles                   // AWS config or credentials files
	HaveCompose                    // compose files
	HaveManifests                  // Kubernetes manifests
	HaveConfig                     // mantle.hcl
	HavePrograms                   // go.mod, package.json: which SDK a program has
)

// String lists the kinds in words.
func (h Have) String() string {
	var out []string
	for i, s := range []string{"Terraform", "policies", "roles", "ECS task definitions", "AWS profiles", "compose files", "Kubernetes manifests", "mantle.hcl", "programs with a go.mod or package.json"} {
		if h&(1<<i) != 0 {
			out = append(out, s)
		}
	}
	return strings.Join(out, " or ")
}

// A Result is what a run of all rules found.
type Result struct {
	Findings []Finding

	// Unchecked are the rules that something was missing for.
	Unchecked []Unchecked

	// Idle are the rules that had nothing to look at, by what they look at.
	Idle map[string][]string

	Counts Counts
}

// Unchecked is a rule that could not be decided, once for each thing missing.
type Unchecked struct {
	Rule  string `json:"rule"`
	Needs string `json:"needs"`
	Where string `json:"where,omitempty"`
}

// Run holds the input to the rules, sorted by place. Findings that a comment
// ignores with a reason are left out.
func Run(in *Input) Result {
	have := in.prepare()
	res := Result{Idle: map[string][]string{}, Counts: in.facts.counts()}
	seen := map[string]bool{}
	var raw []Finding
	for _, r := range Rules() {
		if r.Check == nil {
			continue
		}
		if r.Needs != 0 && have&r.Needs == 0 {
			res.Idle[r.Needs.String()] = append(res.Idle[r.Needs.String()], r.ID)
			continue
		}
		for f := range r.Check(in) {
			f.Rule = r.ID
			f.Severity = cmp.Or(f.Severity, r.Severity)
			f.Message, f.Cure = withoutPlaceholders(f.Message), withoutPlaceholders(f.Cure)
			key := fmt.Sprintf("%s %s:%d:%d %s %s", f.Rule, f.Where.File, f.Where.Line, f.Where.Column, f.Message, f.Needs)
			if seen[key] {
				continue // one document, many users
			}
			seen[key] = true
			if f.Needs != "" {
				res.Unchecked = append(res.Unchecked, Unchecked{f.Rule, f.Needs, placeOf(f.Where, f.Address)})
				continue
			}
			raw = append(raw, f)
		}
	}
	res.Findings = in.withoutIgnored(raw)
	slices.SortStableFunc(res.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Where.File, b.Where.File), cmp.Compare(a.Where.Line, b.Where.Line),
			cmp.Compare(a.Where.Column, b.Where.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return res
}

// withoutPlaceholders writes ACCOUNT where the estate has an id that only stands
// for an account.
func withoutPlaceholders(s string) string {
	digits := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && '0' <= s[i] && s[i] <= '9' {
			digits++
			continue
		}
		if digits == 12 && tf.Placeholder(s[i-12:i]) {
			return s[:i-12] + "ACCOUNT" + withoutPlaceholders(s[i:])
		}
		digits = 0
	}
	return s
}

// placeOf is a place for people; the address stands in for a place that is not
// known.
func placeOf(r tf.Range, address string) string {
	switch {
	case r.File == "":
		return address
	case r.Line == 0:
		return r.File
	case r.Column == 0:
		return fmt.Sprintf("%s:%d", r.File, r.Line)
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
}

// rule makes the function of a row from one that adds findings.
func rule(find func(in *Input, add func(Finding))) func(*Input) iter.Seq[Finding] {
	return func(in *Input) iter.Seq[Finding] {
		return func(yield func(Finding) bool) {
			done := false
			find(in, func(f Finding) {
				if !done {
					done = !yield(f)
				}
			})
		}
	}
}
