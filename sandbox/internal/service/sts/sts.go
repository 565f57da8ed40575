// Package sts is the sandbox's Security Token Service.
//
// The files follow a session's life: assume.go and federation.go make
// sessions on request, webidentity.go those for the tokens of identity
// providers (read and verified in jwt.go, with keys from keys.go, and turned
// into condition keys in claims.go), saml.go those for the assertions of SAML
// providers (read in saml_response.go and saml_attributes.go), vend.go makes those that a service (an
// instance, a task) hands to a workload, token.go seals them into the token
// that the client carries, identity.go tells a caller who it is and what
// temporary credentials may not do. authorization.go seals and opens the
// messages that say why a call was refused.
//
// Rules and texts follow the AWS STS API Reference and the IAM User Guide,
// "Temporary security credentials in IAM".
package sts

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Role is what STS needs to know of a role.
type Role struct {
	ARN, Name, ID, Account string
	// Trust is the compiled trust policy.
	Trust *iam.Policy
	// MaxSession is the role's MaxSessionDuration.
	MaxSession time.Duration
	Tags       map[string]string
}

// Directory is what STS asks of IAM.
type Directory interface {
	// Role finds a role by its ARN, path included.
	Role(arn string) (Role, bool)
	// Policy tells whether a managed policy exists for the account.
	Policy(account, arn string) bool
	// NewID makes a unique id with a four-letter prefix that encodes the
	// account, as AWS's ids do.
	NewID(prefix, account string) string
	// AccountOf tells which account an access key id belongs to.
	AccountOf(accessKeyID string) (string, bool)
	// Tags are the tags of the caller's user or role, session tags included.
	Tags(c *service.Caller) map[string]string
	// Provider finds the OpenID Connect provider that an account has for an
	// issuer.
	Provider(account, issuer string) (Provider, bool)
	// SAMLProvider finds a SAML provider by its ARN.
	SAMLProvider(arn string) (SAMLProvider, bool)
}

// Options are the choices of the service. The zero value is the default.
type Options struct {
	// Keys fetches the JSON Web Key Set of an OpenID Connect issuer. Nil is
	// [FetchKeys], which asks the issuer.
	Keys func(ctx context.Context, issuer string) ([]byte, error)
}

// STS is the service.
type STS struct {
	dir  Directory
	seal *sealer
	keys keyring
}

// keyTable holds the one key that session tokens are sealed with.
var keyTable = store.NewTable[[]byte]("sts.key")

// New opens the service on a store. The sealing key is made on first use
// and kept, so that sessions survive a restart on the same state.
func New(st *store.Store, dir Directory, opt Options) (*STS, error) {
	var key []byte
	err := st.Update(func(tx *store.Tx) error {
		if k, ok := keyTable.Get(tx, "seal"); ok {
			key = k
			return nil
		}
		key = make([]byte, 32)
		rand.Read(key)
		keyTable.Put(tx, "seal", key)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	seal, err := newSealer(key)
	if err != nil {
		return nil, err
	}
	if opt.Keys == nil {
		opt.Keys = FetchKeys
	}
	return &STS{dir: dir, seal: seal, keys: keyring{fetch: opt.Keys}}, nil
}

// Name is the signing name.
func (s *STS) Name() string { return "sts" }

// Operations is the table of the service.
func (s *STS) Operations() []service.Operation {
	identity := service.Op("GetCallerIdentity", noChecks, s.getCallerIdentity)
	identity.Always = true
	session := service.Op("GetSessionToken", noChecks, s.getSessionToken)
	session.Always = true
	web := service.Op("AssumeRoleWithWebIdentity", s.webIdentityChecks, s.assumeRoleWithWebIdentity)
	web.Anonymous = true
	saml := service.Op("AssumeRoleWithSAML", s.samlChecks, s.assumeRoleWithSAML)
	saml.Anonymous = true
	return []service.Operation{
		service.Op("AssumeRole", s.assumeRoleChecks, s.assumeRole),
		web,
		saml,
		service.Op("GetFederationToken", s.getFederationTokenChecks, s.getFederationToken),
		service.Op("GetAccessKeyInfo", onAll("sts:GetAccessKeyInfo", accessKeyInfoInput{}), s.getAccessKeyInfo),
		service.Op("DecodeAuthorizationMessage", onAll("sts:DecodeAuthorizationMessage", decodeInput{}), s.decodeAuthorizationMessage),
		identity,
		session,
	}
}

func noChecks[In any](*service.Request, *In) ([]service.Check, error) { return nil, nil }

// onAll makes the checks of an action that has no resource-level permission.
func onAll[In any](action string, _ In) func(*service.Request, *In) ([]service.Check, error) {
	return func(*service.Request, *In) ([]service.Check, error) {
		return []service.Check{{Action: action, Resource: "*"}}, nil
	}
}

// Open turns the token of temporary credentials back into the caller and
// the secret that its calls are signed with. The error of a token that does
// not belong to the key says so; an expired session opens, with its expiry
// in the past, so that the caller can be told that it has expired.
func (s *STS) Open(accessKeyID, token string) (service.Caller, string, error) {
	c, err := s.seal.open(accessKeyID, token)
	if err != nil {
		return service.Caller{}, "", err
	}
	return c.Caller(accessKeyID), s.seal.secretKey(accessKeyID), nil
}

// issue makes credentials for the claims.
func (s *STS) issue(c *Claims) (*types.Credentials, error) {
	id := s.dir.NewID("ASIA", c.Account)
	token, err := s.seal.seal(id, c)
	if err != nil {
		return nil, err
	}
	return &types.Credentials{
		AccessKeyId:     aws.String(id),
		SecretAccessKey: aws.String(s.seal.secretKey(id)),
		SessionToken:    aws.String(token),
		Expiration:      aws.Time(c.Session.Expires),
	}, nil
}

func validation(format string, args ...any) *wire.Error {
	return wire.Fail("ValidationError", 400, format, args...)
}

func denied(format string, args ...any) *wire.Error {
	return wire.Fail("AccessDenied", 403, format, args...)
}
