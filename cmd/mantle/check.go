package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/check"
	"github.com/mantle-iam/mantle/internal/config"
)

// checkFlags are the flags of check.
type checkFlags struct {
	source                    sourceFlags
	format, explain, severity string
	rules, fix, dry, strict   bool
	all                       bool
	quota                     int
}

func checkCommand(e *env) *cobra.Command {
	f := &checkFlags{}
	c := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Find what is wrong with roles before anything is applied",
		Long: `Check holds what is written about roles to some seventy rules and prints each
finding with its place and cure. It looks through folders (the working one if
none is named) for Terraform, plans, task definitions, compose files, AWS
config and credentials files, Kubernetes manifests and mantle.hcl, and takes
files that are named, policies among them, as what they are. The flags that
name a source add the accounts as they are: a sandbox, account details, AWS.

A comment takes a finding away, for its line, the line below it, or the
Terraform block below it. It needs a reason:

  # mantle:ignore T107 the account holds nothing else

A rule that something is missing for is listed as not checked; it never
passes. Exit status 1 means a finding as bad as --severity, 3 with --strict
that something was not checked.`,
		Example: `  mantle check
  mantle check examples/ec2-elevate
  mantle check --plan plan.json --format sarif > mantle.sarif
  mantle check --fix --dry-run
  mantle check --explain T104`,
		RunE: func(c *cobra.Command, args []string) error { return e.checkVerb(c.Context(), f, args) },
	}
	f.source.add(c)
	fs := c.Flags()
	fs.StringVar(&f.format, "format", "", "text, json, sarif or junit (default: that of --output)")
	fs.StringVar(&f.explain, "explain", "", "explain the rule with this `ID` and check nothing")
	fs.BoolVar(&f.rules, "rules", false, "list all rules and check nothing")
	fs.BoolVar(&f.fix, "fix", false, "repair what can be repaired without a doubt, and check again")
	fs.BoolVar(&f.dry, "dry-run", false, "with --fix: print the changes and make none")
	fs.BoolVar(&f.strict, "strict", false, "end with status 3 if a rule could not be decided")
	fs.StringVar(&f.severity, "severity", "error", "the least severity that ends with status 1: error, warning or info")
	fs.BoolVar(&f.all, "all", false, "say, too, which rules had nothing to look at")
	fs.IntVar(&f.quota, "trust-quota", 0, "quota of the account for the length of trust policies (default 2048)")
	return c
}

func (e *env) checkVerb(ctx context.Context, f *checkFlags, args []string) error {
	if f.format == "" {
		f.format = e.Output
	}
	if !slices.Contains([]string{"text", "json", "sarif", "junit"}, f.format) {
		return usagef("there is no format %q", f.format).withHint("use --format text, json, sarif or junit")
	}
	switch {
	case f.rules:
		return e.listRules()
	case f.explain != "":
		return e.explainRule(f.explain)
	case f.dry && !f.fix:
		return usagef("--dry-run is of --fix").withHint("mantle check --fix --dry-run prints what --fix would change")
	}
	threshold, err := check.ParseSeverity(f.severity)
	if err != nil {
		return usagef("%w", err)
	}
	sections, texts, err := e.checkAll(ctx, f, args)
	if err != nil {
		return err
	}
	if f.fix {
		if sections, err = e.fixAll(ctx, f, args, sections, texts); err != nil || f.dry {
			return err
		}
	}
	if err := e.writeSections(f, sections, threshold); err != nil {
		return err
	}
	if check.Fails(sections, threshold) {
		return &exitError{code: exitDenied}
	}
	if f.strict && slices.ContainsFunc(sections, func(s check.Section) bool { return len(s.Result.Unchecked) > 0 }) {
		return failf(exitUnknown, "some rules could not be decided").withHint("the lines with ? say what is missing; --details, --sandbox or --live may have it")
	}
	return nil
}

