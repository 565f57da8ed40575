package iam

import (
	"encoding/base64"
	"iter"
	"strconv"
)

// defaultPage and maxPage bound MaxItems.
const (
	defaultPage = 100
	maxPage     = 1000
)

// seq is a listing: keys in order, and the items.
type seq[T any] = iter.Seq2[string, T]

// page is one answer of a listing.
type page[T any] struct {
	items  []T
	more   bool    // IsTruncated
	marker *string // of the next page, if there is one
}

// paginate takes a page out of a listing. from must yield the items whose
// key is greater than its argument ("" is before every key), in key order, so
// that a page neither repeats nor skips what exists through the whole
// listing, whatever comes and goes in between.
func paginate[T any](marker *string, limit *int32, from func(after string) seq[T]) (page[T], error) {
	after := ""
	if marker != nil && *marker != "" {
		raw, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil || len(raw) == 0 {
			return page[T]{}, validationError("Invalid Marker.")
		}
		after = string(raw)
	}
	size := defaultPage
	if limit != nil {
		size = int(*limit)
		var in inputs
		switch {
		case size < 1:
			in.constraint("maxItems", strconv.Itoa(size), "Member must have value greater than or equal to 1")
		case size > maxPage:
			in.constraint("maxItems", strconv.Itoa(size), "Member must have value less than or equal to %d", maxPage)
		}
		if err := in.result(); err != nil {
			return page[T]{}, err
		}
	}
	var p page[T]
	last := ""
	for key, item := range from(after) {
		if len(p.items) == size {
			p.more = true
			p.marker = new(base64.RawURLEncoding.EncodeToString([]byte(last)))
			break
		}
		p.items = append(p.items, item)
		last = key
	}
	return p, nil
}

// sorted makes a listing of a slice that is in the order of its keys.
func sorted[T any](items []T, key func(T) string) func(after string) seq[T] {
	return func(after string) seq[T] {
		return func(yield func(string, T) bool) {
			for _, item := range items {
				if k := key(item); k > after && !yield(k, item) {
					return
				}
			}
		}
	}
}

// where filters a listing.
func where[T any](from func(string) iter.Seq2[string, T], keep func(T) bool) func(string) seq[T] {
	return func(after string) seq[T] {
		return func(yield func(string, T) bool) {
			for k, v := range from(after) {
				if keep(v) && !yield(k, v) {
					return
				}
			}
		}
	}
}
