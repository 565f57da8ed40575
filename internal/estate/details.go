package estate

import (
	"fmt"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
)

// File is a file that was read.
type File struct {
	Path string
	Data []byte
}

// FromDetails is the estate of the accounts in outputs of aws iam
// get-account-authorization-details, several for each account or for several
// accounts. They say nothing of resources.
func FromDetails(files ...File) (*Estate, error) {
	e := New()
	parts := map[string][]*account.Account{}
	for _, f := range files {
		a, err := account.Parse(f.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if a.ID == "" {
			return nil, fmt.Errorf("%s: no user, role, group or policy says which account this is", f.Path)
		}
		e.Source = append(e.Source, f.Path)
		parts[a.ID] = append(parts[a.ID], a)
	}
	for _, id := range sortedKeys(parts) {
		a, err := account.Merge(parts[id]...)
		if err != nil {
			return nil, err
		}
		e.Accounts[id] = a
		e.profiles(a)
	}
	e.settle()
	return e, nil
}

// profiles notes the instance profiles of roles.
func (e *Estate) profiles(a *account.Account) {
	for _, r := range a.Roles {
		for _, p := range r.Profiles {
			e.Uses = append(e.Uses, Use{Role: r.ARN, Kind: "instance profile", Name: p.Name, Account: a.ID})
		}
	}
}

// AddSCP puts one level of service control policies over an account, below
// those that are there. A level that allows nothing gets FullAWSAccess, which
// every organization attaches.
func (e *Estate) AddSCP(id string, level ...File) error {
	var docs []*iam.Policy
	for _, f := range level {
		p, err := iam.Parse(iam.SCP, f.Path, f.Data)
		if err != nil {
			return err
		}
		docs = append(docs, p)
	}
	e.SCPs[id] = append(e.SCPs[id], withFullAccess("scp", docs))
	return nil
}
