package ecr

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// tokenLife is how long a registry's password is good for, also where it was
// made with a session that ends before.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
const tokenLife = 12 * time.Hour

// keys holds the one key that passwords are sealed with.
var keys = store.NewTable[[]byte]("ecr.key")

// User is the user name that goes with every password.
const User = "AWS"

// errPassword is all that a caller learns of a password that does not open.
var errPassword = errors.New("the password was not made by ecr get-login-password of this sandbox")

// Login is what a password says: whose credentials it was made with. It
// travels sealed in the password itself, so that a password costs no row,
// outlives a restart, and is known to every process on the same state.
type Login struct {
	// AccessKeyID is the key that signed GetAuthorizationToken, and
	// SessionToken the session token that came with it, empty for a key of
	// long life.
	AccessKeyID  string `json:"k"`
	SessionToken string `json:"t,omitempty"`
	// Expires is the end of the password.
	Expires time.Time `json:"e"`
}

// String names the key; the session token is a secret.
func (l Login) String() string { return "login of " + l.AccessKeyID }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// LogValue is String.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// OpenPassword reads a password that GetAuthorizationToken made. Whether it
// has expired, and whether the key still is good, is the caller's to judge.
func (s *ECR) OpenPassword(password string) (Login, error) {
	raw, err := base64.StdEncoding.DecodeString(password)
	if err != nil {
		return Login{}, errPassword
	}
	var key []byte
	if err := s.store.View(func(tx *store.Tx) error {
		key, _ = keys.Get(tx, "login")
		return nil
	}); err != nil {
		return Login{}, err
	}
	if key == nil {
		return Login{}, errPassword // none was ever made
	}
	aead, err := sealing(key)
	if err != nil {
		return Login{}, err
	}
	if len(raw) < aead.NonceSize() {
		return Login{}, errPassword
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(User))
	if err != nil {
		return Login{}, errPassword
	}
	var l Login
	if err := json.Unmarshal(plain, &l); err != nil {
		return Login{}, errPassword
	}
	return l, nil
}

func sealing(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of the registry's passwords: %w", err)
	}
	return cipher.NewGCM(block)
}

// password seals a login.
func (c *call) password(l Login) (string, error) {
	key, ok := keys.Get(c.tx, "login")
	if !ok {
		key = make([]byte, 32)
		rand.Read(key) // never fails
		keys.Put(c.tx, "login", key)
	}
	aead, err := sealing(key)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("seal the %v: %w", l, err)
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(User))), nil
}

// getAuthorizationToken makes the password of docker login. It is good for
// every registry in which its owner may do something, whichever was named.
func (c *call) getAuthorizationToken(in *api.GetAuthorizationTokenInput) (*api.GetAuthorizationTokenOutput, error) {
	ids := in.RegistryIds
	if len(ids) == 0 {
		ids = []string{c.req.Account()}
	}
	l := Login{AccessKeyID: c.req.Caller.AccessKeyID, Expires: c.now().Add(tokenLife)}
	if c.req.Caller.Session != nil {
		h := c.req.Call.HTTP
		if l.SessionToken = h.Header.Get("X-Amz-Security-Token"); l.SessionToken == "" {
			l.SessionToken = h.URL.Query().Get("X-Amz-Security-Token")
		}
	}
	out := &api.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{}}
	for _, id := range ids {
		password, err := c.password(l)
		if err != nil {
			return nil, err
		}
		out.AuthorizationData = append(out.AuthorizationData, types.AuthorizationData{
			AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte(User + ":" + password))),
			ExpiresAt:          &l.Expires,
			ProxyEndpoint:      new("https://" + c.host(c.registry(&id))),
		})
	}
	return out, nil
}
