package ec2

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// paginate takes a page out of a whole listing. Without MaxResults everything
// is one page, as in EC2. Tokens hold the key of the last item shown; keys
// must be in the order of items.
func paginate[T any](items []T, limit *int32, token *string, key func(T) string) ([]T, *string, error) {
	if token != nil && *token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil || len(raw) == 0 {
			return nil, nil, wire.Fail("InvalidNextToken", 400, "The token '%s' is invalid", *token)
		}
		for len(items) > 0 && key(items[0]) <= string(raw) {
			items = items[1:]
		}
	}
	if limit != nil {
		n := int(*limit)
		if n < 1 || n > 1000 {
			return nil, nil, invalid("Value ( %d ) for parameter maxResults is invalid. Expecting a value between 1 and 1000.", n)
		}
		if len(items) > n {
			items = items[:n:n]
			return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))), nil
		}
	}
	if items == nil {
		items = []T{}
	}
	return items, nil, nil
}

// invalid is the most frequent error.
func invalid(format string, args ...any) *wire.Error {
	return wire.Fail("InvalidParameterValue", 400, format, args...)
}

// lacking is the error for a parameter that is not there.
func lacking(name string) *wire.Error {
	return wire.Fail("MissingParameter", 400, "The request must contain the parameter %s", name)
}

// combination is the error for parameters that exclude each other.
func combination(format string, args ...any) *wire.Error {
	return wire.Fail("InvalidParameterCombination", 400, format, args...)
}

// unsupported is the error for what AWS has and the sandbox has not.
func unsupported(what string) *wire.Error {
	return wire.Fail("UnsupportedOperation", 400, "The sandbox does not implement %s.", what)
}

// dependency is the error for deleting what is in use.
func dependency(format string, args ...any) *wire.Error {
	return wire.Fail("DependencyViolation", 400, format, args...)
}

// sortBy puts a listing in the order that paginate needs.
func sortBy[T any](items []T, key func(T) string) {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// noKind is the error for instance types that are not in the table.
func noKind(names []string) *wire.Error {
	return wire.Fail("InvalidInstanceType", 400, "The following supplied instance types do not exist: [%s]", strings.Join(names, ", "))
}
