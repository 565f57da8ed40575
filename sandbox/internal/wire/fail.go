package wire

import (
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"slices"
)

// Fail writes an error in the protocol's form. HEAD requests get the status
// alone.
func (c *Call) Fail(w http.ResponseWriter, e *Error) {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
		if f := c.Model.errors[e.Code]; f != nil {
			status = f.Status
		}
	}
	buf := c.Model.buffers.Get().(*[]byte)
	b := (*buf)[:0]
	switch c.Model.protocol {
	case "json", "rest-json":
		b = c.failJSON(w.Header(), b, e)
	default:
		x := xmlOut{m: c.Model, b: b}
		switch c.Model.protocol {
		case "query":
			x.failQuery(c, e, status)
		case "ec2":
			x.failEC2(c, e)
		default:
			x.failS3(c, e)
		}
		b = x.b
	}
	// Headers that a handler set for its answer must not describe the error.
	for _, h := range []string{"Content-Type", "Etag", "Last-Modified", "Content-Encoding", "Content-Length", "Cache-Control"} {
		w.Header().Del(h)
	}
	c.write(w, status, c.contentType(), b)
	*buf = b
	c.Model.buffers.Put(buf)
}

// failQuery writes the error of IAM, STS and Auto Scaling.
func (x *xmlOut) failQuery(c *Call, e *Error, status int) {
	x.b = append(append(append(x.b, `<ErrorResponse xmlns="`...), c.Model.namespace...), `"><Error>`...)
	side := "Sender"
	if status >= 500 {
		side = "Receiver"
	}
	x.text("Type", side)
	x.text("Code", e.Code)
	x.text("Message", e.Message)
	x.details(e)
	x.b = append(x.b, "</Error>"...)
	x.text("RequestId", c.ID)
	x.b = append(x.b, "</ErrorResponse>"...)
}

// failEC2 writes the error of EC2
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-error-handling.html).
func (x *xmlOut) failEC2(c *Call, e *Error) {
	x.b = append(x.b, xmlHeader+"<Response><Errors><Error>"...)
	x.text("Code", e.Code)
	x.text("Message", e.Message)
	x.details(e)
	x.b = append(x.b, "</Error></Errors>"...)
	x.text("RequestID", c.ID)
	x.b = append(x.b, "</Response>"...)
}

// failS3 writes the error of S3
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
func (x *xmlOut) failS3(c *Call, e *Error) {
	x.b = append(x.b, xmlHeader+"<Error>"...)
	x.text("Code", e.Code)
	x.text("Message", e.Message)
	x.details(e)
	x.text("RequestId", c.ID)
	x.text("HostId", c.hostID())
	x.b = append(x.b, "</Error>"...)
}

func (x *xmlOut) details(e *Error) {
	for _, p := range e.Detail {
		x.text(p.Name, p.Value)
	}
}

// failJSON writes {"__type":…,"message":…}; REST-JSON names the code in a
// header instead.
func (c *Call) failJSON(h http.Header, b []byte, e *Error) []byte {
	if c.Model.protocol == "rest-json" {
		h.Set("X-Amzn-Errortype", e.Code)
		b = append(b, '{')
	} else {
		b = append(b, `{"__type":`...)
		b = appendString(b, c.errorType(e.Code))
	}
	add := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		b = appendString(b, value)
	}
	if e.Message != "" {
		add("message", e.Message)
	}
	for _, p := range e.Detail {
		add(p.Name, p.Value)
	}
	for _, m := range e.Members {
		b = append(append(appendString(append(b, ','), m.Name), ':'), m.Value...)
	}
	return append(b, '}')
}

// errorType is the code with the namespace that DynamoDB puts before it;
// clients cut it off at "#".
func (c *Call) errorType(code string) string {
	switch {
	case c.Model.service != "dynamodb":
		return code
	case c.Op != nil && slices.Contains(c.Op.errors, code):
		return "com.amazonaws.dynamodb.v20120810#" + code
	case code == "ValidationException":
		return "com.amazon.coral.validate#" + code
	}
	return "com.amazon.coral.service#" + code
}

// hostID is S3's second request id, x-amz-id-2. It carries nothing that the
// first does not.
func (c *Call) hostID() string {
	sum := sha512.Sum512([]byte(c.ID))
	return base64.StdEncoding.EncodeToString(sum[:56])
}
