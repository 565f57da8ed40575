package dynamodb

import (
	"errors"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The errors of the API; statuses and name spaces come from its model.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html

func fail(code, format string, args ...any) error { return wire.Fail(code, 0, format, args...) }

// invalid is a ValidationException.
func invalid(format string, args ...any) error {
	return wire.Fail("ValidationException", 400, format, args...)
}

// badValues is a ValidationException about the combination of parameters.
func badValues(format string, args ...any) error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// noTable is how operations on items name a missing table: not at all.
func noTable() error { return fail("ResourceNotFoundException", "Requested resource not found") }

// noTableNamed is how operations on tables do.
func noTableNamed(name string) error {
	return fail("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}

func conditionFailed() error {
	return fail("ConditionalCheckFailedException", "The conditional request failed")
}

// unsupported names a parameter that the sandbox does not have.
func unsupported(parameter, cure string) error {
	return invalid("The sandbox does not support the parameter %s: %s", parameter, cure)
}

// prefixed puts words around the message of an error of the API.
func prefixed(before string, err error, after string) error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return wire.Fail(e.Code, e.Status, "%s", before+e.Message+after)
	}
	return err
}