// checkAll checks every group of files below the paths, and returns what the
// files held.
func (e *env) checkAll(ctx context.Context, f *checkFlags, args []string) ([]check.Section, map[string][]byte, error) {
	named := f.source.sandbox != "" || len(f.source.details) > 0 || len(f.source.live) > 0 || f.source.plan != "" || f.source.state != "" || f.source.terraform != ""
	if len(args) == 0 && !named {
		args = []string{"."}
	}
	groups, err := check.Collect(args...)
	if err != nil {
		return nil, nil, usagef("%w", err)
	}
	if !named && !slices.ContainsFunc(groups, func(g check.Group) bool { return g.Root || len(g.Plans)+len(g.Configs)+len(g.Files) > 0 }) {
		if u, err := url.Parse(e.get("AWS_ENDPOINT_URL")); err != nil || !isLoopback(u.Host) {
			return nil, nil, usagef("there is nothing to check in %s", strings.Join(args, ", ")).withHint("name a folder with Terraform, a file, or a source of accounts: --sandbox, --details FILE, --plan FILE, --live")
		}
		f.source.sandbox, named, groups = anySandbox, true, nil
	}
	if len(groups) == 0 {
		groups = []check.Group{{}}
	}
	roots := 0
	for _, g := range groups {
		if g.Root {
			roots++
		}
	}
	if roots > 1 && (f.source.plan != "" || f.source.state != "") {
		return nil, nil, usagef("there are %d Terraform folders, and --plan and --state are of one", roots).withHint("name that folder")
	}
	texts := map[string][]byte{}
	var sections []check.Section
	for _, g := range groups {
		parts := []sourceFlags{f.source}
		if g.Root {
			parts[0].terraform = g.Dir
		}
		for _, p := range g.Plans {
			// A plan that lies about is a picture of its own.
			x := f.source
			x.plan = p
			parts = append(parts, x)
		}
		for i, source := range parts {
			in := &check.Input{TrustQuota: f.quota}
			name := sectionName(g)
			if i == 0 {
				in.Files = g.Files
				if err := e.checkConfigs(in, g.Configs); err != nil {
					return nil, nil, err
				}
			} else {
				name = source.plan
			}
			if i == 0 && len(g.Plans) > 0 && !g.Root && len(g.Files)+len(g.Configs) == 0 && !named {
				continue
			}
			if named || g.Root || i > 0 {
				if in.Estate, err = e.estate(ctx, &source); err != nil {
					return nil, nil, err
				}
				for _, w := range in.Estate.Terraform {
					for file, data := range w.Files {
						texts[file] = data
					}
				}
				if name == "" {
					name = strings.Join(in.Estate.Source, ", ")
				}
			}
			for _, x := range g.Files {
				texts[x.Path] = x.Data
			}
			sections = append(sections, check.Section{Name: name, Result: check.Run(in)})
		}
	}
	return sections, texts, nil
}

func sectionName(g check.Group) string {
	switch {
	case g.Dir == "" && len(g.Files) > 0:
		return g.Files[0].Path
	case g.Dir == "" && len(g.Configs) > 0:
		return g.Configs[0]
	case g.Dir == ".":
		if wd, err := os.Getwd(); err == nil {
			return filepath.Base(wd)
		}
	}
	return filepath.ToSlash(g.Dir)
}

// checkConfigs reads mantle.hcl files; what is wrong with them is part of the
// result.
func (e *env) checkConfigs(in *check.Input, paths []string) error {
	for _, p := range paths {
		c, err := e.loadConfig(p)
		if bad, ok := errors.AsType[*config.Error](err); ok {
			in.Problems = append(in.Problems, bad.Problems...)
			continue
		}
		if err != nil {
			return err
		}
		in.Configs = append(in.Configs, c)
	}
	return nil
}

// mostRounds is how often --fix begins again: an edit may uncover another one.
const mostRounds = 5

