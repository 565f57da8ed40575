package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"
)

// The SDK's own clients are the oracle: whatever they write must be read as
// it was meant, and whatever is replied must be read by them as it was
// meant, for every operation that both sides know.

// skippedOperations cannot be played through a plain client.
var skippedOperations = map[string]string{
	"s3:SelectObjectContent": "answers with an event stream, which its handler writes",
	"s3:CreateSession":       "is called by the client itself, for directory buckets",
}

// clientFields are filled in or taken away by a client, not by its caller.
var clientFields = map[string]bool{
	"Body": true, "ContentMD5": true, "ChecksumAlgorithm": true, "ContentLength": true, "ContentType": true, "ChecksumMode": true,
	"ResultMetadata": true, "MpuObjectSize": true, "ClientToken": true, "Expires": true,
	// Encoded by the client, which refuses what is not base64 of 32 bytes.
	"SSECustomerKey": true, "SSECustomerKeyMD5": true, "SSECustomerAlgorithm": true,
	"CopySourceSSECustomerKey": true, "CopySourceSSECustomerKeyMD5": true, "CopySourceSSECustomerAlgorithm": true,
}

func isClientField(name string) bool {
	return clientFields[name] || strings.HasPrefix(name, "Checksum")
}

// oracle is a server that compares what it reads and replies what it is told.
type oracle struct {
	m    *Model
	want any // the input that was sent
	out  any // the output to reply
	err  error
}

func (o *oracle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, e := Decode(o.m, r, 1<<20)
	if e == nil && c.Op == nil {
		e = c.Unknown()
	}
	got := reflect.New(reflect.TypeOf(o.want).Elem())
	if e == nil {
		e = c.Input(got.Interface())
	}
	if e != nil {
		o.err = fmt.Errorf("%s %s: %w", r.Method, r.URL, e)
		c.Fail(w, e)
		return
	}
	if d := difference("", reflect.ValueOf(o.want).Elem(), got.Elem()); d != "" {
		o.err = fmt.Errorf("%s: the input differs at %s", c.OpName, d)
	}
	if !strings.HasPrefix(reflect.TypeOf(o.want).Elem().Name(), c.OpName) {
		o.err = fmt.Errorf("%T was taken for %s (%s %s)", o.want, c.OpName, r.Method, r.URL)
	}
	c.Reply(w, o.out)
}

// difference names the first place in which two values of one type differ.
func difference(at string, a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Struct:
		if t, ok := a.Interface().(time.Time); ok {
			if u := b.Interface().(time.Time); !t.Equal(u) {
				return fmt.Sprintf("%s: want %v, got %v", at, t, u)
			}
			return ""
		}
		for i := range a.NumField() {
			f := a.Type().Field(i)
			if !f.IsExported() || isClientField(f.Name) {
				continue
			}
			if d := difference(at+"."+f.Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Pointer, reflect.Interface:
		if a.Kind() == reflect.Interface && a.NumMethod() > 0 && !a.IsNil() && !b.IsNil() && a.Elem().Type() != b.Elem().Type() {
			return fmt.Sprintf("%s: want a %s, got a %s", at, a.Elem().Type(), b.Elem().Type())
		}
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				return fmt.Sprintf("%s: want nil %t, got nil %t", at, a.IsNil(), b.IsNil())
			}
			return ""
		}
		return difference(at, a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: want %d elements, got %d", at, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if d := difference(fmt.Sprintf("%s[%d]", at, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		return fmt.Sprintf("%s: want %q, got %q", at, fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()))
	}
	return ""
}

// drawer makes values that the model allows.
type drawer struct {
	t     *rapid.T
	m     *Model
	reply bool
}

func (d *drawer) structure(c *codec, v reflect.Value, depth int) {
	union := c.shape.union
	for i := range c.fields {
		f := &c.fields[i]
		if isClientField(f.m.name) {
			continue
		}
		if union && i > 0 {
			break
		}
		if !f.m.required && !union && (depth > 6 || f.m.location != "uri" && !rapid.Bool().Draw(d.t, f.m.name)) {
			continue
		}
		d.value(f.c, f.m, v.Field(f.index), depth+1)
	}
}

