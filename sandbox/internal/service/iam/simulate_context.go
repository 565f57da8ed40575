package iam

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
)

// Condition keys of the simulator: those that a request gives values to, and
// those that policies ask for.

// contextOf reads ContextEntries. A list type makes a multivalued key, also
// of one value; without a type the number of values decides.
func contextOf(entries []types.ContextEntry) (*policy.Context, error) {
	ctx := policy.NewContext()
	for _, e := range entries {
		if e.ContextKeyName == nil {
			return nil, invalidInput("A context entry has no ContextKeyName.")
		}
		name := *e.ContextKeyName
		if _, twice := ctx.Get(name); twice {
			return nil, invalidInput("Duplicate context key: %s", name)
		}
		kind, list := strings.CutSuffix(string(e.ContextKeyType), "List")
		for _, v := range e.ContextKeyValues {
			if !isValue(kind, v) {
				return nil, invalidInput("Invalid context key value: %q of %s is not of type %s.", v, name, kind)
			}
		}
		switch {
		case list || kind == "" && len(e.ContextKeyValues) != 1:
			ctx.SetList(name, e.ContextKeyValues)
		case len(e.ContextKeyValues) == 1:
			ctx.Set(name, e.ContextKeyValues...)
		default:
			return nil, invalidInput("The context key %s of type %s has %d values; use the type %sList.", name, kind, len(e.ContextKeyValues), kind)
		}
	}
	return ctx, nil
}

// isValue tells whether text is a value of the type.
func isValue(kind, text string) bool {
	var err error
	switch kind {
	case "", "string":
	case "numeric":
		_, err = strconv.ParseFloat(text, 64)
	case "boolean":
		return strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
	case "ip":
		if _, err = netip.ParseAddr(text); err != nil {
			_, err = netip.ParsePrefix(text)
		}
	case "binary":
		_, err = base64.StdEncoding.DecodeString(text)
	case "date":
		if _, err = strconv.ParseInt(text, 10, 64); err == nil {
			return true
		}
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"} {
			if _, err = time.Parse(layout, text); err == nil {
				return true
			}
		}
	default:
		return false
	}
	return err == nil
}

// principalKeys adds what is known of a simulated user or role without being
// told, unless the request says otherwise.
func (c *call) principalKeys(ctx *policy.Context, e *entity) {
	add := func(key, value string) {
		if _, given := ctx.Get(key); !given {
			ctx.Set(key, value)
		}
	}
	for _, t := range e.Tags {
		add("aws:PrincipalTag/"+t.Key, t.Value)
	}
	add("aws:PrincipalAccount", e.Account)
	switch e.Kind {
	case userKind:
		add("aws:PrincipalArn", c.entityARN(e))
		add("aws:PrincipalType", "User")
		add("aws:userid", e.ID)
		add("aws:username", e.Name)
	case roleKind:
		add("aws:PrincipalArn", c.entityARN(e))
		add("aws:PrincipalType", "AssumedRole")
	}
}

// keySet collects condition keys in the order in which they are met. Case
// does not tell keys apart.
type keySet struct {
	names []string
	seen  map[string]bool
}

func (k *keySet) add(name string) {
	lower := strings.ToLower(name)
	if k.seen[lower] {
		return
	}
	if k.seen == nil {
		k.seen = map[string]bool{}
	}
	k.seen[lower] = true
	k.names = append(k.names, name)
}

// addStatement adds the keys that a statement asks for: those of its
// conditions, and policy variables.
func (k *keySet) addStatement(p *policy.Policy, st policy.Statement) {
	vars := p.Version() == "2012-10-17"
	if vars {
		for _, r := range st.Resources {
			k.addVariables(r)
		}
	}
	for _, c := range st.Conditions {
		k.add(c.Key)
		if vars && takesVariables(c.Operator) {
			for _, v := range c.Values {
				k.addVariables(v)
			}
		}
	}
}

// takesVariables tells whether variables are replaced in the values of an
// operator: "IAM policy elements: Variables and tags".
func takesVariables(operator string) bool {
	if _, after, ok := strings.Cut(operator, ":"); ok {
		operator = after // ForAnyValue:, ForAllValues:
	}
	return strings.HasPrefix(operator, "String") || strings.HasPrefix(operator, "Arn") || strings.HasPrefix(operator, "Bool")
}

// addVariables adds the keys of ${key} and ${key, 'default'}; ${*}, ${?} and
// ${$} stand for themselves.
func (k *keySet) addVariables(text string) {
	for {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return
		}
		body, after, ok := strings.Cut(rest, "}")
		if !ok {
			return
		}
		key, _, _ := strings.Cut(body, ",")
		if key = strings.TrimSpace(key); key != "" && key != "*" && key != "?" && key != "$" {
			k.add(key)
		}
		text = after
	}
}

// contextKeys are the keys that policies ask for.
func contextKeys(sets ...[]source) []string {
	found := keySet{names: []string{}}
	for _, set := range sets {
		for _, s := range set {
			for st := range s.policy.Statements() {
				found.addStatement(s.policy, st)
			}
		}
	}
	return found.names
}

func (c *call) getContextKeysForCustomPolicy(in *api.GetContextKeysForCustomPolicyInput) (*api.GetContextKeysForCustomPolicyOutput, error) {
	given, err := inputPolicies(policy.Identity, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForCustomPolicyOutput{ContextKeyNames: contextKeys(given)}, nil
}

func (c *call) getContextKeysForPrincipalPolicy(in *api.GetContextKeysForPrincipalPolicyInput) (*api.GetContextKeysForPrincipalPolicyOutput, error) {
	e, err := c.sourceEntity(in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	identity, boundary, err := c.sources(e)
	if err != nil {
		return nil, err
	}
	given, err := inputPolicies(policy.Identity, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: contextKeys(identity, boundary, given)}, nil
}
