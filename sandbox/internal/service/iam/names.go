package iam

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// inputs collects what is wrong with the parameters of a call and reports it
// as IAM does: constraint violations together, in one ValidationError.
type inputs struct {
	found []string
	err   error // an error that has its own message, the first wins
}

func (in *inputs) constraint(field, value, format string, args ...any) {
	shown := "'" + value + "'"
	in.found = append(in.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: ", shown, field)+fmt.Sprintf(format, args...))
}

func (in *inputs) null(field string) {
	in.found = append(in.found, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", field))
}

// result is the error of all that was found, nil if nothing was.
func (in *inputs) result() error {
	switch n := len(in.found); {
	case n == 1:
		return validationError("1 validation error detected: %s", in.found[0])
	case n > 1:
		return validationError("%d validation errors detected: %s", n, strings.Join(in.found, "; "))
	}
	return in.err
}

// length checks a required text's length in characters.
func (in *inputs) length(field string, value *string, least, most int) bool {
	if value == nil {
		in.null(field)
		return false
	}
	switch n := utf8.RuneCountInString(*value); {
	case n < least:
		in.constraint(field, *value, "Member must have length greater than or equal to %d", least)
	case n > most:
		in.constraint(field, *value, "Member must have length less than or equal to %d", most)
	default:
		return true
	}
	return false
}

// name checks the name of an entity or inline policy.
func (in *inputs) name(field string, value *string, most int) {
	if in.length(field, value, 1, most) && in.err == nil && strings.ContainsFunc(*value, notNameRune) {
		in.err = validationError("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", field)
	}
}

func notNameRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("+=,.@_-", r)
}

// path checks an optional path: "/" or "/…/" of visible ASCII, the stricter
// alphabet of names for managed policies.
func (in *inputs) path(field string, value *string, k kind) {
	if value == nil || !in.length(field, value, 1, 512) || in.err != nil {
		return
	}
	p := *value
	good := strings.HasPrefix(p, "/") && strings.HasSuffix(p, "/")
	for _, r := range p {
		if r != '/' && (r < '!' || r > '~' || k == policyKind && notNameRune(r)) {
			good = false
		}
	}
	if k == policyKind && strings.Contains(p, "//") {
		good = false
	}
	if !good {
		in.err = validationError("The specified value for %s is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.", field)
	}
}

// arn checks the form of a managed policy's ARN parameter.
func (in *inputs) arn(field string, value *string) {
	if in.length(field, value, 20, 2048) && in.err == nil {
		if _, _, ok := splitPolicyARN(*value); !ok {
			in.err = invalidInput("ARN %s is not valid.", *value)
		}
	}
}

// splitPolicyARN takes an ARN of a managed policy apart: its account ("aws"
// for AWS's own) and path with name, which begins with a slash.
func splitPolicyARN(arn string) (account, resource string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] != "iam" || parts[3] != "" || parts[4] == "" {
		return "", "", false
	}
	resource, ok = strings.CutPrefix(parts[5], "policy")
	return parts[4], resource, ok && strings.HasPrefix(resource, "/") && !strings.HasSuffix(resource, "/")
}

// The lengths of names. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxName     = 64
	maxLongName = 128 // groups, policies, instance profiles
)

// field is the parameter that names an entity of a kind, limit its length.
func (k kind) field() (field string, limit int) {
	switch k {
	case roleKind:
		return "roleName", maxName
	case userKind:
		return "userName", maxName
	case groupKind:
		return "groupName", maxLongName
	case profileKind:
		return "instanceProfileName", maxLongName
	default:
		return "policyName", maxLongName
	}
}

// checkName checks the parameter that names an entity of a kind.
func checkName(k kind, name *string) error {
	var in inputs
	field, limit := k.field()
	in.name(field, name, limit)
	return in.result()
}