func (d *drawer) value(c *codec, m *member, v reflect.Value, depth int) {
	s := c.shape
	v = c.alloc(v)
	switch s.kind {
	case kindStructure:
		if c.union != nil {
			u := c.union.byName[rapid.SampledFrom(slices.Sorted(maps.Keys(c.union.byName))).Draw(d.t, "union")]
			p := reflect.New(u.typ)
			d.value(u.c, u.m, p.Elem().Field(0), depth+1)
			v.Set(p)
		} else if c.typ.Kind() == reflect.Struct {
			d.structure(c, v, depth)
			// An empty structure is nothing in a query.
			if v.IsZero() && len(c.fields) > 0 && !d.reply {
				f := &c.fields[0]
				d.value(f.c, f.m, v.Field(f.index), depth+1)
			}
		}
	case kindList:
		n := rapid.IntRange(max(1, int(s.min.n)), max(2, int(s.min.n))).Draw(d.t, "length")
		if s.max.set {
			n = min(n, int(s.max.n))
		}
		v.Set(reflect.MakeSlice(c.typ, n, n))
		for i := range n {
			d.value(c.elem, s.member, v.Index(i), depth+1)
		}
	case kindMap:
		v.Set(reflect.MakeMap(c.typ))
		for _, k := range []string{"k1", "k2"} {
			key, e := reflect.New(c.typ.Key()).Elem(), reflect.New(c.typ.Elem()).Elem()
			key.SetString(k)
			if len(c.key.shape.enum) > 0 {
				key.SetString(rapid.SampledFrom(c.key.shape.enum).Draw(d.t, "key"))
			}
			value := *s.value
			value.location = m.location
			d.value(c.elem, &value, e, depth+1)
			v.SetMapIndex(key, e)
		}
	case kindString:
		v.SetString(d.text(s, m))
	case kindBool:
		v.SetBool(rapid.Bool().Draw(d.t, "flag") || !c.ptr && m.location != "")
	case kindInt:
		low, high := int64(1), int64(1<<30)
		if s.min.set {
			low = int64(s.min.n)
		}
		if s.max.set {
			high = int64(s.max.n)
		}
		n := rapid.Int64Range(low, high).Draw(d.t, "integer")
		if c.typ.Kind() == reflect.String {
			v.SetString(strconv.FormatInt(n, 10))
		} else {
			v.SetInt(n)
		}
	case kindFloat:
		v.SetFloat(rapid.Float64Range(-1e6, 1e6).Draw(d.t, "number"))
	case kindTime:
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 4e9).Draw(d.t, "time"), 0).UTC()))
	case kindBlob:
		if !c.reader {
			v.SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(d.t, "bytes"))
		}
	}
}

// text draws a string within the shape's constraints.
func (d *drawer) text(s *shape, m *member) string {
	switch {
	case len(s.enum) > 0:
		return rapid.SampledFrom(s.enum).Draw(d.t, "enum")
	case m.location == "uri" && strings.HasPrefix(m.wire, "Bucket"):
		return rapid.StringMatching(`[a-z][a-z0-9]{3,20}`).Draw(d.t, "bucket")
	case m.location == "header", m.location == "headers":
		return rapid.StringMatching(`[a-zA-Z0-9/=_:]{1,20}`).Draw(d.t, "header")
	case s.expr == "":
		pad := ""
		if s.min.set {
			pad = strings.Repeat("é", int(s.min.n))
		}
		text := rapid.StringMatching(`[ -~¡-퟿\n\t😀-😎]{1,20}`).Draw(d.t, "text") + pad
		if s.max.set {
			r := []rune(text)
			text = string(r[:min(len(r), int(s.max.n))])
		}
		return text
	}
	for _, text := range []string{
		strings.Map(printable, rapid.StringMatching(s.expr).Draw(d.t, "match")),
		"/", "/a/", "v1", strings.Repeat("a", int(max(s.min.n, 1))), strings.Repeat("1", int(max(s.min.n, 1))), "123456789012",
		"https://a", "p-abcdefgh", "o-abcdefghij", "o-abcdefghij/r-abcd", "arn:aws:s3:::abcde", "a/b",
		"arn:aws:kms:eu-west-1:123456789012:key/a",
	} {
		if text != "" && s.matcher().match(text) {
			k := checker{}
			k.text(s, text, "")
			if len(k.found) == 0 {
				return text
			}
		}
	}
	d.t.Fatalf("no text for shape %s: %s", s.name, s.pattern)
	return ""
}

// printable replaces what XML 1.0 cannot hold.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r >= 0xFFFE && r <= 0xFFFF {
		return 'x'
	}
	return r
}

// draw returns a generator of a filled struct of type t.
func draw(m *Model, s *shape, t reflect.Type, reply bool) *rapid.Generator[any] {
	return rapid.Custom(func(rt *rapid.T) any {
		x := reflect.New(t)
		rapid.Bool().Draw(rt, "") // some structures are empty, and a generator must draw
		if s != nil {
			c, err := m.plans.of(s, x.Type())
			if err != nil {
				rt.Fatal(err)
			}
			d := drawer{t: rt, m: m, reply: reply}
			d.structure(c, x.Elem(), 0)
		}
		return x.Interface()
	})
}

