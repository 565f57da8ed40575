package sts

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

func sealerFor(t testing.TB) *STS {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	seal, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return &STS{seal: seal}
}

func TestAuthorizationMessage(t *testing.T) {
	s := sealerFor(t)
	caller := service.Caller{
		Principal: iam.Principal{Type: iam.AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/Developer/Ana", Account: "111122223333", Issuer: "arn:aws:iam::111122223333:role/Developer", ID: "AROAEXAMPLE"},
		Name:      "Developer", UserID: "AROAEXAMPLE:Ana",
	}
	doc, err := iam.Parse(iam.Identity, "guard", []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"Small","Effect":"Deny","Action":"ec2:RunInstances","Resource":"*","Condition":{"StringNotEquals":{"ec2:InstanceType":["t2.micro","t2.small"]}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r := &iam.Request{Principal: caller.Principal, Action: "ec2:RunInstances", Resource: "arn:aws:ec2:us-east-1:111122223333:instance/*", ResourceAccount: "111122223333", Context: iam.NewContext()}
	r.Context.Set("ec2:InstanceType", "m5.large")
	policies := iam.Policies{Identity: []*iam.Policy{doc}}
	sealed := s.EncodeAuthorization(&caller, r, policies.Decide(r))
	if strings.Contains(sealed, "m5.large") || strings.ContainsAny(sealed, "+/= ") {
		t.Errorf("message %q is not opaque text", sealed)
	}
	open := func(account, text string) (string, error) {
		c := caller
		c.Account = account
		out, err := s.decodeAuthorizationMessage(t.Context(), &service.Request{Caller: c}, &sdk.DecodeAuthorizationMessageInput{EncodedMessage: &text})
		if err != nil {
			return "", err
		}
		return *out.DecodedMessage, nil
	}
	got, err := open("111122223333", sealed)
	if err != nil {
		t.Fatal(err)
	}
	// The form is that of the example in the AWS STS API Reference.
	want := `{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"Small","effect":"DENY",` +
		`"principals":{"items":[{"value":"AROAEXAMPLE"}]},"principalGroups":{"items":[]},"actions":{"items":[{"value":"ec2:RunInstances"}]},` +
		`"resources":{"items":[{"value":"*"}]},"conditions":{"items":[{"key":"ec2:InstanceType","values":{"items":[{"value":"t2.micro"},{"value":"t2.small"}]}}]}}]},` +
		`"failures":{"items":[]},"context":{"principal":{"id":"AROAEXAMPLE:Ana","arn":"arn:aws:sts::111122223333:assumed-role/Developer/Ana"},` +
		`"action":"ec2:RunInstances","resource":"arn:aws:ec2:us-east-1:111122223333:instance/*","conditions":{"items":[{"key":"ec2:InstanceType","values":{"items":[{"value":"m5.large"}]}}]}}}`
	if got != want {
		t.Errorf("message\n%s\nwant\n%s", got, want)
	}
	session, err := s.seal.seal("ASIAEXAMPLE", &Claims{Account: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"changed": sealed[:len(sealed)-2] + "AA", "empty": "", "not base64": "%%%", "short": "AAAA", "session token": session} {
		if _, err := open("111122223333", text); !isInvalidMessage(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open("444455556666", sealed); !isInvalidMessage(err) {
		t.Errorf("in another account: %v", err)
	}
	if _, err := s.seal.open("111122223333", sealed); err == nil {
		t.Error("the message opens as a session token")
	}
}

func isInvalidMessage(err error) bool {
	e, ok := errors.AsType[*wire.Error](err)
	return ok && e.Code == "InvalidAuthorizationMessageException" && e.Status == 400
}

// TestLongAuthorizationMessage holds that a message of any request can be
// decoded: DecodeAuthorizationMessage takes 10,240 characters.
func TestLongAuthorizationMessage(t *testing.T) {
	s := sealerFor(t)
	caller := service.Caller{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"}, Name: "mira"}
	r := &iam.Request{Principal: caller.Principal, Action: "ec2:CreateTags", Resource: "*", Context: iam.NewContext()}
	for i := range 50 {
		value := make([]byte, 128)
		rand.Read(value)
		r.Context.Set(fmt.Sprintf("aws:RequestTag/%d", i), fmt.Sprintf("%x", value))
	}
	sealed := s.EncodeAuthorization(&caller, r, iam.Decision{Statement: -1})
	if len(sealed) > maxMessage {
		t.Fatalf("%d characters", len(sealed))
	}
	plain, ok := s.seal.openMessage("111122223333", sealed)
	var m authorizationMessage
	if err := json.Unmarshal([]byte(plain), &m); !ok || err != nil || m.Context.Principal.Name != "mira" || m.Context.Action != "ec2:CreateTags" {
		t.Errorf("message %q, %v", plain, err)
	}
}

func FuzzAuthorizationMessage(f *testing.F) {
	s := sealerFor(f)
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := s.decodeAuthorizationMessage(t.Context(), &service.Request{Caller: service.Caller{Principal: iam.Principal{Account: "111122223333"}}},
			&sdk.DecodeAuthorizationMessageInput{EncodedMessage: aws.String(text)})
		if !isInvalidMessage(err) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
