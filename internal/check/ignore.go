package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/internal/tf"
)

// ignoreComment is a comment that takes findings of one rule or several away:
//
//	# mantle:ignore T107 the account holds nothing else
//
// It counts for the line that it stands in, and for what begins on the line
// below the comment; above a Terraform block, for the whole block.
var ignoreComment = regexp.MustCompile(`(?:#|//|;)\s*mantle:ignore\s+([A-Z][0-9]{3}(?:\s*,\s*[A-Z][0-9]{3})*)[ \t]*([^\r\n]*)`)

// An ignore is one such comment.
type ignore struct {
	rules      []string
	reason     string
	where      tf.Range
	first, end int // lines that it counts for, both included
}

// ignores are the comments of every file that has findings or could have.
func (in *Input) ignores() map[string][]ignore {
	if in.facts.ignores != nil {
		return in.facts.ignores
	}
	out := map[string][]ignore{}
	texts := map[string][]byte{}
	for _, w := range in.facts.worlds {
		for name, data := range w.Files {
			texts[name] = data
		}
	}
	for _, f := range in.Files {
		texts[f.Path] = f.Data
	}
	for name, data := range texts {
		for _, m := range ignoreComment.FindAllSubmatchIndex(data, -1) {
			ig := ignore{where: placeIn(name, data, m[0], m[1]), reason: strings.TrimSpace(string(data[m[4]:m[5]]))}
			for r := range strings.SplitSeq(string(data[m[2]:m[3]]), ",") {
				ig.rules = append(ig.rules, strings.TrimSpace(r))
			}
			ig.first, ig.end = ig.where.Line, ig.where.Line
			if begin := m[0] - lineStart(data, m[0]); strings.TrimSpace(string(data[m[0]-begin:m[0]])) == "" {
				ig.end++ // a comment of its own is about what follows
			}
			out[name] = append(out[name], ig)
		}
	}
	for _, w := range in.facts.worlds {
		for _, r := range w.Resources {
			for i, ig := range out[r.Where.File] {
				if r.Where.Line != ig.end {
					continue
				}
				if data := w.Files[r.Where.File]; r.Where.End <= len(data) && r.Where.End > r.Where.Start {
					out[r.Where.File][i].end = max(ig.end, placeIn(r.Where.File, data, r.Where.End, r.Where.End).Line)
				}
			}
		}
	}
	in.facts.ignores = out
	return out
}

func lineStart(data []byte, at int) int {
	for at > 0 && data[at-1] != '\n' {
		at--
	}
	return at
}

// withoutIgnored leaves out what comments with a reason ignore.
func (in *Input) withoutIgnored(all []Finding) []Finding {
	blocks := map[string]map[string]string{}
	for _, w := range in.facts.worlds {
		for _, r := range w.Resources {
			if len(r.Ignored) > 0 {
				blocks[r.Address] = r.Ignored
			}
		}
	}
	ignores := in.ignores()
	return slices.DeleteFunc(all, func(f Finding) bool {
		if blocks[f.Address][f.Rule] != "" {
			return true
		}
		return slices.ContainsFunc(ignores[f.Where.File], func(ig ignore) bool {
			return ig.reason != "" && slices.Contains(ig.rules, f.Rule) && ig.first <= f.Where.Line && f.Where.Line <= ig.end
		})
	})
}

func ignoreWithoutReason(in *Input, add func(Finding)) {
	ignores := in.ignores()
	for _, name := range sortedKeys(ignores) {
		for _, ig := range ignores[name] {
			if ig.reason == "" {
				add(Finding{Where: ig.where, Message: "mantle:ignore without a reason does not count", Cure: "say why after the rule: # mantle:ignore " + strings.Join(ig.rules, ",") + " REASON"})
				continue
			}
			for _, id := range ig.rules {
				if _, ok := Find(id); !ok {
					add(Finding{Where: ig.where, Message: fmt.Sprintf("there is no rule %s to ignore", id), Cure: "mantle check --rules lists them"})
				}
			}
		}
	}
}

func unreadable(in *Input, add func(Finding)) {
	for _, f := range in.facts.broken {
		add(f)
	}
	for _, p := range in.Problems {
		add(Finding{Where: atConfig(p.Position), Message: p.Summary, Cure: p.Hint})
	}
	if e := in.facts.estate; e != nil {
		for _, u := range e.Unknown {
			if u.Wrong && !in.refused(u.Address) {
				add(Finding{Where: tf.Range{Position: u.Where}, Address: u.Address, Message: "Terraform refuses it: " + u.Why, Cure: "repair it; terraform validate says more"})
			}
		}
	}
	for _, x := range in.Files {
		if x.Kind != Policy {
			continue
		}
		if root, err := readNode(x.Data); err != nil || root.kind != '{' {
			add(Finding{Where: tf.Range{Position: tf.Position{File: x.Path, Line: 1, Column: 1}}, Message: "not a JSON object" + because(err), Cure: "write one JSON object with Version and Statement"})
		}
	}
}

// refused reports whether a resource has a policy that the engine cannot read:
// other rules say why.
func (in *Input) refused(address string) bool {
	return slices.ContainsFunc(in.facts.documents, func(d *document) bool { return d.policy == nil && d.address == address })
}
