// Package broker decides which role a caller may borrow, and lends it.
//
// One sentence holds the package: a caller fits a rule, the rule names a loan,
// the loan is answered with credentials.
//
//	Caller ──Rules.Decide──▶ Rule ──Loan.Resolve──▶ Loan ──lease──▶ Credentials
//	                                                          │
//	                                                          └── Lender (STS), once per loan
//
// The laws it keeps:
//
//   - A caller that fits no rule, or more than one, is refused. There is no
//     default role, so an unknown process never inherits the host's.
//   - One loan costs one call of the Lender however many callers wait for it,
//     and no caller that gives up takes the others with it.
//   - What is handed out has 25 minutes left while the Lender answers (half of
//     its life if the session is shorter than 50 minutes), because SDKs treat
//     credentials with less as expired or, worse, stretch them.
//   - A good credential is never lost: when renewal fails the last one is handed
//     out until shortly before it expires. Expired ones are never handed out.
//   - The session name of a workload is the same after every renewal and restart.
//   - Secrets cannot be printed.
//
// The package does no HTTP and reads no file; the Lender and whoever identified
// the caller do. DESIGN.md explains the choices.
//
// Files, in the order a request meets them: caller.go, rule.go, match.go,
// loan.go, name.go, validate.go, book.go, broker.go, lease.go, fetch.go,
// budget.go, run.go, credentials.go, errors.go, event.go.
package broker