// fixAll makes the edits of the findings and checks again; with --dry-run it
// prints them.
func (e *env) fixAll(ctx context.Context, f *checkFlags, args []string, sections []check.Section, texts map[string][]byte) ([]check.Section, error) {
	for range mostRounds {
		var all []check.Finding
		for _, s := range sections {
			all = append(all, s.Result.Findings...)
		}
		edits := check.Edits(all)
		n := 0
		for file, list := range edits {
			if !below(file, args) {
				e.talkf("mantle: %s is outside of what is checked and left alone\n", file)
				delete(edits, file)
				continue
			}
			n += len(list)
		}
		if f.dry {
			for _, file := range slices.Sorted(maps.Keys(edits)) {
				diff, err := check.Diff(file, texts[file], edits[file])
				if err != nil {
					return nil, failf(exitDenied, "%w", err)
				}
				e.printf("%s", diff)
			}
			e.talkf("mantle: %s in %s\n", count(n, "edit"), count(len(edits), "file"))
			return sections, nil
		}
		if n == 0 {
			break
		}
		if err := check.Write(edits, texts); err != nil {
			return nil, failf(exitDenied, "%w", err)
		}
		for _, file := range slices.Sorted(maps.Keys(edits)) {
			e.talkf("mantle: %s repaired (%s)\n", file, count(len(edits[file]), "edit"))
		}
		var err error
		if sections, texts, err = e.checkAll(ctx, f, args); err != nil {
			return nil, err
		}
	}
	return sections, nil
}

// below reports whether a file is one of the paths or below one.
func below(file string, paths []string) bool {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	full, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(paths, func(p string) bool {
		top, err := filepath.Abs(p)
		if err != nil {
			return false
		}
		rel, err := filepath.Rel(top, full)
		return err == nil && filepath.IsLocal(rel)
	})
}

// writeSections prints the result in the format asked for.
func (e *env) writeSections(f *checkFlags, sections []check.Section, threshold check.Severity) error {
	switch f.format {
	case "sarif":
		return check.WriteSARIF(e.Stdout, thisBuild().Version, sections)
	case "junit":
		return check.WriteJUnit(e.Stdout, sections, threshold)
	case "json":
		return writeJSON(e.Stdout, sections)
	}
	if err := check.WriteText(e.Stdout, sections); err != nil || !f.all {
		return err
	}
	for i := range sections {
		if err := check.WriteIdle(e.Stdout, &sections[i].Result); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(w io.Writer, sections []check.Section) error {
	type section struct {
		Name      string              `json:"name"`
		Counts    check.Counts        `json:"counts"`
		Findings  []check.Finding     `json:"findings"`
		Unchecked []check.Unchecked   `json:"notChecked"`
		Idle      map[string][]string `json:"nothingFor,omitempty"`
	}
	out := struct {
		Schema   string    `json:"schema"`
		Errors   int       `json:"errors"`
		Warnings int       `json:"warnings"`
		Infos    int       `json:"infos"`
		Sections []section `json:"sections"`
	}{Schema: schema, Sections: []section{}}
	for _, s := range sections {
		bad, warnings, infos := check.Count(s.Result.Findings)
		out.Errors, out.Warnings, out.Infos = out.Errors+bad, out.Warnings+warnings, out.Infos+infos
		out.Sections = append(out.Sections, section{s.Name, s.Result.Counts,
			append([]check.Finding{}, s.Result.Findings...), append([]check.Unchecked{}, s.Result.Unchecked...), s.Result.Idle})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (e *env) explainRule(id string) error {
	r, ok := check.Find(strings.ToUpper(id))
	if !ok {
		return usagef("there is no rule %s", id).withHint("mantle check --rules lists them")
	}
	var b bytes.Buffer
	if err := r.Explain(&b); err != nil {
		return err
	}
	return e.answer(map[string]any{"schema": schema, "rule": ruleJSON(r)}, func(w io.Writer) { w.Write(b.Bytes()) })
}

func (e *env) listRules() error {
	var list []map[string]any
	for _, r := range check.Rules() {
		list = append(list, ruleJSON(r))
	}
	return e.answer(map[string]any{"schema": schema, "rules": list}, func(w io.Writer) {
		for _, r := range check.Rules() {
			fmt.Fprintf(w, "%s  %-7s  %-6s  %s\n", r.ID, r.Severity, r.Verb, r.Title)
		}
	})
}

func ruleJSON(r check.Rule) map[string]any {
	return map[string]any{"id": r.ID, "severity": r.Severity, "title": r.Title, "verb": r.Verb, "why": r.Why, "page": r.Page, "wrong": r.Bad, "right": r.Good}
}
