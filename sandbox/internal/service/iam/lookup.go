package iam

import "github.com/mantle-iam/mantle/sandbox/internal/store"

// HasPolicy tells whether the account can use the managed policy of this
// ARN: one of its own, or one of AWS's.
func (s *IAM) HasPolicy(account, arn string) bool {
	ok := false
	s.store.View(func(tx *store.Tx) error {
		p, found := s.findPolicy(tx, arn)
		ok = found && (p.Account == account || p.Account == "aws")
		return nil
	})
	return ok
}
