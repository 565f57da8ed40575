package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Key is a long-term access key that the sandbox made.
type Key struct{ ID, Secret string }

// String hides the secret.
func (k Key) String() string { return "access key " + k.ID }

// GoString hides the secret.
func (k Key) GoString() string { return k.String() }

// Account is an account of the sandbox with its first two identities.
type Account struct {
	Name, ID string
	Root     Key
	// Admin is the key of the user NAME-admin, who has AdministratorAccess.
	Admin Key
}

// names remembers what the accounts were called when they were made: the
// account alias is the account's own to change.
var names = store.NewTable[string]("sandbox.accounts")

// AddAccount makes an account, with a root key and an administrator. An
// account that the state already has keeps what it has.
func (s *Server) AddAccount(name, id string) (Account, error) {
	defer s.late.settle()
	return s.account(name, id)
}

func (s *Server) account(name, id string) (Account, error) {
	key, err := s.iam.CreateAccount(id, name)
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", name, err)
	}
	err = s.store.Update(func(tx *store.Tx) error {
		if was, ok := names.Get(tx, id); ok {
			name = was
			return nil
		}
		names.Put(tx, id, name)
		return nil
	})
	return Account{
		Name: name, ID: id,
		Root:  Key{key.Key.ID, key.Key.Secret},
		Admin: Key{key.Admin.ID, key.Admin.Secret},
	}, err
}

// Accounts lists the accounts in the order of their ids, those that were
// made by an earlier run on the same state included.
func (s *Server) Accounts() ([]Account, error) {
	made := map[string]string{}
	err := s.store.View(func(tx *store.Tx) error {
		for id, name := range names.Range(tx, "") {
			made[id] = name
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var list []Account
	for _, id := range slices.Sorted(maps.Keys(made)) {
		a, err := s.account(made[id], id)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// loads remembers what has been loaded into an account, so that a sandbox
// with state can be started with the same arguments again.
var loads = store.NewTable[bool]("sandbox.loads")

// Load brings IAM of a real account into an account: the JSON that `aws iam
// get-account-authorization-details` prints, in one or several files. It is
// taken whole or not at all, and not a second time. Positions in the error
// are those of the file.
func (s *Server) Load(id string, files ...[]byte) error {
	var all []*account.Account
	sum := sha256.New()
	for _, f := range files {
		a, err := account.Parse(f)
		if err != nil {
			return err
		}
		all = append(all, a)
		sum.Write(f)
	}
	key := id + "/" + hex.EncodeToString(sum.Sum(nil))
	done := false
	loaded := func(tx *store.Tx) error {
		_, done = loads.Get(tx, key)
		return nil
	}
	if err := s.store.View(loaded); err != nil || done {
		return err
	}
	whole, err := account.Merge(all...)
	if err != nil {
		return err
	}
	defer s.late.settle()
	err = s.iam.Load(id, whole, func(tx *store.Tx) error {
		loads.Put(tx, key, true)
		return nil
	})
	if err != nil && s.store.View(loaded) == nil && done {
		return nil // another sandbox on the same state was faster
	}
	return err
}
