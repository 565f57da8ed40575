package iam

import (
	"fmt"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The errors of the API. Codes and statuses are those of "Common errors" and
// of each operation in the IAM API reference.

func noSuchEntity(format string, args ...any) error {
	return wire.Fail("NoSuchEntity", 404, "%s", fmt.Sprintf(format, args...))
}

func alreadyExists(format string, args ...any) error {
	return wire.Fail("EntityAlreadyExists", 409, "%s", fmt.Sprintf(format, args...))
}

func deleteConflict(what string) error {
	return wire.Fail("DeleteConflict", 409, "%s", what)
}

func limitExceeded(format string, args ...any) error {
	return wire.Fail("LimitExceeded", 409, "%s", fmt.Sprintf(format, args...))
}

func quotaExceeded(quota string, n int) error {
	return limitExceeded("Cannot exceed quota for %s: %d", quota, n)
}

func invalidInput(format string, args ...any) error {
	return wire.Fail("InvalidInput", 400, "%s", fmt.Sprintf(format, args...))
}

func validationError(format string, args ...any) error {
	return wire.Fail("ValidationError", 400, "%s", fmt.Sprintf(format, args...))
}

func unmodifiable(name string) error {
	return wire.Fail("UnmodifiableEntity", 400, "%s", "Cannot perform the operation on the protected role '"+name+"' - this role is only modifiable by an AWS service")
}

func policyNotAttachable(arn string) error {
	return wire.Fail("PolicyNotAttachable", 400, "%s", "Cannot attach a Service Role Policy to a Customer Role. Policy: "+arn)
}

// missing is the NoSuchEntity error of a kind.
func missing(k kind, name string) error {
	switch k {
	case roleKind:
		return noSuchEntity("The role with name %s cannot be found.", name)
	case userKind:
		return noSuchEntity("The user with name %s cannot be found.", name)
	case groupKind:
		return noSuchEntity("The group with name %s cannot be found.", name)
	case profileKind:
		return noSuchEntity("Instance Profile %s cannot be found.", name)
	default:
		return noSuchEntity("Policy %s was not found.", name)
	}
}

// exists is the EntityAlreadyExists error of a kind.
func exists(k kind, name string) error {
	switch k {
	case roleKind:
		return alreadyExists("Role with name %s already exists.", name)
	case userKind:
		return alreadyExists("User with name %s already exists.", name)
	case groupKind:
		return alreadyExists("Group with name %s already exists.", name)
	case profileKind:
		return alreadyExists("Instance Profile %s already exists.", name)
	default:
		return alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", name)
	}
}
