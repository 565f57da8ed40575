package wire

import (
	"hash/crc32"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
)

// Reply writes out, a pointer to the operation's output struct of
// aws-sdk-go-v2 or to a struct of the same form, as the answer. Absent
// members are left out: nil pointers, slices and maps, and empty enumeration
// values. Empty slices and maps that are not nil are written, as are numbers
// and flags that are not behind pointers. A nil out is an answer without
// members.
//
// Headers that w has already are kept, so that a handler may add some. A
// body of type io.Reader is copied, and closed if it can be.
func (c *Call) Reply(w http.ResponseWriter, out any) {
	if c.Op == nil {
		c.Fail(w, c.Unknown())
		return
	}
	var root *codec
	var v reflect.Value
	if x := reflect.ValueOf(out); c.Op.output != nil && x.IsValid() && !(x.Kind() == reflect.Pointer && x.IsNil()) {
		var err error
		if root, v, err = c.Model.root(c.Op.output, out); err != nil {
			c.Fail(w, Fail("InternalFailure", 500, "The output of %s does not fit: %v.", c.Op.Name, err))
			return
		}
	}
	buf := c.Model.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooled {
			c.Model.buffers.Put(buf)
		}
	}()
	b := (*buf)[:0]
	switch c.Model.protocol {
	case "query":
		b = c.replyQuery(b, root, v)
	case "ec2":
		b = c.replyEC2(b, root, v)
	case "json":
		b = append(b, "{}"...)
		if root != nil {
			b = appendObject(b[:0], root, v)
		} else if c.Op.output == nil {
			b = b[:0]
		}
	default:
		*buf = c.replyREST(w, b, root, v)
		return
	}
	*buf = b
	c.write(w, c.Op.Status, c.contentType(), b)
}

// maxPooled is the size up to which a buffer is kept for the next answer: a
// full page of S3's ListObjectsV2 with long keys.
const maxPooled = 1 << 20

func (c *Call) contentType() string {
	switch c.Model.protocol {
	case "query":
		return "text/xml"
	case "ec2":
		return "text/xml;charset=UTF-8"
	case "json":
		return "application/x-amz-json-" + c.Model.jsonVersion
	case "rest-json":
		return "application/json"
	}
	return "application/xml"
}

// write sends a whole answer. HEAD and the statuses without body have none.
func (c *Call) write(w http.ResponseWriter, status int, contentType string, b []byte) {
	h := w.Header()
	if contentType != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", contentType)
	}
	if c.Model.service == "s3" {
		h.Set("X-Amz-Request-Id", c.ID)
		h.Set("X-Amz-Id-2", c.hostID())
	} else {
		h.Set("X-Amzn-Requestid", c.ID)
	}
	if c.Model.service == "dynamodb" {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(b)), 10))
	}
	if c.HTTP.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	// An error here means that the client is gone.
	_, _ = w.Write(b)
}

// replyQuery writes <XResponse><XResult>…</XResult><ResponseMetadata>…
// (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html).
func (c *Call) replyQuery(b []byte, root *codec, v reflect.Value) []byte {
	b = append(append(append(b, '<'), c.Op.Name...), `Response xmlns="`...)
	b = append(append(b, c.Model.namespace...), `">`...)
	e := xmlOut{m: c.Model, b: b}
	if c.Op.output != nil {
		e.open(c.Op.wrapper)
		if root != nil {
			e.fields(root, v)
		}
		e.close(c.Op.wrapper)
	}
	e.b = append(e.b, "<ResponseMetadata>"...)
	e.text("RequestId", c.ID)
	e.b = append(append(append(e.b, "</ResponseMetadata></"...), c.Op.Name...), "Response>"...)
	return e.b
}

// replyEC2 writes <XResponse><requestId/>…; an operation without output says
// that it did its work with <return>true</return>.
func (c *Call) replyEC2(b []byte, root *codec, v reflect.Value) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<"...)
	b = append(append(b, c.Op.Name...), `Response xmlns="http://ec2.amazonaws.com/doc/`...)
	b = append(append(b, c.Model.version...), `/">`...)
	e := xmlOut{m: c.Model, b: b}
	e.text("requestId", c.ID)
	if c.Op.output == nil {
		e.text("return", "true")
	} else if root != nil {
		e.fields(root, v)
	}
	e.b = append(append(append(e.b, "</"...), c.Op.Name...), "Response>"...)
	return e.b
}

