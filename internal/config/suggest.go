package config

import "strings"

// suggest answers `did you mean "x"?` if one of the known names is near the
// one given, and otherwise the hint it was handed.
func (d *decoder) suggest(given string, known []string, otherwise string) string {
	if s := nearest(given, known); s != "" {
		return "did you mean " + quote(s) + "?"
	}
	return otherwise
}

// nearest returns the known name that fewest edits turn into given, or "" if
// that takes more than a third of it.
func nearest(given string, known []string) string {
	best, limit := "", max(1, len(given)/3)+1
	for _, k := range known {
		if n := edits(strings.ToLower(given), strings.ToLower(k)); n < limit {
			best, limit = k, n
		}
	}
	return best
}

// edits is the Levenshtein distance of two strings, in bytes; swapped
// neighbours count as one edit, as typing makes them.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	var before, last, row [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
