package ask

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/iam"
)

// A Claim is a claim of a token beside what a trust policy wants of it.
type Claim struct {
	Key      string   `json:"key"` // of the condition: "token.actions.githubusercontent.com:sub"
	Name     string   `json:"claim"`
	Operator string   `json:"operator,omitempty"`
	Got      []string `json:"token,omitempty"`  // empty if the token has none
	Want     []string `json:"policy,omitempty"` // empty if the policy does not ask
	OK       bool     `json:"ok"`
	Note     string   `json:"note,omitempty"`
}

// A TokenCase is a token held against a role.
type TokenCase struct {
	Role     string      `json:"role"`
	Issuer   string      `json:"issuer"`
	Provider string      `json:"provider"` // ARN that the trust policy has to name
	Verdict  Verdict     `json:"verdict"`
	Outcome  iam.Outcome `json:"outcome"`
	Reason   string      `json:"reason"`
	Claims   []Claim     `json:"claims"`
	Notes    []string    `json:"notes,omitempty"`
}

// ExplainToken holds the claims of an OpenID Connect token against the trust
// policy of a role. The signature is not checked: that is AWS's business, and
// the token's own issuer is needed for it. The error tells, without its text,
// what is wrong with the token.
//
// See "Available keys for AWS OIDC federation" in the IAM User Guide.
func (a *Asker) ExplainToken(token, role string, now time.Time) (*TokenCase, error) {
	p, err := a.roleNamed(role)
	if err != nil {
		return nil, err
	}
	claims, err := readToken(token)
	if err != nil {
		return nil, err
	}
	issuer, _ := claims["iss"].(string)
	host := strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/")
	if host == "" {
		return nil, fmt.Errorf("the token has no issuer (iss)")
	}
	arn, err := iam.ParseARN(p.arn)
	if err != nil {
		return nil, err
	}
	c := &TokenCase{Role: p.arn, Issuer: issuer, Provider: "arn:" + arn.Partition + ":iam::" + arn.Account + ":oidc-provider/" + host}
	provider := c.Provider
	if host == "accounts.google.com" || host == "www.amazon.com" || host == "graph.facebook.com" || host == "cognito-identity.amazonaws.com" {
		provider = host
		c.Provider = host
	}
	context := iam.NewContext()
	got := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		values, list := claimValues(claims[name])
		if len(values) == 0 {
			continue
		}
		key := name
		switch name {
		case "aud":
			// The party that the token was made for goes before the audience.
			if azp, ok := claims["azp"].(string); ok {
				context.Set(host+":oaud", values[0])
				got["oaud"] = values
				values, list = []string{azp}, false
			}
		case "azp", "iss", "exp", "iat", "nbf", "jti":
			continue
		}
		got[key] = values
		if list {
			context.SetList(host+":"+key, values)
		} else {
			context.Set(host+":"+key, values[0])
		}
	}
	question := Question{Action: "sts:AssumeRoleWithWebIdentity", Context: context}
	x := a.asking(context).answer(question, caller{class: otherClass, principal: iam.Principal{Type: iam.Federated, ARN: provider}}, p.arn)
	c.Verdict, c.Outcome, c.Reason = x.Verdict, x.Outcome, x.Reason
	if x.Verdict == IfConditions && x.Outcome != iam.Allow {
		// The token says all that the request will say.
		c.Verdict = Denied
	}
	a.claims(c, p, provider, host, got)
	if exp, ok := claims["exp"].(float64); ok {
		if t := time.Unix(int64(exp), 0); now.After(t) {
			c.Notes = append(c.Notes, "the token expired "+t.UTC().Format(time.RFC3339)+": AWS says ExpiredTokenException, whatever the policy says")
		}
	}
	return c, nil
}

// claims compares the conditions of the statements for the provider.
func (a *Asker) claims(c *TokenCase, p *person, provider, host string, got map[string][]string) {
	named := false
	for st := range p.role.Trust.Statements() {
		if st.Effect != iam.EffectAllow || !slices.ContainsFunc(st.Principals, func(x iam.StatementPrincipal) bool {
			return x.Kind == "Federated" && x.Value == provider || x.Value == "*"
		}) {
			for _, x := range st.Principals {
				if x.Kind == "Federated" && strings.EqualFold(x.Value, provider) {
					c.Notes = append(c.Notes, "the provider differs in case only: "+x.Value)
				}
			}
			continue
		}
		named = true
		if !st.Covers("sts:AssumeRoleWithWebIdentity") {
			c.Notes = append(c.Notes, "the statement for the provider does not allow sts:AssumeRoleWithWebIdentity but "+strings.Join(st.Actions, ", "))
		}
		for _, cond := range st.Conditions {
			name, ok := cutFold(cond.Key, host+":")
			if !ok {
				if i := strings.LastIndexByte(cond.Key, ':'); i > 0 && strings.Contains(cond.Key[:i], ".") {
					c.Notes = append(c.Notes, cond.Key+" is a key of another provider than "+host)
				}
				continue
			}
			claim := Claim{Key: cond.Key, Name: name, Operator: cond.Operator, Want: cond.Values, Got: got[strings.ToLower(name)]}
			if claim.Got == nil {
				claim.Got = got[name]
			}
			claim.OK = one(p, cond, claim.Got, host+":"+name)
			claim.Note = claimNote(&claim)
			c.Claims = append(c.Claims, claim)
		}
	}
	if !named {
		c.Notes = append(c.Notes, "the trust policy does not name "+provider+" as Federated principal")
	}
	for _, name := range []string{"sub", "aud"} {
		if named && !slices.ContainsFunc(c.Claims, func(x Claim) bool { return strings.EqualFold(x.Name, name) }) {
			c.Claims = append(c.Claims, Claim{Key: host + ":" + name, Name: name, Got: got[name], OK: true, Note: "the policy does not ask for it: any will do"})
		}
	}
}

