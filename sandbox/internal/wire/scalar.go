package wire

import (
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Timestamp formats, by the model's names
// (https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait).
const (
	formatISO   = "iso8601"
	formatHTTP  = "rfc822"
	formatEpoch = "unixTimestamp"
)

var errScalar = errors.New("malformed value")

// setText puts the text of a scalar into v, the value behind any pointer.
func (c *codec) setText(v reflect.Value, s string) error {
	v = c.alloc(v)
	switch c.shape.kind {
	case kindString:
		v.SetString(s)
	case kindBool:
		// XML and queries of old clients write 1 and 0.
		switch s {
		case "true", "True", "TRUE", "1":
			v.SetBool(true)
		case "false", "False", "FALSE", "0":
			v.SetBool(false)
		default:
			return errScalar
		}
	case kindInt:
		if c.typ.Kind() == reflect.String {
			if _, err := strconv.ParseInt(s, 10, 32); err != nil {
				return errScalar
			}
			v.SetString(s)
			return nil
		}
		n, err := strconv.ParseInt(s, 10, c.typ.Bits())
		if err != nil {
			return errScalar
		}
		v.SetInt(n)
	case kindFloat:
		n, err := parseFloat(s, c.typ.Bits())
		if err != nil {
			return errScalar
		}
		v.SetFloat(n)
	case kindTime:
		if c.typ != timeType {
			v.SetString(s)
			return nil
		}
		t, err := parseTime(s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		if c.reader {
			return errScalar
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return errScalar
		}
		v.SetBytes(b)
	default:
		return errScalar
	}
	return nil
}

// parseFloat accepts what XML and JSON of AWS allow: no hexadecimal digits,
// no underscores, and the three names that JSON has no number for.
func parseFloat(s string, bits int) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, errScalar
	}
	return strconv.ParseFloat(s, bits)
}

// parseTime reads a timestamp in any of the formats that AWS's services take.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	if n, err := parseFloat(s, 64); err == nil {
		return epoch(n)
	}
	if t, err := http.ParseTime(s); err == nil {
		return t.UTC(), nil
	}
	for _, f := range []string{"2006-01-02T15:04:05", "20060102T150405Z", "2006-01-02"} {
		if t, err := time.Parse(f, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errScalar
}

// epoch turns seconds into a time, to the millisecond, which is all that
// AWS's clients write.
func epoch(n float64) (time.Time, error) {
	// The years 1 to 9999, which every format can express.
	if math.IsNaN(n) || n < -62135596800 || n >= 253402300800 {
		return time.Time{}, errScalar
	}
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC(), nil
}

// appendText appends the text of a scalar, unescaped.
func (c *codec) appendText(b []byte, v reflect.Value, format string) []byte {
	switch c.shape.kind {
	case kindString:
		return append(b, v.String()...)
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt:
		if c.typ.Kind() == reflect.String {
			return append(b, v.String()...)
		}
		return strconv.AppendInt(b, v.Int(), 10)
	case kindFloat:
		return appendFloat(b, v.Float(), c.typ.Bits())
	case kindTime:
		if c.typ != timeType {
			return append(b, v.String()...)
		}
		return appendTime(b, v.Interface().(time.Time), format)
	case kindBlob:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	}
	return b
}

func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

// Layouts of iso8601 timestamps: S3 and EC2 write milliseconds even if they
// are zero, the query services of IAM, STS and Auto Scaling write seconds.
const (
	layoutSeconds = "2006-01-02T15:04:05Z"
	layoutMillis  = "2006-01-02T15:04:05.000Z"
)

// appendTime appends t in one of the timestamp formats or Go layouts.
func appendTime(b []byte, t time.Time, format string) []byte {
	t = t.UTC()
	switch format {
	case formatHTTP:
		return t.AppendFormat(b, http.TimeFormat)
	case formatEpoch:
		return appendEpoch(b, t)
	case formatISO, "":
		return t.AppendFormat(b, layoutSeconds)
	}
	return t.AppendFormat(b, format)
}

// appendEpoch writes seconds with as many of three decimals as are needed.
func appendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms != 0 {
		b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return b
}

// timeFormat is the iso8601 layout of the service's XML.
func (m *Model) timeLayout(e *member) string {
	switch {
	case e.time != "" && e.time != formatISO:
		return e.time
	case m.protocol == "query":
		return layoutSeconds
	}
	return layoutMillis
}
