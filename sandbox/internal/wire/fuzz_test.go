package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// check decodes a request into the input of its operation, if it has one,
// and wants an answer that is either the input or a client error which can
// be read again.
func check(t *testing.T, m *Model, r *http.Request, types func(operation string) any) {
	c, e := Decode(m, r, 1<<16)
	if c == nil {
		t.Fatal("no call")
	}
	if e == nil {
		if c.Op == nil {
			e = c.Unknown()
		} else if in := types(c.OpName); in != nil {
			e = c.Input(in)
		}
	}
	if e == nil {
		return
	}
	if e.Status < 400 || e.Status > 499 || e.Code == "" {
		t.Fatalf("got %v with status %d, want a client error", e, e.Status)
	}
	w := httptest.NewRecorder()
	c.Fail(w, e)
	if m.Protocol() == "json" || m.Protocol() == "rest-json" {
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("the error is not JSON: %s", w.Body)
		}
	} else if r.Method != http.MethodHead && !bytes.Contains(w.Body.Bytes(), []byte("<Code>"+e.Code+"</Code>")) {
		t.Fatalf("the error has no code: %s", w.Body)
	}
}

// sdkTypes finds the input structs of a client's operations.
func sdkTypes(client any) func(string) any {
	return func(operation string) any {
		f, ok := reflect.TypeOf(client).MethodByName(operation)
		if !ok {
			return nil
		}
		return reflect.New(f.Type.In(2).Elem()).Interface()
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&Tags.member.1.Key=a&Tags.member.1.Value=b")
	f.Add("Action=AssumeRole&Version=2011-06-15&Tags.member.99999999999999999999.Key=a")
	f.Add("Action=SimulateCustomPolicy&Version=2010-05-08&ContextEntries.member.1.ContextKeyValues.member.1=a&ActionNames=")
	f.Add("Action=CreateRole&Version=2010-05-08&Tags.member..Key=a&Tags=&Tags.=x&.=y&=z")
	f.Add("Action=RunInstances&Version=2016-11-15&MaxCount=1&MinCount=x&TagSpecification.1.Tag.1.Key=a")
	f.Add("%zz;&a=%ff")
	models := map[string]*Model{"sts": mustLoad(f, "sts"), "iam": mustLoad(f, "iam"), "ec2": mustLoad(f, "ec2")}
	types := map[string]func(string) any{"sts": sdkTypes(&sts.Client{}), "iam": sdkTypes(&iam.Client{}), "ec2": func(operation string) any {
		switch operation {
		case "RunInstances":
			return &ec2RunInstancesInput{}
		case "DescribeKeyPairs":
			return &ec2DescribeKeyPairsInput{}
		}
		return nil
	}}
	f.Fuzz(func(t *testing.T, form string) {
		for s, m := range models {
			r := httptest.NewRequest("POST", "/", strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if Route(r, "") == "" {
				t.Fatal("no service")
			}
			check(t, m, r, types[s])
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"TableName":"t","Key":{"a":{"M":{"b":{"L":[{"N":"1"},{"NULL":true}]}}}}}`))
	f.Add([]byte(`{"TableName":"t","Key":{"a":{"S":"x","N":"1"}},"ConsistentRead":1e400}`))
	f.Add([]byte(`{"token":"a.b.c"}`))
	f.Add([]byte(`[[[[{"a":"\ud800"}]]]]`))
	dynamodb := mustLoad(f, "dynamodb").With(Options{Unions: []Union{attributeValues}})
	eks := mustLoad(f, "eks-auth")
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
		check(t, dynamodb, r, func(string) any { return &dynamoGetItemInput{} })
		r = httptest.NewRequest("POST", "/clusters/c/assume-role-for-pod-identity", bytes.NewReader(body))
		check(t, eks, r, func(string) any { return &podIdentityInput{} })
	})
}

func FuzzS3(f *testing.F) {
	f.Add("PUT", "/b/k?tagging", "localhost", []byte(`<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`))
	f.Add("PUT", "/b?lifecycle", "b.s3.amazonaws.com", []byte(`<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>`))
	f.Add("POST", "/b?delete", "127.0.0.1:1", []byte(`<Delete><Object><Key>a</Key></Object><Quiet>x</Quiet></Delete>`))
	f.Add("PUT", "/b?acl", "[::1]:80", []byte(`<AccessControlPolicy xmlns:x="y"><AccessControlList><Grant><Grantee x:type="CanonicalUser"/></Grant></AccessControlList></AccessControlPolicy>`))
	f.Add("GET", "//..%2f%00?max-keys=-1&versions&%zz", "..s3.", []byte(`<!DOCTYPE a>`))
	m := mustLoad(f, "s3")
	types := sdkTypes(&s3.Client{})
	f.Fuzz(func(t *testing.T, method, target, host string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Skip("not HTTP")
		}
		r := httptest.NewRequest(method, "/", bytes.NewReader(body))
		r.URL, r.Host = u, host
		// Filters of these two are unions that only a handler can register.
		check(t, m, r, func(operation string) any {
			if strings.Contains(operation, "Analytics") || strings.Contains(operation, "Metrics") || operation == "UpdateObjectEncryption" {
				return nil
			}
			return types(operation)
		})
	})
}

// FuzzXML compares reading with writing: what is written is read again.
func FuzzXML(f *testing.F) {
	f.Add("a", "b")
	f.Add("<&>\"'\r\n\t", "é\uFFFD")
	m := mustLoad(f, "s3")
	f.Fuzz(func(t *testing.T, key, value string) {
		x := xmlOut{m: m}
		x.text("Key", key)
		n, e := parseXML(x.b)
		if e != nil {
			if strings.Map(printable, key) == key && strings.ToValidUTF8(key, "") == key {
				t.Fatalf("%q cannot be read: %s", key, x.b)
			}
			return
		}
		if got := string(n.text); got != strings.ToValidUTF8(key, "\uFFFD") && strings.Map(printable, key) == key && strings.ToValidUTF8(key, "") == key {
			t.Fatalf("got %q, want %q", got, key)
		}
		b := appendString(nil, value)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v in %s", value, err, b)
		}
	})
}
