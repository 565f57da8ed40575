package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden plays calls as AWS's documents show them: the request, the
// decoded call, what the handler answers, and the response. Members of a
// document may come in any order, elements of a list may not.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d files (%v)", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.ToSlash(name[len("testdata/"):]), ".txtar"), func(t *testing.T) {
			golden(t, name)
		})
	}
}

func golden(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range a.Files {
		parts[f.Name] = f.Data
	}
	r := request(t, parts["request"])
	service := Route(r, "")
	if strings.HasPrefix(r.Host, "ec2.") {
		service = "ec2"
	}
	m := mustLoad(t, service).With(Options{Unions: []Union{attributeValues}})
	if want := filepath.Base(filepath.Dir(name)); m.Protocol() != want {
		t.Fatalf("the request is for %s, which speaks %s, want %s", service, m.Protocol(), want)
	}
	c, e := Decode(m, r, 1<<20)
	if e != nil || c.Op == nil {
		t.Fatalf("decode: %v, operation %q", e, c.OpName)
	}
	in, out := typesOf(t, m, c.OpName)
	if e := c.Input(in); e != nil {
		t.Fatalf("input: %v", e)
	}
	if got, want := dump(reflect.ValueOf(in)), parse(parts["input.json"]); !reflect.DeepEqual(got, want) {
		g, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("input: got %s\nwant %s", g, parts["input.json"])
	}

	want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(parts["response"])), r)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := bytes.Cut(parts["response"], []byte("\n\n"))
	for _, h := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id"} {
		if id := want.Header.Get(h); id != "" {
			c.ID = id
		}
	}
	w := httptest.NewRecorder()
	if text, ok := parts["error.json"]; ok {
		var e Error
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		c.Fail(w, &e)
	} else {
		fill(reflect.ValueOf(out).Elem(), parse(parts["output.json"]), attributeValues)
		c.Reply(w, out)
	}
	if w.Code != want.StatusCode {
		t.Errorf("got status %d, want %d", w.Code, want.StatusCode)
	}
	got := w.Header().Clone()
	got.Del("X-Amz-Id-2")
	got.Del("X-Amz-Crc32")
	if want.Header.Get("Content-Length") == "" {
		got.Del("Content-Length")
	}
	if !maps.EqualFunc(got, want.Header, slices.Equal) {
		t.Errorf("got headers %v\nwant %v", got, want.Header)
	}
	text = bytes.ReplaceAll(text, []byte("HOSTID"), []byte(c.hostID()))
	if g, w := canonical(t, w.Body.Bytes()), canonical(t, text); g != w {
		t.Errorf("got body\n%s\nwant\n%s", g, w)
	}
	if r.Method != "HEAD" && bytes.HasPrefix(text, []byte("<?xml")) != bytes.HasPrefix(w.Body.Bytes(), []byte("<?xml")) {
		t.Errorf("XML declarations differ: %s", w.Body)
	}
}

// request reads the raw request; documents break long forms into lines.
func request(t *testing.T, text []byte) *http.Request {
	t.Helper()
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	if bytes.Contains(body, []byte("Action=")) {
		body = bytes.ReplaceAll(body, []byte("\n"), nil)
	}
	raw := fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")), len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func typesOf(t *testing.T, m *Model, operation string) (in, out any) {
	t.Helper()
	switch operation {
	case "GetItem":
		return &dynamoGetItemInput{}, &dynamoGetItemOutput{}
	case "DescribeKeyPairs":
		return &ec2DescribeKeyPairsInput{}, &ec2DescribeKeyPairsOutput{}
	case "AssumeRoleForPodIdentity":
		return &podIdentityInput{}, &podIdentityOutput{}
	}
	clients := map[string]any{"sts": &sts.Client{}, "iam": &iam.Client{}, "s3": &s3.Client{}}
	f, ok := reflect.TypeOf(clients[m.Name()]).MethodByName(operation)
	if !ok {
		t.Fatalf("no types for %s", operation)
	}
	return reflect.New(f.Type.In(2).Elem()).Interface(), reflect.New(f.Type.Out(0).Elem()).Interface()
}

// canonical prints a JSON or XML document in one form, with the members of
// each element sorted by name.
func canonical(t *testing.T, text []byte) string {
	t.Helper()
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return ""
	}
	if text[0] == '{' {
		b, err := json.MarshalIndent(parse(text), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	n, e := parseXML(text)
	if e != nil {
		t.Fatalf("%v in %s", e, text)
	}
	var b strings.Builder
	var print func(n *node, indent string)
	print = func(n *node, indent string) {
		attrs := slices.Clone(n.attrs)
		slices.SortFunc(attrs, func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
		fmt.Fprintf(&b, "%s%s %v %q\n", indent, n.name, attrs, bytes.TrimSpace(n.text))
		kids := slices.Clone(n.kids)
		slices.SortStableFunc(kids, func(a, b *node) int { return strings.Compare(a.name, b.name) })
		for _, k := range kids {
			print(k, indent+"  ")
		}
	}
	print(n, "")
	return b.String()
}
