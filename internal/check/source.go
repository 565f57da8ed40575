package check

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A source is the text that something was read from, for finding the places of
// its parts. Either it is a whole file, and nodes lie where they lie; or it was
// computed from pieces of Terraform, and a part is looked for in those pieces.
type source struct {
	file string
	data []byte // of the whole file; nil of a computed text

	ranges []tf.Range
	files  map[string][]byte
}

// placeIn is the range of a piece of a file.
func placeIn(file string, data []byte, start, end int) tf.Range {
	start = min(max(start, 0), len(data))
	end = min(max(end, start), len(data))
	line, from := 1, 0
	for i := range start {
		if data[i] == '\n' {
			line, from = line+1, i+1
		}
	}
	return tf.Range{
		Position: tf.Position{File: file, Line: line, Column: utf8.RuneCount(data[from:start]) + 1},
		Start:    start, End: end,
	}
}

// here is where the whole of it stands.
func (s *source) here() tf.Range {
	if s.data != nil {
		return placeIn(s.file, s.data, 0, 0)
	}
	if len(s.ranges) > 0 {
		return s.ranges[0]
	}
	return tf.Range{Position: tf.Position{File: s.file}}
}

// at is the place of a node: its own in a whole file, else that of its text in
// quotes, else that of the longest beginning of it, since the rest may have been
// computed, else the narrowest range known.
func (s *source) at(n *node, near ...tf.Range) tf.Range {
	if s.data != nil && n != nil {
		return placeIn(s.file, s.data, n.start, n.end)
	}
	if n == nil {
		return s.narrowest(near)
	}
	r, _ := s.find(n.text, near)
	return r
}

func (s *source) narrowest(near []tf.Range) tf.Range {
	for _, r := range near {
		if r.File != "" {
			return r
		}
	}
	return s.here()
}

// leastPrefix is how much of a text must stand in a file for that to be its
// place: enough to tell "arn:aws:" from the rest of an ARN.
const leastPrefix = 12

// find looks for a text in quotes, first near some ranges. The second result
// says that it is whole; then the range is that of the text between the quotes.
func (s *source) find(text string, near []tf.Range) (tf.Range, bool) {
	all := append(near[:len(near):len(near)], s.ranges...)
	if text == "" {
		return s.narrowest(near), false
	}
	for _, r := range all {
		if piece := s.piece(r); piece != "" {
			if i := strings.Index(piece, `"`+text+`"`); i >= 0 {
				return placeIn(r.File, s.files[r.File], r.Start+i+1, r.Start+i+1+len(text)), true
			}
		}
	}
	for n := len(text) - 1; n >= leastPrefix; n-- {
		for _, r := range all {
			if i := strings.Index(s.piece(r), `"`+text[:n]); i >= 0 {
				return placeIn(r.File, s.files[r.File], r.Start+i+1, r.Start+i+1+n), false
			}
		}
	}
	return s.narrowest(near), false
}

func (s *source) piece(r tf.Range) string {
	data := s.files[r.File]
	if r.End <= r.Start || r.End > len(data) {
		return ""
	}
	return string(data[r.Start:r.End])
}

// replace is the edit that writes one string in place of another, nil if the
// old one does not stand in the text as it is.
func (s *source) replace(n *node, text string, near ...tf.Range) *Edit {
	if s.data != nil {
		quoted, err := json.Marshal(text)
		if err != nil {
			return nil
		}
		return &Edit{File: s.file, Start: n.start, End: n.end, New: string(quoted)}
	}
	if r, ok := s.find(n.text, near); ok && !strings.ContainsAny(text, "\"\\\n") {
		return &Edit{File: r.File, Start: r.Start, End: r.End, New: text}
	}
	return nil
}

// replaceBeginning is the edit of a text whose beginning is wrong and whose end
// may be computed, as in "arn:aws::iam::${var.account}:root".
func (s *source) replaceBeginning(n *node, old, text string, near ...tf.Range) *Edit {
	if e := s.replace(n, text+strings.TrimPrefix(n.text, old), near...); e != nil {
		return e
	}
	for _, r := range append(near[:len(near):len(near)], s.ranges...) {
		if i := strings.Index(s.piece(r), `"`+old); i >= 0 {
			return &Edit{File: r.File, Start: r.Start + i + 1, End: r.Start + i + 1 + len(old), New: text}
		}
	}
	return nil
}
