package wire

import (
	"net/http"
	"reflect"
)

// Input fills in, a pointer to the operation's input struct of aws-sdk-go-v2
// or to a struct of the same form, and checks it against the model's
// constraints. What the model does not know is ignored, as AWS does.
//
// For S3 it reads the body only where that is a document, up to the limit
// given to Decode, and leaves it in Body; a streamed body is handed on as
// the request's.
func (c *Call) Input(in any) *Error {
	if c.Op == nil {
		return c.Unknown()
	}
	if c.Op.input == nil {
		return nil
	}
	root, v, err := c.Model.root(c.Op.input, in)
	if err != nil {
		return Fail("InternalFailure", http.StatusInternalServerError, "The input of %s does not fit: %v.", c.Op.Name, err)
	}
	var e *Error
	switch c.Model.protocol {
	case "query", "ec2":
		q := queryIn{ec2: c.Model.protocol == "ec2", key: make([]byte, 0, 64)}
		e = q.fields(root, v, sorted(c.Form), 0)
	case "json":
		var x any
		if x, e = parseJSON(c.Body); e == nil {
			e = fromJSON(root, rootMember, reflect.ValueOf(in), x)
		}
	default:
		e = c.bind(root, v)
	}
	if e != nil {
		return e
	}
	return c.validate(root, v)
}

// rootMember stands for the use of a shape as a whole input or output.
var rootMember = &member{outer: true}