// one decides a condition alone.
func one(p *person, cond iam.StatementCondition, got []string, key string) bool {
	doc := statementsJSON{Version: p.role.Trust.Version(), Statement: []statementJSON{{
		Effect: "Allow", Principal: map[string][]string{"Federated": {"x"}}, Action: []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: map[string]map[string][]string{cond.Operator: {cond.Key: cond.Values}},
	}}}
	src, err := json.Marshal(doc)
	if err != nil {
		return false
	}
	policy, err := iam.Parse(iam.Trust, "condition", src)
	if err != nil {
		return false
	}
	context := iam.NewContext()
	switch {
	case len(got) == 1:
		context.Set(key, got[0])
	case len(got) > 1:
		context.SetList(key, got)
	}
	set := iam.Policies{Resource: policy, Trust: true}
	d := set.Decide(&iam.Request{Principal: iam.Principal{Type: iam.Federated, ARN: "x"}, Action: "sts:AssumeRoleWithWebIdentity", Resource: p.arn, ResourceAccount: p.account, Context: context})
	return d.Allowed()
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// claimNote says what is special about a comparison.
func claimNote(c *Claim) string {
	if strings.HasPrefix(c.Operator, "ForAllValues:") {
		return "ForAllValues also holds if the token has no such claim: use " + strings.TrimPrefix(c.Operator, "ForAllValues:")
	}
	if c.OK {
		return ""
	}
	if len(c.Got) == 0 {
		return "the token has no such claim"
	}
	for _, w := range c.Want {
		if strings.EqualFold(w, c.Got[0]) {
			return "they differ in case only"
		}
		if strings.ContainsAny(w, "*?") && strings.HasPrefix(c.Operator, "StringEquals") && iam.MatchPattern(w, c.Got[0]) {
			return c.Operator + " takes * literally: use StringLike"
		}
		gotKind, wantKind := subKind(c.Got[0]), subKind(w)
		if gotKind != "" && wantKind != "" && gotKind != wantKind {
			return "the token is for " + gotKind + ", the policy for " + wantKind
		}
	}
	return ""
}

// subKind is what the subject of a token of GitHub is about.
func subKind(sub string) string {
	f := strings.SplitN(sub, ":", 4)
	if len(f) < 3 || f[0] != "repo" {
		return ""
	}
	switch f[2] {
	case "environment", "ref", "pull_request":
		return map[string]string{"environment": "an environment", "ref": "a branch or tag", "pull_request": "a pull request"}[f[2]]
	}
	return ""
}

// readToken reads the claims of a token, which it does not repeat in errors.
func readToken(token string) (map[string]any, error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("this is no token: a JSON Web Token has three parts with dots between them, this has %d", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, fmt.Errorf("the second part of the token is not base64url")
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil {
		return nil, fmt.Errorf("the second part of the token is no JSON object")
	}
	return claims, nil
}

// claimValues are the values of a claim as condition keys have them.
func claimValues(v any) (values []string, list bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, false
	case bool:
		return []string{fmt.Sprint(v)}, false
	case float64:
		return []string{fmt.Sprintf("%.0f", v)}, false
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				values = append(values, s)
			}
		}
		return values, len(values) != 1
	}
	return nil, false
}

// WriteToken prints a comparison.
func (a *Asker) WriteToken(w io.Writer, c *TokenCase) {
	fmt.Fprintf(w, "%s  token of %s as %s\n", strings.ToUpper(string(c.Verdict)), c.Issuer, a.Name(c.Role))
	for _, x := range c.Claims {
		mark, sign := "✓", "="
		if !x.OK {
			mark, sign = "✗", "≠"
		}
		token, policy := strings.Join(x.Got, " "), strings.Join(x.Want, " or ")
		if len(x.Got) == 0 {
			token = "(none)"
		}
		if len(x.Want) == 0 {
			fmt.Fprintf(w, "  %s %s: token %s\n", mark, x.Name, token)
		} else {
			fmt.Fprintf(w, "  %s %s: token %s %s policy %s (%s)\n", mark, x.Name, token, sign, policy, x.Operator)
		}
		if x.Note != "" {
			fmt.Fprintf(w, "      %s\n", x.Note)
		}
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "  note  %s\n", n)
	}
}
