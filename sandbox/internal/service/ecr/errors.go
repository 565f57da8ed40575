package ecr

import "github.com/mantle-iam/mantle/sandbox/internal/wire"

// The errors of ECR have status 400, except ServerException.
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html

func fail(code, format string, args ...any) error { return wire.Fail(code, 400, format, args...) }

// invalid is the refusal of a parameter in ECR's words.
func invalid(parameter, format string, args ...any) error {
	return fail("InvalidParameterException", "Invalid parameter at '"+parameter+"' failed to satisfy constraint: '"+format+"'", args...)
}

func (r repository) missing() error {
	return fail("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", r.name, r.account)
}
