package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Error says what is wrong with an account's JSON, and where.
type Error struct {
	Line, Column int    // from 1; columns count bytes
	Entity       string // such as "role web"; empty outside of any
	Summary      string
	Hint         string // how to cure it; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: ", e.Line, e.Column)
	if e.Entity != "" {
		b.WriteString(e.Entity + ": ")
	}
	b.WriteString(e.Summary)
	if e.Hint != "" {
		b.WriteString("; hint: " + e.Hint)
	}
	return b.String()
}

// reader walks through JSON text, knowing where it is.
type reader struct {
	src    []byte
	dec    *json.Decoder
	entity string
}

func newReader(src []byte) *reader {
	return &reader{src: src, dec: json.NewDecoder(bytes.NewReader(src))}
}

// position turns an offset into line and column.
func (r *reader) position(offset int) (line, column int) {
	before := r.src[:min(offset, len(r.src))]
	return 1 + bytes.Count(before, []byte{'\n'}), len(before) - bytes.LastIndexByte(before, '\n')
}

func (r *reader) errorAt(offset int, hint, format string, args ...any) *Error {
	line, column := r.position(offset)
	return &Error{Line: line, Column: column, Entity: r.entity, Summary: fmt.Sprintf(format, args...), Hint: hint}
}

// next is the offset of the next value or key.
func (r *reader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.src) && strings.IndexByte(" \t\r\n:,", r.src[at]) >= 0 {
		at++
	}
	return at
}

// peek is the first byte of the next value, 0 at the end.
func (r *reader) peek() byte {
	if at := r.next(); at < len(r.src) {
		return r.src[at]
	}
	return 0
}

// broken turns an error of the decoder into one with a position.
func (r *reader) broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		// The decoder counts from where it reads ahead, or not at all.
		at := max(int(syntax.Offset)-1, int(r.dec.InputOffset()))
		return r.errorAt(at, "", "%s", strings.TrimPrefix(err.Error(), "json: "))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.errorAt(len(r.src), "the text is cut; run the command again", "the JSON text ends too early")
	}
	return r.errorAt(r.next(), "", "%v", err)
}

func (r *reader) token() (json.Token, error) {
	t, err := r.dec.Token()
	if err != nil {
		return nil, r.broken(err)
	}
	return t, nil
}

// object reads an object, calling member with each key. A member that is not
// known must be reported by member through unknown.
func (r *reader) object(what string, member func(key string) error) error {
	at := r.next()
	if r.peek() != '{' {
		return r.errorAt(at, "", "%s must be an object", what)
	}
	if _, err := r.token(); err != nil {
		return err
	}
	var seen []string
	for r.dec.More() {
		at := r.next()
		t, err := r.token()
		if err != nil {
			return err
		}
		key := t.(string) // the decoder admits no other key
		if slices.Contains(seen, key) {
			return r.errorAt(at, "", "member %s comes twice in %s", key, what)
		}
		seen = append(seen, key)
		if err := member(key); err != nil {
			var unknown unknownMember
			if errors.As(err, &unknown) {
				return r.errorAt(at, "the input is the output of aws iam get-account-authorization-details", "unknown member %s in %s", key, what)
			}
			return err
		}
	}
	_, err := r.token()
	return err
}

// unknownMember is returned by the callback of object.
type unknownMember struct{}

func (unknownMember) Error() string { return "unknown member" }

// array reads an array, calling element at each value.
func (r *reader) array(what string, element func() error) error {
	if r.peek() != '[' {
		return r.errorAt(r.next(), "", "%s must be a list", what)
	}
	if _, err := r.token(); err != nil {
		return err
	}
	for r.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// text reads a string.
func (r *reader) text(what string, into *string) error {
	at := r.next()
	t, err := r.token()
	if err != nil {
		return err
	}
	s, ok := t.(string)
	if !ok {
		return r.errorAt(at, "", "%s must be a string", what)
	}
	*into = s
	return nil
}

// flag reads a boolean.
func (r *reader) flag(what string, into *bool) error {
	at := r.next()
	t, err := r.token()
	if err != nil {
		return err
	}
	b, ok := t.(bool)
	if !ok {
		return r.errorAt(at, "", "%s must be true or false", what)
	}
	*into = b
	return nil
}

// time reads a date of ISO 8601, as the AWS CLI and SDKs print it, with a
// space instead of the T too, as Python does.
func (r *reader) time(what string, into *time.Time) error {
	at := r.next()
	var s string
	if err := r.text(what, &s); err != nil {
		return err
	}
	when, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		when, err = time.Parse("2006-01-02 15:04:05.999999999Z07:00", s)
	}
	if err != nil {
		return r.errorAt(at, "set cli_timestamp_format = iso8601, or print dates in that form", "%s %q is not a date such as 2026-01-31T12:00:00Z", what, s)
	}
	*into = when.UTC()
	return nil
}

// skip passes over a value.
func (r *reader) skip() error {
	var value json.RawMessage
	if err := r.dec.Decode(&value); err != nil {
		return r.broken(err)
	}
	return nil
}

// place is "line:column".
func (e *Error) place() string { return fmt.Sprintf("%d:%d", e.Line, e.Column) }
