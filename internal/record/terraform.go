package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Terraform is the policy as a data source aws_iam_policy_document called name,
// in the format of terraform fmt, each action with how often it was used.
func (d *Draft) Terraform(name string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "data \"aws_iam_policy_document\" %s {\n", quoted(name))
	for i, s := range d.Policy.Statement {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "statement {\nsid = %s\nactions = [\n", quoted(s.Sid))
		for _, action := range s.Action {
			fmt.Fprintf(&b, "%s, # %s\n", quoted(action), d.times(action, s))
		}
		b.WriteString("]\nresources = [\n")
		for _, r := range s.Resource {
			fmt.Fprintf(&b, "%s,\n", quoted(r))
		}
		b.WriteString("]\n")
		for _, test := range slices.Sorted(maps.Keys(s.Condition)) {
			for _, key := range slices.Sorted(maps.Keys(s.Condition[test])) {
				fmt.Fprintf(&b, "condition {\ntest = %s\nvariable = %s\nvalues = [%s]\n}\n", quoted(test), quoted(key), quoted(s.Condition[test][key]))
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n")
	return hclwrite.Format([]byte(b.String()))
}

// times says how often a statement's action was asked for.
func (d *Draft) times(action string, s Statement) string {
	calls, denied := 0, 0
	for _, u := range d.Used {
		if u.Action == action && slices.Contains(s.Resource, u.Resource) && u.PassedTo == s.Condition["StringEquals"]["iam:PassedToService"] {
			calls, denied = calls+u.Calls, denied+u.Denied
		}
	}
	out := fmt.Sprintf("seen %d×", calls)
	if denied > 0 {
		out += fmt.Sprintf(", denied %d×", denied)
	}
	return out
}

func quoted(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }
