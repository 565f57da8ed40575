package ask

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A Verdict is the answer to a question.
type Verdict string

// The verdicts.
const (
	Allowed      Verdict = "allowed"       // whatever else the request says
	IfConditions Verdict = "allowed if"    // it depends on what the request says
	Denied       Verdict = "denied"        // whatever else the request says
	Undecided    Verdict = "cannot decide" // it depends on what is not in the data
)

// A Question asks whether somebody may do something.
type Question struct {
	Principal string // any spelling
	Action    string // "sts:AssumeRole", "s3:GetObject"
	Resource  string // any spelling; of sts:AssumeRole the role

	// Context are condition keys of the request, nil for none.
	Context *iam.Context

	// Tags and SourceIdentity say, of sts:AssumeRole, that session tags or a
	// source identity are passed.
	Tags, SourceIdentity bool

	// Observed says that the request was made and denied: keys that are not in
	// Context were absent.
	Observed bool
}

// Place is where a statement or policy was written.
type Place struct {
	Policy    string `json:"policy"`
	Statement int    `json:"statement"` // from 0; -1 if it is the whole policy
	Sid       string `json:"sid,omitempty"`
	tf.Position
	Address string `json:"address,omitempty"` // of the Terraform resource
}

// String is file:line if there is a file, else the policy and its statement.
func (p Place) String() string {
	s := p.Policy
	if p.Statement >= 0 {
		s += fmt.Sprintf(" #%d", p.Statement+1)
	}
	if p.Sid != "" {
		s += " " + p.Sid
	}
	if p.File != "" && p.Line > 0 {
		s += fmt.Sprintf(" (%s:%d)", p.File, p.Line)
	} else if p.File != "" {
		s += " (" + p.File + ")"
	}
	return s
}

// A Gap is something that is not in the data.
type Gap struct {
	Why string `json:"why"`
	tf.Position
	Address string `json:"address,omitempty"` // of the Terraform resource
}

// String is why, and where.
func (g Gap) String() string {
	switch {
	case g.File == "":
		return g.Why
	case g.Line == 0:
		return g.Why + " (" + g.File + ")"
	}
	return fmt.Sprintf("%s (%s:%d)", g.Why, g.File, g.Line)
}

func gaps(list []tf.Unknown) []Gap {
	var out []Gap
	for _, u := range list {
		if g := (Gap{u.Why, u.Where, u.Address}); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// A Condition is something about the request that decides.
type Condition struct {
	Place
	Effect   iam.Effect `json:"effect"` // a Deny's condition must not hold
	Operator string     `json:"operator"`
	Key      string     `json:"key"`
	Values   []string   `json:"values"`
}

// String is the condition in words: "sts:ExternalId is k-77".
func (c Condition) String() string {
	op := strings.TrimSuffix(c.Operator, "IfExists")
	set := ""
	if before, after, ok := strings.Cut(op, ":"); ok {
		set, op = before, after
	}
	verb := map[string]string{
		"StringEquals": "is", "StringEqualsIgnoreCase": "is", "ArnEquals": "is", "ArnLike": "is like", "StringLike": "is like",
		"Bool": "is", "NumericEquals": "is", "DateEquals": "is", "IpAddress": "is in", "NotIpAddress": "is not in",
		"StringNotEquals": "is not", "StringNotLike": "is not like", "ArnNotEquals": "is not", "ArnNotLike": "is not like",
	}[op]
	if verb == "" {
		verb = "passes " + op
	}
	s := c.Key + " " + verb + " " + strings.Join(c.Values, " or ")
	switch {
	case op == "Null" && slices.Equal(c.Values, []string{"true"}):
		s = c.Key + " is absent"
	case op == "Null":
		s = c.Key + " is present"
	case c.Operator == "Resource":
		s = "the resource is " + strings.Join(c.Values, " or ")
	case strings.HasSuffix(c.Operator, "IfExists"):
		s += " or is absent"
	}
	switch set {
	case "ForAnyValue":
		s = "one of " + s
	case "ForAllValues":
		s = "all of " + s
	}
	if c.Effect == iam.EffectDeny {
		s = "not: " + s
	}
	return s
}
