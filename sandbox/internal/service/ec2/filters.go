package ec2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Filters: names and values are case-sensitive, the values of one filter are
// alternatives, all filters must match, * and ? are wildcards and \ takes
// their meaning away.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html

// fields maps the names of filters to the values of an item.
type fields[T any] map[string]func(T) []string

// filter keeps the items that match. tags may be nil where items have none.
func filter[T any](items []T, filters []types.Filter, by fields[T], tags func(T) []types.Tag) ([]T, error) {
	for _, f := range filters {
		name := aws.ToString(f.Name)
		if name == "" {
			return nil, lacking("Filter.Name")
		}
		values, err := valuesOf(name, by, tags)
		if err != nil {
			return nil, err
		}
		if len(f.Values) == 0 {
			return nil, invalid("The filter '%s' has no values", name)
		}
		items = slices.DeleteFunc(slices.Clone(items), func(v T) bool {
			return !slices.ContainsFunc(values(v), func(s string) bool {
				return slices.ContainsFunc(f.Values, func(p string) bool { return wildcard(p, s) })
			})
		})
	}
	return items, nil
}

func valuesOf[T any](name string, by fields[T], tags func(T) []types.Tag) (func(T) []string, error) {
	if values, ok := by[name]; ok {
		return values, nil
	}
	key, isKey := strings.CutPrefix(name, "tag:")
	if tags == nil || !isKey && name != "tag-key" && name != "tag-value" {
		return nil, invalid("The filter '%s' is invalid", name)
	}
	return func(v T) (out []string) {
		for _, t := range tags(v) {
			switch {
			case name == "tag-key":
				out = append(out, *t.Key)
			case name == "tag-value" || *t.Key == key:
				out = append(out, *t.Value)
			}
		}
		return out
	}, nil
}

// wildcard matches a text against a pattern, in linear time for any pattern
// of practical length: on a mismatch only the last * is tried again.
func wildcard(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == s[i]:
			p, i = p+2, i+1
		case p < len(pattern) && pattern[p] != '\\' && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// The values of filters.

func str(p *string) []string {
	if p == nil {
		return nil
	}
	return []string{*p}
}

func enum[S ~string](s S) []string {
	if s == "" {
		return nil
	}
	return []string{string(s)}
}

func flag(p *bool) []string { return []string{strconv.FormatBool(aws.ToBool(p))} }

func number[N ~int32 | ~int64](p *N) []string {
	if p == nil {
		return nil
	}
	return []string{strconv.FormatInt(int64(*p), 10)}
}

// each collects the values of a list.
func each[T any](list []T, value func(T) []string) (out []string) {
	for _, v := range list {
		out = append(out, value(v)...)
	}
	return out
}

// pick keeps the items with the ids asked for; an id that names none is an
// error. No ids means all.
func pick[T any](items []T, ids []string, n noun, id func(T) string) ([]T, error) {
	if len(ids) == 0 {
		return items, nil
	}
	for _, want := range ids {
		if err := n.checkID(want); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(items, func(v T) bool { return id(v) == want }) {
			return nil, n.gone(want)
		}
	}
	return slices.DeleteFunc(slices.Clone(items), func(v T) bool { return !slices.Contains(ids, id(v)) }), nil
}
