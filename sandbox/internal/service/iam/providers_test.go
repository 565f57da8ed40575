package iam

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

func TestOpenIDConnectProviders(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := worldOver(t, st, Options{})
	url := "https://oidc.eks.eu-west-1.amazonaws.com/id/A1"
	arn := "arn:aws:iam::" + testAccount + ":oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A1"
	print := strings.Repeat("9e", 20)
	made := must[api.CreateOpenIDConnectProviderOutput](w, "CreateOpenIDConnectProvider", &api.CreateOpenIDConnectProviderInput{
		Url: &url, ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: []string{print}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	})
	if *made.OpenIDConnectProviderArn != arn {
		t.Errorf("ARN %s, want %s", *made.OpenIDConnectProviderArn, arn)
	}
	if len(w.checks) != 2 || w.checks[0].Action != "iam:CreateOpenIDConnectProvider" || w.checks[0].Resource != arn || w.checks[1].Action != "iam:TagOpenIDConnectProvider" {
		t.Errorf("checks %+v", w.checks)
	}
	fails[api.CreateOpenIDConnectProviderOutput](w, "CreateOpenIDConnectProvider", &api.CreateOpenIDConnectProviderInput{Url: &url}, "EntityAlreadyExists", 409, "Provider with url "+url+" already exists.")
	for _, bad := range []string{"http://example.com", "example.com", "https://example.com:8443", "https://example.com?x=1", "https://u@example.com", "https://", "ftp://example.com"} {
		fails[api.CreateOpenIDConnectProviderOutput](w, "CreateOpenIDConnectProvider", &api.CreateOpenIDConnectProviderInput{Url: &bad}, "ValidationError", 400, "Invalid Open ID Connect Provider URL")
	}
	for _, bad := range [][]string{{"short"}, {strings.Repeat("x", 40)}, {print, print, print, print, print, print}} {
		other := "https://example.com"
		if _, err := try[api.CreateOpenIDConnectProviderOutput](w, "CreateOpenIDConnectProvider", &api.CreateOpenIDConnectProviderInput{Url: &other, ThumbprintList: bad}); err == nil {
			t.Errorf("thumbprints %v are accepted", bad)
		}
	}

	must[api.AddClientIDToOpenIDConnectProviderOutput](w, "AddClientIDToOpenIDConnectProvider", &api.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("app")})
	must[api.AddClientIDToOpenIDConnectProviderOutput](w, "AddClientIDToOpenIDConnectProvider", &api.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("app")})
	must[api.RemoveClientIDFromOpenIDConnectProviderOutput](w, "RemoveClientIDFromOpenIDConnectProvider", &api.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("sts.amazonaws.com")})
	must[api.UpdateOpenIDConnectProviderThumbprintOutput](w, "UpdateOpenIDConnectProviderThumbprint", &api.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: []string{strings.Repeat("1f", 20)}})
	must[api.TagOpenIDConnectProviderOutput](w, "TagOpenIDConnectProvider", &api.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("b")}, {Key: aws.String("x"), Value: aws.String("")}}})
	must[api.UntagOpenIDConnectProviderOutput](w, "UntagOpenIDConnectProvider", &api.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, TagKeys: []string{"X"}})
	if got, want := w.checks[0].Context[0].Key+"="+w.checks[0].Context[0].Values[0], "aws:ResourceTag/Team=b"; got != want {
		t.Errorf("resource tag %s, want %s", got, want)
	}
	if p, ok := w.OIDCProvider(testAccount, url); !ok || p.ARN != arn || !slices.Equal(p.ClientIDs, []string{"app"}) {
		t.Errorf("OIDCProvider %+v %t", p, ok)
	}
	for _, other := range []string{"http" + strings.TrimPrefix(url, "https"), url + "/", "https://example.com", ""} {
		if p, ok := w.OIDCProvider(testAccount, other); ok {
			t.Errorf("issuer %s finds %+v", other, p)
		}
	}
	if s := must[api.GetAccountSummaryOutput](w, "GetAccountSummary", &api.GetAccountSummaryInput{}); s.SummaryMap["Providers"] != 1 {
		t.Errorf("%d providers in the summary", s.SummaryMap["Providers"])
	}

	// Everything is there after a restart.
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	w = worldOver(t, st, Options{})
	got := must[api.GetOpenIDConnectProviderOutput](w, "GetOpenIDConnectProvider", &api.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if *got.Url != strings.TrimPrefix(url, "https://") || !slices.Equal(got.ClientIDList, []string{"app"}) || !slices.Equal(got.ThumbprintList, []string{strings.Repeat("1f", 20)}) || len(got.Tags) != 1 || *got.Tags[0].Value != "b" {
		t.Errorf("provider %+v", got)
	}
	if list := must[api.ListOpenIDConnectProvidersOutput](w, "ListOpenIDConnectProviders", &api.ListOpenIDConnectProvidersInput{}); len(list.OpenIDConnectProviderList) != 1 || *list.OpenIDConnectProviderList[0].Arn != arn {
		t.Errorf("list %+v", list.OpenIDConnectProviderList)
	}
	if tags := must[api.ListOpenIDConnectProviderTagsOutput](w, "ListOpenIDConnectProviderTags", &api.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: &arn}); len(tags.Tags) != 1 {
		t.Errorf("tags %+v", tags.Tags)
	}
	must[api.DeleteOpenIDConnectProviderOutput](w, "DeleteOpenIDConnectProvider", &api.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	must[api.DeleteOpenIDConnectProviderOutput](w, "DeleteOpenIDConnectProvider", &api.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	fails[api.GetOpenIDConnectProviderOutput](w, "GetOpenIDConnectProvider", &api.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}, "NoSuchEntity", 404, "OpenIDConnect Provider not found for arn "+arn)
}

