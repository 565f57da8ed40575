// Package iam is the sandbox's IAM: accounts, roles, users, groups, managed
// and inline policies, instance profiles and access keys, with the errors,
// quotas and quirks of AWS's.
//
// It plays two parts. As a [service.Service] it answers the IAM API: one row
// per operation in operations.go, the permissions of a row in checks.go, the
// handlers in a file per kind of entity. As a directory it tells the rest of
// the sandbox who is who: whose access key signed a call
// ([IAM.AccessKey]), which policies bind a caller ([IAM.Policies]), whether
// the role behind a session still exists ([IAM.Alive]), and which unique id
// stands for a principal in a resource policy ([IAM.StorePrincipals]).
//
// Entities are stored by unique id (AROA…, AIDA…), and names point to ids.
// All references between entities are ids, so renaming moves one pointer, and
// a role that is deleted and made again under its old name is another role:
// no trust policy, attachment or session of the old one applies to it.
//
// Secret access keys are kept in the state as they are, for without them no
// signature could be checked. They are shown once, by CreateAccessKey, as
// AWS does; the types that carry them print them redacted.
//
// The message texts are AWS's; where a comment names none, they come from the
// IAM API reference, https://docs.aws.amazon.com/IAM/latest/APIReference/,
// and the user guide, https://docs.aws.amazon.com/IAM/latest/UserGuide/.
package iam
