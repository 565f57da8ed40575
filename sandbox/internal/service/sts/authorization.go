package sts

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// An authorization message says why a call was refused. A service that hands
// one out (EC2) seals it, because "the details of the authorization status can
// contain privileged information that the user who requested the operation
// should not see" (AWS STS API Reference, DecodeAuthorizationMessage).

// maxMessage is the longest message that can be decoded, in characters.
const maxMessage = 10240

// items is how the message writes lists.
type items[T any] struct {
	Items []T `json:"items"`
}

type messageValue struct {
	Value string `json:"value"`
}

type messageCondition struct {
	Key    string              `json:"key"`
	Values items[messageValue] `json:"values"`
}

type messageStatement struct {
	ID         string                  `json:"statementId"`
	Effect     string                  `json:"effect"`
	Principals items[messageValue]     `json:"principals"`
	Groups     items[messageValue]     `json:"principalGroups"`
	Actions    items[messageValue]     `json:"actions"`
	Resources  items[messageValue]     `json:"resources"`
	Conditions items[messageCondition] `json:"conditions"`
}

type messagePrincipal struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	ARN  string `json:"arn"`
}

type messageContext struct {
	Principal  messagePrincipal        `json:"principal"`
	Action     string                  `json:"action"`
	Resource   string                  `json:"resource"`
	Conditions items[messageCondition] `json:"conditions"`
}

type authorizationMessage struct {
	Allowed      bool                    `json:"allowed"`
	ExplicitDeny bool                    `json:"explicitDeny"`
	Matched      items[messageStatement] `json:"matchedStatements"`
	Failures     items[struct{}]         `json:"failures"`
	Context      messageContext          `json:"context"`
}

func values(texts []string) items[messageValue] {
	out := items[messageValue]{Items: []messageValue{}}
	for _, t := range texts {
		out.Items = append(out.Items, messageValue{t})
	}
	return out
}

// EncodeAuthorization seals a decision on a request of the caller's, as the
// text after "Encoded authorization failure message:". Callers of the same
// account who may call sts:DecodeAuthorizationMessage can read it.
func (s *STS) EncodeAuthorization(caller *service.Caller, r *iam.Request, d iam.Decision) string {
	m := authorizationMessage{
		Allowed: d.Allowed(), ExplicitDeny: d.Outcome == iam.ExplicitDeny,
		Matched:  items[messageStatement]{Items: []messageStatement{}},
		Failures: items[struct{}]{Items: []struct{}{}},
		Context: messageContext{
			Principal: messagePrincipal{ID: caller.UserID, ARN: caller.ARN}, Action: r.Action, Resource: r.Resource,
			Conditions: items[messageCondition]{Items: []messageCondition{}},
		},
	}
	if caller.Type == iam.User {
		m.Context.Principal.Name = caller.Name
	}
	for key, list := range r.Context.All() {
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, messageCondition{key, values(list)})
	}
	if d.Policy != nil && d.Statement >= 0 {
		m.Matched.Items = append(m.Matched.Items, statementOf(d.Policy.Statement(d.Statement), caller))
	}
	sealed := s.seal.message(caller.Account, m)
	if len(sealed) > maxMessage {
		// Fifty tags of full length do not fit; the request itself does.
		m.Context.Conditions.Items, m.Matched.Items = []messageCondition{}, []messageStatement{}
		sealed = s.seal.message(caller.Account, m)
	}
	return sealed
}

func statementOf(st iam.Statement, caller *service.Caller) messageStatement {
	m := messageStatement{
		ID: st.Sid, Effect: strings.ToUpper(st.Effect.String()),
		Principals: values(nil), Groups: values(nil),
		Actions: values(st.Actions), Resources: values(st.Resources),
		Conditions: items[messageCondition]{Items: []messageCondition{}},
	}
	for _, p := range st.Principals {
		m.Principals.Items = append(m.Principals.Items, messageValue{p.Value})
	}
	if !st.HasPrincipal && caller.ID != "" {
		m.Principals.Items = append(m.Principals.Items, messageValue{caller.ID})
	}
	for _, c := range st.Conditions {
		m.Conditions.Items = append(m.Conditions.Items, messageCondition{c.Key, values(c.Values)})
	}
	return m
}

// messageData keeps messages and session tokens apart: neither opens as the
// other, and a message opens in its own account only.
func messageData(account string) []byte { return []byte("authorization message " + account) }

func (s *sealer) message(account string, m authorizationMessage) string {
	plain, _ := json.Marshal(m) // texts, lists and booleans marshal
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression)
	w.Write(plain)
	w.Close()
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, packed.Bytes(), messageData(account)))
}

func (s *sealer) openMessage(account, text string) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return "", false
	}
	packed, err := s.aead.Open(nil, raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():], messageData(account))
	if err != nil {
		return "", false
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxClaims))
	return string(plain), err == nil
}

// decodeAuthorizationMessage opens a message of the caller's account.
func (s *STS) decodeAuthorizationMessage(_ context.Context, r *service.Request, in *sdk.DecodeAuthorizationMessageInput) (*sdk.DecodeAuthorizationMessageOutput, error) {
	plain, ok := s.seal.openMessage(r.Caller.Account, strings.TrimSpace(aws.ToString(in.EncodedMessage)))
	if !ok {
		return nil, wire.Fail("InvalidAuthorizationMessageException", 400, "The message is not an authorization message of account %s", r.Caller.Account)
	}
	return &sdk.DecodeAuthorizationMessageOutput{DecodedMessage: aws.String(plain)}, nil
}
