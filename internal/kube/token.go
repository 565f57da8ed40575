package kube

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// claims are what a service account token says of itself,
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens.
// They are believed only after the API server has verified the token; before,
// they save it from being asked about what cannot be right.
type claims struct {
	Audience  audience `json:"aud"`
	Expires   float64  `json:"exp"`
	NotBefore float64  `json:"nbf"`
	Subject   string   `json:"sub"`
	Bound     struct {
		Namespace string `json:"namespace"`
		Pod       *struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
		Node *struct {
			Name string `json:"name"`
		} `json:"node"`
	} `json:"kubernetes.io"`
}

// audience is one string or several, RFC 7519 section 4.1.3.
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// maxToken is the length in bytes of the longest token that is looked at.
const maxToken = 12 << 10

// readClaims reads the claims of a token, which has to be a signed JWT in
// compact form (RFC 7515 section 3.1). The fault says what it is not.
func readClaims(token string) (c claims, fault string) {
	if len(token) > maxToken {
		return c, "token is too long"
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, "token contains an invalid number of segments"
	}
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		switch {
		case err != nil || len(b) == 0:
			return c, "token is malformed: a segment is not base64url"
		case i == 0:
			var head struct {
				Algorithm string `json:"alg"`
			}
			if json.Unmarshal(b, &head) != nil || head.Algorithm == "" || strings.EqualFold(head.Algorithm, "none") {
				return c, "token is unverifiable: it names no algorithm"
			}
		case i == 1 && json.Unmarshal(b, &c) != nil:
			return c, "token is malformed: its claims are not JSON"
		}
	}
	return c, ""
}

// expires is when the token ends; the zero time if it does not say.
func (c *claims) expires() time.Time {
	if c.Expires <= 0 || c.Expires > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(c.Expires), 0)
}

// account are the namespace and the name of the service account.
func account(subject string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != "" && !strings.Contains(name, ":")
}
