package wire

import (
	"encoding/json"
	"fmt"
)

// Error is a failure as an AWS API reports it. It says what the client is
// to see and nothing else: a cause that must stay inside belongs in a log.
type Error struct {
	// Code is the error code that clients branch on, e.g. "NoSuchEntity".
	Code string
	// Message is the sentence for people, in AWS's words where AWS has any.
	Message string
	// Status is the HTTP status; 0 means the status that the service's model
	// gives the code, or 400.
	Status int
	// Detail holds further elements of the error, in order, as S3 has them
	// (Key, BucketName, Condition, …); in JSON protocols further members.
	Detail []Pair
	// Members holds further members of a JSON error that are no texts, each
	// a JSON value, such as the CancellationReasons of DynamoDB.
	Members []Member
}

// Member is one structured member of a JSON error body.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Pair is one extra element of an error body.
type Pair struct{ Name, Value string }

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// With returns a copy of e with one more detail element.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Detail = append(append([]Pair(nil), e.Detail...), Pair{name, value})
	return &c
}

// Fail makes an Error. A status of 0 takes the status from the model of the
// service that answers.
func Fail(code string, status int, format string, args ...any) *Error {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Message: format, Status: status}
}