func TestClients(t *testing.T) {
	cfg := aws.Config{Region: "eu-west-1", Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, nil
		})}
	for service, client := range map[string]func(url string) any{
		"sts": func(u string) any { return sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = &u }) },
		"iam": func(u string) any { return iam.NewFromConfig(cfg, func(o *iam.Options) { o.BaseEndpoint = &u }) },
		"s3": func(u string) any {
			return s3.NewFromConfig(cfg, func(o *s3.Options) {
				o.BaseEndpoint, o.UsePathStyle = &u, true
				o.DisableLogOutputChecksumValidationSkipped = true
			})
		},
	} {
		t.Run(service, func(t *testing.T) {
			m, err := Load(service)
			if err != nil {
				t.Fatal(err)
			}
			m = m.With(Options{Unions: []Union{
				UnionOf[types.AnalyticsFilter](&types.AnalyticsFilterMemberPrefix{}, &types.AnalyticsFilterMemberTag{}, &types.AnalyticsFilterMemberAnd{}),
				UnionOf[types.ObjectEncryption](&types.ObjectEncryptionMemberSSEKMS{}),
				UnionOf[types.MetricsFilter](&types.MetricsFilterMemberPrefix{}, &types.MetricsFilterMemberTag{}, &types.MetricsFilterMemberAnd{}, &types.MetricsFilterMemberAccessPointArn{}),
			}})
			o := &oracle{m: m}
			server := httptest.NewServer(o)
			defer server.Close()
			v := reflect.ValueOf(client(server.URL))
			played := 0
			for _, name := range m.Operations() {
				method := v.MethodByName(name)
				if !method.IsValid() || skippedOperations[service+":"+name] != "" {
					continue
				}
				played++
				in, out := method.Type().In(1).Elem(), method.Type().Out(0).Elem()
				for seed := range 4 {
					if err := o.play(method, name, in, out, seed); err != nil {
						t.Errorf("%s (seed %d): %v", name, seed, err)
						break
					}
				}
			}
			if want := len(m.operations) * 9 / 10; played < want {
				t.Errorf("%d operations were played, want %d at least", played, want)
			}
		})
	}
}

// play makes one call and compares both directions.
func (o *oracle) play(method reflect.Value, name string, in, out reflect.Type, seed int) error {
	op := o.m.Operation(name)
	o.want = draw(o.m, op.input, in, false).Example(seed)
	o.out = draw(o.m, op.output, out, true).Example(seed)
	o.err = nil
	if f := reflect.ValueOf(o.want).Elem().FieldByName("Body"); f.IsValid() {
		f.Set(reflect.ValueOf(bytes.NewReader([]byte("body"))))
	}
	if f := reflect.ValueOf(o.out).Elem().FieldByName("Body"); f.IsValid() {
		f.Set(reflect.ValueOf(io.NopCloser(strings.NewReader("body"))))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	result := method.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(o.want)})
	if o.err != nil {
		return o.err
	}
	if err, _ := result[1].Interface().(error); err != nil {
		return err
	}
	if d := difference("", reflect.ValueOf(o.out).Elem(), result[0].Elem()); d != "" {
		return fmt.Errorf("the output differs at %s", d)
	}
	return nil
}

// TestClientsErrors has the clients read errors.
func TestClientsErrors(t *testing.T) {
	for _, test := range []struct {
		service, operation string
		fail               *Error
		status             int
		code               string // as the client reads it; empty: as sent
	}{
		{"iam", "GetRole", Fail("NoSuchEntity", 0, "The role with name %s cannot be found.", "a<b>"), 404, "NoSuchEntity"},
		{"sts", "AssumeRole", Fail("AccessDenied", 403, "User: %s is not authorized", "x"), 403, "AccessDenied"},
		{"s3", "GetObject", Fail("NoSuchKey", 404, "The specified key does not exist.").With("Key", "k&k"), 404, "NoSuchKey"},
		{"s3", "HeadObject", Fail("NoSuchKey", 404, ""), 404, "NotFound"},
		{"s3", "DeleteObjects", malformedXML(), 400, "MalformedXML"},
	} {
		m, err := Load(test.service)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, e := Decode(m, r, 1<<20)
			if e == nil {
				e = test.fail
			}
			c.Fail(w, e)
		}))
		cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, nil
			})}
		var client any
		switch test.service {
		case "iam":
			client = iam.NewFromConfig(cfg)
		case "sts":
			client = sts.NewFromConfig(cfg)
		case "s3":
			client = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		}
		method := reflect.ValueOf(client).MethodByName(test.operation)
		in := draw(m, m.Operation(test.operation).input, method.Type().In(1).Elem(), false).Example(1)
		result := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
		err, _ = result[1].Interface().(error)
		var api smithy.APIError
		var re interface{ HTTPStatusCode() int }
		if !errors.As(err, &api) || !errors.As(err, &re) {
			t.Errorf("%s: got %v, want an API error", test.operation, err)
		} else if api.ErrorCode() != test.code || re.HTTPStatusCode() != test.status || test.operation != "HeadObject" && api.ErrorMessage() != test.fail.Message {
			t.Errorf("%s: got %s %d %q, want %s %d %q", test.operation, api.ErrorCode(), re.HTTPStatusCode(), api.ErrorMessage(), test.code, test.status, test.fail.Message)
		}
		server.Close()
	}
}
