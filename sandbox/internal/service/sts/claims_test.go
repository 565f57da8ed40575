package sts

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

func claimsOf(t *testing.T, text string) *webToken {
	t.Helper()
	claims, err := readObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &webToken{claims: claims}
}

func TestConditionKeys(t *testing.T) {
	for _, row := range []struct{ issuer, claims, want string }{
		{"https://oidc.eks.eu-west-1.amazonaws.com/id/A1", `{"aud":["a"],"repository":"x","email":"m@example.com","kubernetes.io":{"pod":{}}}`,
			"oidc.eks.eu-west-1.amazonaws.com/id/A1:aud=a :email=m@example.com :sub=s"},
		{"https://token.actions.githubusercontent.com", `{"aud":"a","repository":"o/x","environment":"prod","actor_id":7,"run_id":"9"}`,
			"token.actions.githubusercontent.com:actor_id=7 :aud=a :environment=prod :repository=o/x :sub=s"},
		{"https://token.actions.githubusercontent.com/octo", `{"aud":"a","ref":"refs/heads/main"}`,
			"token.actions.githubusercontent.com/octo:aud=a :ref=refs/heads/main :sub=s"},
		{"https://token.actions.octo.ghe.com", `{"aud":"a","workflow":"w"}`, "token.actions.octo.ghe.com:aud=a :sub=s :workflow=w"},
		{"https://gitlab.com", `{"aud":"a","ref_protected":true,"amr":["pwd","mfa"]}`, "gitlab.com:amr=pwd,mfa :aud=a :ref_protected=true :sub=s"},
		{"https://example.com", `{"aud":["b","a"],"azp":"a"}`, "example.com:aud=a :oaud=b,a :sub=s"},
	} {
		_, host, _ := strings.Cut(row.issuer, "://")
		got := map[string]string{}
		for _, kv := range claimsOf(t, row.claims).conditionKeys(Provider{ARN: "arn:p", Issuer: row.issuer}, "s", "a") {
			if kv.Key != "aws:FederatedProvider" {
				got[strings.TrimPrefix(kv.Key, host)] = strings.Join(kv.Values, ",")
			}
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(got)) {
			parts = append(parts, k+"="+got[k])
		}
		if text := host + strings.Join(parts, " "); text != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.issuer, text, row.want)
		}
	}
}

func TestTokenTags(t *testing.T) {
	many := map[string]any{}
	for i := range 51 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	long, _ := json.Marshal(map[string]any{tagsClaim: map[string]any{"principal_tags": many}})
	for name, row := range map[string]struct{ claims, want string }{
		"none":             {`{}`, ""},
		"nested":           {`{"https://aws.amazon.com/tags":{"principal_tags":{"a":["1"],"b":"2"},"transitive_tag_keys":["B"]}}`, "a=1 b=2 transitive B"},
		"flat":             {`{"https://aws.amazon.com/tags/principal_tags/a":"1"}`, "a=1"},
		"two values":       {`{"https://aws.amazon.com/tags":{"principal_tags":{"a":["1","2"]}}}`, "error"},
		"object":           {`{"https://aws.amazon.com/tags":{"principal_tags":{"a":{}}}}`, "error"},
		"list of tags":     {`{"https://aws.amazon.com/tags":{"principal_tags":[]}}`, "error"},
		"not an object":    {`{"https://aws.amazon.com/tags":"a"}`, "error"},
		"keys by case":     {`{"https://aws.amazon.com/tags":{"principal_tags":{"a":"1","A":"2"}}}`, "error"},
		"reserved":         {`{"https://aws.amazon.com/tags/principal_tags/aws:x":"1"}`, "error"},
		"transitive alone": {`{"https://aws.amazon.com/tags":{"transitive_tag_keys":["a"]}}`, "error"},
		"too many":         {string(long), "error"},
	} {
		set, err := claimsOf(t, row.claims).sessionTags()
		got := "error"
		if err == nil {
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(set.all)) {
				parts = append(parts, k+"="+set.all[k])
			}
			if len(set.transitive) > 0 {
				parts = append(parts, "transitive "+strings.Join(set.transitive, ","))
			}
			got = strings.Join(parts, " ")
		}
		if got != row.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, row.want)
		}
	}
}

func TestSourceIdentityClaim(t *testing.T) {
	for claims, want := range map[string]string{
		`{}`: "", `{"https://aws.amazon.com/source_identity":"mira"}`: "mira",
		`{"https://aws.amazon.com/source_identity":"m"}`: "error", `{"https://aws.amazon.com/source_identity":"a b"}`: "error",
		`{"https://aws.amazon.com/source_identity":["mira"]}`: "error", `{"https://aws.amazon.com/source_identity":""}`: "error",
	} {
		got, err := claimsOf(t, claims).sourceIdentity()
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", claims, got, err, want)
		}
	}
}