// replyREST writes headers, then the payload or document. It returns the
// buffer.
func (c *Call) replyREST(w http.ResponseWriter, b []byte, root *codec, v reflect.Value) []byte {
	status := c.Op.Status
	if root != nil {
		for i := range root.fields {
			f := &root.fields[i]
			switch f.m.location {
			case "header":
				setHeader(w.Header(), f, v)
			case "headers":
				if m, ok := f.c.value(v.Field(f.index)); ok {
					for _, k := range sortedKeys(m) {
						w.Header().Set(f.m.wire+k.String(), m.MapIndex(k).String())
					}
				}
			case "statusCode":
				if n, ok := f.c.value(v.Field(f.index)); ok && n.Int() != 0 {
					status = int(n.Int())
				}
			}
		}
	}
	contentType := c.contentType()
	switch s := c.Op.output; {
	case s == nil:
		contentType = ""
	case s.payload != nil:
		var body io.Reader
		if b, contentType, body = c.payload(b, root, v); body != nil {
			c.stream(w, status, body)
			return b
		}
	case c.Model.protocol == "rest-json":
		if root == nil {
			b = append(b, "{}"...)
		} else {
			b = appendObject(b, root, v)
		}
	case hasDocument(s):
		b = c.document(b, root, v)
	default:
		contentType = ""
	}
	c.write(w, status, contentType, b)
	return b
}

// payload writes the one member that is the body, or returns it if it is a
// stream.
func (c *Call) payload(b []byte, root *codec, v reflect.Value) (_ []byte, contentType string, body io.Reader) {
	if root == nil {
		return b, "", nil
	}
	for i := range root.fields {
		f := &root.fields[i]
		if f.m != root.shape.payload {
			continue
		}
		p, ok := f.c.value(v.Field(f.index))
		if !ok {
			break
		}
		switch {
		case f.c.reader:
			body, _ = p.Interface().(io.Reader)
			return b, "", body
		case f.c.shape.kind == kindString:
			// GetBucketPolicy is the one such operation of S3.
			return append(b, p.String()...), "application/json", nil
		case f.c.shape.kind == kindBlob:
			return append(b, p.Bytes()...), "application/octet-stream", nil
		case c.Model.protocol == "rest-json":
			return appendJSON(b, f.c, f.m, p), c.contentType(), nil
		}
		e := xmlOut{m: c.Model, b: append(b, xmlHeader...)}
		e.rootElement(f.m.wire, func() { e.fields(f.c, p) })
		return e.b, c.contentType(), nil
	}
	return b, "", nil
}

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// s3Namespace is the namespace of every document of S3 but its errors.
const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// rootElement writes the outermost element of a REST-XML answer.
func (e *xmlOut) rootElement(name string, inner func()) {
	e.b = append(append(append(e.b, '<'), name...), ` xmlns="`+s3Namespace+`">`...)
	inner()
	e.close(name)
}

// document writes the members outside of headers as one element.
func (c *Call) document(b []byte, root *codec, v reflect.Value) []byte {
	e := xmlOut{m: c.Model, b: append(b, xmlHeader...)}
	name := c.Op.outputRoot
	if name == "" {
		name = strings.TrimSuffix(c.Op.output.name, "Output")
	}
	e.rootElement(name, func() {
		if root == nil {
			return
		}
		// The location of a bucket is the text of the root itself.
		if c.Op.Name == "GetBucketLocation" && len(root.fields) == 1 {
			if s, ok := root.fields[0].c.value(v.Field(root.fields[0].index)); ok {
				e.b = appendXML(e.b, s.String(), false)
			}
			return
		}
		e.fields(root, v)
	})
	return e.b
}

// hasDocument tells whether an output has members outside of headers.
func hasDocument(s *shape) bool {
	for _, m := range s.members {
		if m.outer {
			return true
		}
	}
	return false
}

// stream copies a body of unknown length.
func (c *Call) stream(w http.ResponseWriter, status int, body io.Reader) {
	if k, ok := body.(io.Closer); ok {
		defer k.Close()
	}
	h := w.Header()
	if c.Model.service == "s3" {
		h.Set("X-Amz-Request-Id", c.ID)
		h.Set("X-Amz-Id-2", c.hostID())
	} else {
		h.Set("X-Amzn-Requestid", c.ID)
	}
	w.WriteHeader(status)
	if c.HTTP.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	// An error here means that one of the two ends is gone; the client sees
	// a body shorter than its Content-Length.
	_, _ = io.Copy(w, body)
}

// setHeader writes a member that travels as a header.
func setHeader(h http.Header, f *field, v reflect.Value) {
	if f.text >= 0 {
		if s := v.Field(f.text); !s.IsNil() {
			h.Set(f.m.header, s.Elem().String())
			return
		}
	}
	e, ok := f.c.value(v.Field(f.index))
	if !ok || !f.c.ptr && e.IsZero() {
		return
	}
	if f.c.shape.kind == kindList {
		var b []byte
		for i := range e.Len() {
			if x, ok := f.c.elem.value(e.Index(i)); ok {
				if len(b) > 0 {
					b = append(b, ", "...)
				}
				b = f.c.elem.appendText(b, x, formatHTTP)
			}
		}
		h.Set(f.m.header, string(b))
		return
	}
	format := f.m.time
	if format == "" {
		format = formatHTTP
	}
	h.Set(f.m.header, string(f.c.appendText(nil, e, format)))
}
