package ecs

import (
	"encoding/base64"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxPage is the greatest and the usual size of a page.
const maxPage = 100

// paginate takes a page out of a listing: from yields the rows whose key is
// greater than its argument ("" is before every key), in key order, and keep
// says what is listed of a row. A page neither repeats nor skips what exists
// through the whole listing.
func paginate[T any](token *string, limit *int32, from func(after string) iter.Seq2[string, T], keep func(T) (string, bool)) (items []string, next *string, err error) {
	after := ""
	if t := aws.ToString(token); t != "" {
		raw, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil || len(raw) == 0 {
			return nil, nil, invalidParameter("Invalid token")
		}
		after = string(raw)
	}
	size := maxPage
	if limit != nil {
		if size = int(*limit); size < 1 || size > maxPage {
			return nil, nil, invalidParameter("maxResults must be between 1 and %d", maxPage)
		}
	}
	items = []string{}
	last := ""
	for key, row := range from(after) {
		item, ok := keep(row)
		if !ok {
			continue
		}
		if len(items) == size {
			return items, new(base64.RawURLEncoding.EncodeToString([]byte(last))), nil
		}
		items = append(items, item)
		last = key
	}
	return items, nil, nil
}