func TestSAMLProviders(t *testing.T) {
	w := newWorld(t, Options{})
	doc := func(attrs, body string) *string {
		return new(`<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com" ` + attrs + `>` + body + `<!--` + strings.Repeat(" ", 1000) + `--></md:EntityDescriptor>`)
	}
	const idp = `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"></md:IDPSSODescriptor>`
	arn := "arn:aws:iam::" + testAccount + ":saml-provider/corp"
	made := must[api.CreateSAMLProviderOutput](w, "CreateSAMLProvider", &api.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: doc("", idp)})
	if *made.SAMLProviderArn != arn || w.checks[0].Resource != arn {
		t.Errorf("ARN %s at %s, want %s", *made.SAMLProviderArn, w.checks[0].Resource, arn)
	}
	got := must[api.GetSAMLProviderOutput](w, "GetSAMLProvider", &api.GetSAMLProviderInput{SAMLProviderArn: &arn})
	if *got.SAMLMetadataDocument != *doc("", idp) || got.ValidUntil.Sub(*got.CreateDate) < 99*365*24*time.Hour {
		t.Errorf("provider until %s", got.ValidUntil)
	}
	must[api.UpdateSAMLProviderOutput](w, "UpdateSAMLProvider", &api.UpdateSAMLProviderInput{SAMLProviderArn: &arn, SAMLMetadataDocument: doc(`validUntil="2030-01-02T03:04:05Z"`, idp)})
	list := must[api.ListSAMLProvidersOutput](w, "ListSAMLProviders", &api.ListSAMLProvidersInput{})
	if len(list.SAMLProviderList) != 1 || !list.SAMLProviderList[0].ValidUntil.Equal(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("list %+v", list.SAMLProviderList)
	}
	must[api.TagSAMLProviderOutput](w, "TagSAMLProvider", &api.TagSAMLProviderInput{SAMLProviderArn: &arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}})
	must[api.UntagSAMLProviderOutput](w, "UntagSAMLProvider", &api.UntagSAMLProviderInput{SAMLProviderArn: &arn, TagKeys: []string{"a"}})
	if tags := must[api.ListSAMLProviderTagsOutput](w, "ListSAMLProviderTags", &api.ListSAMLProviderTagsInput{SAMLProviderArn: &arn}); len(tags.Tags) != 1 || *tags.Tags[0].Key != "b" {
		t.Errorf("tags %+v", tags.Tags)
	}

	fails[api.CreateSAMLProviderOutput](w, "CreateSAMLProvider", &api.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: doc("", idp)}, "EntityAlreadyExists", 409, "corp")
	fails[api.CreateSAMLProviderOutput](w, "CreateSAMLProvider", &api.CreateSAMLProviderInput{Name: aws.String("a b"), SAMLMetadataDocument: doc("", idp)}, "ValidationError", 400, "name")
	for name, bad := range map[string]*string{
		"no descriptor": doc("", ""), "another root": new(strings.ReplaceAll(*doc("", idp), "EntityDescriptor", "Other")),
		"no entity": new(strings.Replace(*doc("", idp), "entityID", "id", 1)), "cut short": new((*doc("", idp))[:1100]), "bad date": doc(`validUntil="soon"`, idp),
	} {
		if _, err := try[api.CreateSAMLProviderOutput](w, "CreateSAMLProvider", &api.CreateSAMLProviderInput{Name: aws.String("x"), SAMLMetadataDocument: bad}); code(err) != "InvalidInput" {
			t.Errorf("%s: %v, want InvalidInput", name, err)
		}
	}
	fails[api.CreateSAMLProviderOutput](w, "CreateSAMLProvider", &api.CreateSAMLProviderInput{Name: aws.String("x"), SAMLMetadataDocument: doc("", idp), AddPrivateKey: aws.String("k")}, "InvalidInput", 400, "does not implement")
	must[api.DeleteSAMLProviderOutput](w, "DeleteSAMLProvider", &api.DeleteSAMLProviderInput{SAMLProviderArn: &arn})
	fails[api.DeleteSAMLProviderOutput](w, "DeleteSAMLProvider", &api.DeleteSAMLProviderInput{SAMLProviderArn: &arn}, "NoSuchEntity", 404, arn)
}

// FuzzSpans holds that the simulator finds every statement of a policy that
// the engine reads, in order, and each whole.
func FuzzSpans(f *testing.F) {
	f.Add(allowAll)
	f.Add(`{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"},"Version":"2012-10-17"}`)
	f.Add("{\"Statement\" : [ {\"Effect\":\"Deny\",\"Action\":\"a:b\",\"Resource\":\"*\"} ,\r\n{\"Effect\":\"Allow\",\"Action\":\"a:}\",\"Resource\":\"*\"}]}")
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := policy.Parse(policy.Identity, "", []byte(doc))
		if err != nil {
			return
		}
		all := spans(doc)
		if len(all) != p.Len() {
			t.Fatalf("%d spans of %d statements in %q", len(all), p.Len(), doc)
		}
		last := 0
		for i, s := range all {
			if s.start < last || s.end <= s.start || doc[s.end-1] != '}' {
				t.Errorf("statement %d is at %d-%d after %d in %q", i, s.start, s.end, last, doc)
			}
			st := p.Statement(i)
			if at := place(doc, s.end); int(at.Line) < st.Line {
				t.Errorf("statement %d starts in line %d and ends in line %d", i, st.Line, at.Line)
			}
			last = s.end
		}
	})
}
