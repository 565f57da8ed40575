package store

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// formatName is the first line's mark in an export.
const formatName = "mantle sandbox state"

// header is the first line of an export, trailer the last; the trailer's
// count tells a whole file from a cut one.
type header struct {
	Format   string `json:"format"`
	Version  int    `json:"version"`
	Revision uint64 `json:"revision"`
}

type trailer struct {
	Rows *int `json:"rows,omitempty"`
}

// line is one row of an export. A key that is not UTF-8 goes as bytes.
type line struct {
	Table    string          `json:"table,omitempty"`
	Key      string          `json:"key,omitempty"`
	KeyBytes []byte          `json:"keyBytes,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
	trailer
}

// Export writes one moment of the state as JSON lines: a header, a line per
// row by table and key, and a trailer with the number of rows. It holds the
// secrets that the state holds.
func (s *Store) Export(w io.Writer) error {
	if err := s.Refresh(); err != nil {
		return err
	}
	now := s.state.Load()
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(header{formatName, schemaVersion, now.revision}); err != nil {
		return fmt.Errorf("store: export: %w", err)
	}
	count := 0
	for _, table := range slices.Sorted(maps.Keys(now.tables)) {
		for n := range now.tables[table].all() {
			value, err := n.row.encode()
			if err != nil {
				return fmt.Errorf("store: export row %q of table %s: %w", n.key, table, err)
			}
			l := line{Table: table, Key: n.key, Value: value}
			if !utf8.ValidString(n.key) {
				l.Key, l.KeyBytes = "", []byte(n.key)
			}
			if err := enc.Encode(l); err != nil {
				return fmt.Errorf("store: export: %w", err)
			}
			count++
		}
	}
	if err := enc.Encode(trailer{&count}); err != nil {
		return fmt.Errorf("store: export: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("store: export: %w", err)
	}
	return nil
}

// Import replaces the whole state by an export: all of it or, on an error,
// nothing of it. Errors name the line.
func (s *Store) Import(r io.Reader) error {
	// Read first: the right to write is not held while r may dawdle.
	lines, err := parseExport(&lineReader{r: bufio.NewReader(r)})
	if err != nil {
		return err
	}
	return s.Update(func(tx *Tx) error {
		tx.tables, tx.owned, tx.wiped = map[string]*node{}, true, true
		for _, l := range lines {
			rw := &row{}
			rw.cell.Store(&cell{raw: l.Value})
			tx.set(l.Table, l.Key, rw, l.Value)
		}
		return nil
	})
}

// parseExport reads the rows of an export.
func parseExport(in *lineReader) ([]line, error) {
	var h header
	if err := in.next(&h); err != nil {
		return nil, err
	}
	if h.Format != formatName {
		return nil, in.errorf("this is not an export of a sandbox")
	}
	if h.Version != schemaVersion {
		return nil, in.errorf("export of format %d, this program reads %d", h.Version, schemaVersion)
	}
	var lines []line
	seen := map[slot]bool{}
	for {
		var l line
		if err := in.next(&l); err != nil {
			return nil, err
		}
		if l.Rows != nil {
			if *l.Rows != len(lines) {
				return nil, in.errorf("the export says it has %d rows, but %d came", *l.Rows, len(lines))
			}
			return lines, in.end()
		}
		if l.Table == "" || l.Value == nil {
			return nil, in.errorf("a row needs a table and a value")
		}
		if l.KeyBytes != nil {
			l.Key = string(l.KeyBytes)
		}
		at := slot{l.Table, l.Key}
		if seen[at] {
			return nil, in.errorf("row %q of table %s comes twice", l.Key, l.Table)
		}
		seen[at] = true
		lines = append(lines, l)
	}
}

// lineReader reads JSON values, one a line, counting lines.
type lineReader struct {
	r *bufio.Reader
	n int
}

func (in *lineReader) errorf(format string, args ...any) error {
	return fmt.Errorf("store: import line %d: %s", in.n, fmt.Sprintf(format, args...))
}

func (in *lineReader) next(v any) error {
	in.n++
	text, err := in.r.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		if len(text) == 0 {
			return in.errorf("the export is cut: its last line is missing")
		}
	} else if err != nil {
		return in.errorf("%v", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return in.errorf("%v", err)
	}
	return nil
}

func (in *lineReader) end() error {
	in.n++
	if _, err := in.r.ReadByte(); !errors.Is(err, io.EOF) {
		return in.errorf("text after the end of the export")
	}
	return nil
}
