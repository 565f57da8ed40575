package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// post makes a call with a form.
func post(m *Model, form string) (*Call, *Error) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return Decode(m, r, 1<<20)
}

// target makes a call with a JSON body.
func target(m *Model, operation, body string) (*Call, *Error) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", m.target+"."+operation)
	return Decode(m, r, 1<<20)
}

func TestValidation(t *testing.T) {
	const sts, iam = "Version=2011-06-15&Action=", "Version=2010-05-08&Action="
	const role = "&RoleArn=arn:aws:iam::123456789012:role/r"
	long := strings.Repeat("r", 65)
	for _, test := range []struct{ service, form, code, want string }{
		{"sts", sts + "AssumeRole&RoleSessionName=se" + role, "", ""},
		{"sts", sts + "AssumeRole&RoleSessionName=se", "ValidationError",
			"1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		{"sts", sts + "AssumeRole", "ValidationError",
			"2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		{"sts", sts + "AssumeRole&RoleSessionName=a+b" + role, "ValidationError",
			`1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"sts", sts + "AssumeRole&RoleSessionName=ok%0A" + role, "ValidationError",
			"1 validation error detected: Value 'ok\n' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"},
		{"sts", sts + "AssumeRole&RoleSessionName=se&DurationSeconds=899" + role, "ValidationError",
			"1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"sts", sts + "AssumeRole&RoleSessionName=se&DurationSeconds=x" + role, "MalformedInput",
			"The value of the parameter DurationSeconds is not valid: want an integer."},
		{"sts", sts + "AssumeRole&RoleSessionName=se&Tags.member.1.Key=k&Tags.member.2.Value=v" + role, "ValidationError",
			"2 validation errors detected: Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null; Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"},
		{"sts", sts + "AssumeRole&RoleSessionName=se&Tags.member.x.Key=k" + role, "MalformedInput", "Key (Tags.member) must be followed by a positive number."},
		{"sts", sts + "AssumeRole&RoleSessionName=se&Tags.member.0.Key=k" + role, "MalformedInput", "Key (Tags.member) must be followed by a positive number."},
		{"sts", sts + "AssumeRole&RoleSessionName=se&Tags.member.01.Key=k" + role, "MalformedInput", "Key (Tags.member) must be followed by a positive number."},
		// A token is a secret and is not repeated.
		{"sts", sts + "AssumeRoleWithWebIdentity&RoleSessionName=se&WebIdentityToken=abc" + role, "ValidationError",
			"1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		{"iam", iam + "GetRole&RoleName=x+y", "ValidationError",
			`1 validation error detected: Value 'x y' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`},
		{"iam", iam + "GetRole&RoleName=" + long, "ValidationError",
			"1 validation error detected: Value '" + long + "' at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"iam", iam + "GetRole&RoleName=", "ValidationError",
			`2 validation errors detected: Value '' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`},
		{"iam", iam + "CreateRole&RoleName=r&AssumeRolePolicyDocument={}&Path=x/", "ValidationError",
			`1 validation error detected: Value 'x/' at 'path' failed to satisfy constraint: Member must satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007E]+\u002F)`},
		{"iam", iam + "CreateRole&RoleName=r&AssumeRolePolicyDocument={}&Path=/a/b/&Description=%C3%A9", "", ""},
		{"iam", iam + "ListPolicies&Scope=Mine", "ValidationError",
			"1 validation error detected: Value 'Mine' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"},
		{"iam", iam + "ListPolicies&MaxItems=1001", "ValidationError",
			"1 validation error detected: Value '1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"iam", iam + "CreateLoginProfile&UserName=u&Password=hunter2%00", "ValidationError",
			`1 validation error detected: Value at 'password' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`},
	} {
		m := mustLoad(t, test.service)
		c, e := post(m, test.form)
		if e == nil {
			e = c.Input(inputFor(m, c.OpName))
		}
		if test.code == "" {
			if e != nil {
				t.Errorf("%s: got %v", test.form, e)
			}
			continue
		}
		if e == nil || e.Code != test.code || e.Message != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s: %s", test.form, e, test.code, test.want)
		}
	}
}

// inputFor makes the SDK's input of an operation.
func inputFor(m *Model, operation string) any {
	clients := map[string]any{"sts": &sts.Client{}, "iam": &iam.Client{}, "s3": &s3.Client{}}
	method, ok := reflect.TypeOf(clients[m.Name()]).MethodByName(operation)
	if !ok {
		panic("no operation " + operation)
	}
	return reflect.New(method.Type.In(2).Elem()).Interface()
}

// TestSecrets prints a call in all the ways that a careless line might.
func TestSecrets(t *testing.T) {
	c, e := post(mustLoad(t, "sts"), "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=hunter2")
	if e != nil {
		t.Fatal(e)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("call", "call", c)
	fmt.Fprintf(&b, "%v %+v %#v %s", c, c, c, c)
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), "sts:AssumeRoleWithWebIdentity") {
		t.Errorf("got %s", &b)
	}
}

func TestMethods(t *testing.T) {
	for _, method := range []string{"PUT", "DELETE", "HEAD"} {
		r := httptest.NewRequest(method, "/?Action=GetCallerIdentity&Version=2011-06-15", nil)
		if c, e := Decode(mustLoad(t, "sts"), r, 100); e != nil || c.Op != nil {
			t.Errorf("%s: got %v, %v, want no operation", method, c.Op, e)
		}
	}
}

func TestManyViolations(t *testing.T) {
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}}
	for i := range 1000 {
		form.Set("PolicyArns.member."+string(rune('1'+i%9))+strings.Repeat("0", i/9%8)+".arn", "x")
	}
	c, e := post(mustLoad(t, "sts"), form.Encode())
	if e == nil {
		e = c.Input(&sts.AssumeRoleInput{})
	}
	if e == nil || len(e.Message) > 10_000 {
		t.Errorf("got a message of %d characters", len(e.Message))
	}
}

func TestActions(t *testing.T) {
	for _, test := range []struct{ service, form, code, message string }{
		{"iam", "Action=GetNothing&Version=2010-05-08", "InvalidAction", "Could not find operation GetNothing for version 2010-05-08"},
		{"iam", "Action=GetRole&Version=2011-01-01", "InvalidAction", "Could not find operation GetRole for version 2011-01-01"},
		{"iam", "Action=GetRole", "InvalidAction", "Could not find operation GetRole for version NO_VERSION_SPECIFIED"},
		{"iam", "Version=2010-05-08", "MissingAction", "The request is missing an action or a required parameter."},
		{"ec2", "Action=RunNothing&Version=2016-11-15", "InvalidAction", "The action RunNothing is not valid for this web service."},
	} {
		c, e := post(mustLoad(t, test.service), test.form)
		if e != nil || c.Op != nil {
			t.Errorf("%s: got %v, %v, want an unknown operation", test.form, c.Op, e)
			continue
		}
		if e := c.Unknown(); e.Code != test.code || e.Message != test.message || e.Status != 400 {
			t.Errorf("%s: got %v (%d), want %s: %s", test.form, e, e.Status, test.code, test.message)
		}
		if e := c.Input(&iam.GetRoleInput{}); e == nil || e.Code != test.code {
			t.Errorf("%s: Input gives %v, want %s", test.form, e, test.code)
		}
	}
	m := mustLoad(t, "dynamodb")
	for _, header := range []string{"", "GetItem", "DynamoDB_20120810.Nothing", "Other.GetItem"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", header)
		c, e := Decode(m, r, 100)
		if e != nil || c.Op != nil || c.Unknown().Code != "UnknownOperationException" {
			t.Errorf("%q: got %v, %v, want an unknown operation", header, c.Op, e)
		}
	}
}

func TestQueryInput(t *testing.T) {
	c, e := post(mustLoad(t, "iam"), "Action=SimulateCustomPolicy&Version=2010-05-08&PolicyInputList.member.10=j&PolicyInputList.member.2=b&"+
		"PolicyInputList.member.1=a&ActionNames.member.1=s3:GetObject&ResourceArns=&ContextEntries.member.1.ContextKeyName=aws:username&"+
		"ContextEntries.member.1.ContextKeyType=string&ContextEntries.member.1.ContextKeyValues.member.1=bob&Unknown.member.1=x&MaxItems=")
	if e != nil {
		t.Fatal(e)
	}
	var got iam.SimulateCustomPolicyInput
	if e := c.Input(&got); e != nil {
		t.Fatal(e)
	}
	want := iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{"a", "b", "j"}, // a gap is closed up, order is by number
		ActionNames:     []string{"s3:GetObject"},
		ResourceArns:    []string{}, // an empty list is not an absent one
		ContextEntries: []iamtypes.ContextEntry{{ContextKeyName: aws.String("aws:username"), ContextKeyType: "string",
			ContextKeyValues: []string{"bob"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// EC2 structs, shaped as aws-sdk-go-v2's.
type (
	ec2Filter struct {
		Name   *string
		Values []string
	}
	ec2Tag              struct{ Key, Value *string }
	ec2ResourceType     string
	ec2TagSpecification struct {
		ResourceType ec2ResourceType
		Tags         []ec2Tag
	}
	ec2InstanceProfile struct{ Arn, Name *string }
	ec2MetadataOptions struct {
		HttpTokens              string
		HttpPutResponseHopLimit *int32
	}
	ec2RunInstancesInput struct {
		MaxCount, MinCount *int32
		ImageId            *string
		DryRun             *bool
		SecurityGroupIds   []string
		TagSpecifications  []ec2TagSpecification
		IamInstanceProfile *ec2InstanceProfile
		MetadataOptions    *ec2MetadataOptions
	}
)

func TestEC2Input(t *testing.T) {
	m := mustLoad(t, "ec2")
	c, e := post(m, "Action=RunInstances&Version=2016-11-15&MaxCount=1&MinCount=1&ImageId=ami-1&DryRun=true&SecurityGroupId.1=sg-1&SecurityGroupId.2=sg-2&"+
		"TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v&IamInstanceProfile.Name=p&"+
		"MetadataOptions.HttpTokens=required&MetadataOptions.HttpPutResponseHopLimit=2&Placement.AvailabilityZone=")
	if e != nil {
		t.Fatal(e)
	}
	var got ec2RunInstancesInput
	if e := c.Input(&got); e != nil {
		t.Fatal(e)
	}
	want := ec2RunInstancesInput{MaxCount: aws.Int32(1), MinCount: aws.Int32(1), ImageId: aws.String("ami-1"), DryRun: aws.Bool(true),
		SecurityGroupIds:   []string{"sg-1", "sg-2"},
		TagSpecifications:  []ec2TagSpecification{{"instance", []ec2Tag{{aws.String("k"), aws.String("v")}}}},
		IamInstanceProfile: &ec2InstanceProfile{Name: aws.String("p")},
		MetadataOptions:    &ec2MetadataOptions{"required", aws.Int32(2)}}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("got %s, want %s", g, w)
	}
	for form, want := range map[string]string{
		"MaxCount=1":            "MissingParameter: The request must contain the parameter MinCount",
		"MaxCount=x&MinCount=1": "InvalidParameterValue: The value of the parameter MaxCount is not valid: want an integer.",
		"MinCount=1&MaxCount=1&TagSpecification.a.ResourceType=x": "MalformedInput: Key (TagSpecification) must be followed by a positive number.",
	} {
		c, e := post(m, "Action=RunInstances&Version=2016-11-15&"+form)
		if e == nil {
			e = c.Input(&ec2RunInstancesInput{})
		}
		if e == nil || e.Error() != want {
			t.Errorf("%s: got %v, want %s", form, e, want)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	for service, code := range map[string]string{"sts": "RequestEntityTooLarge", "dynamodb": "RequestEntityTooLarge"} {
		for _, length := range []int64{-1, 101} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("a", 101)))
			r.ContentLength = length
			c, e := Decode(mustLoad(t, service), r, 100)
			if e == nil || e.Code != code || e.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: got %v, want %s", service, e, code)
			}
			w := httptest.NewRecorder()
			c.Fail(w, e)
			if w.Code != 413 || !strings.Contains(w.Body.String(), code) {
				t.Errorf("%s: got %d %s", service, w.Code, w.Body)
			}
		}
	}
	r := httptest.NewRequest("PUT", "/b?tagging", strings.NewReader("<Tagging>"+strings.Repeat(" ", 100)+"</Tagging>"))
	c, e := Decode(mustLoad(t, "s3"), r, 100)
	if e == nil {
		e = c.Input(&s3.PutBucketTaggingInput{})
	}
	if e == nil || e.Code != "EntityTooLarge" {
		t.Errorf("got %v, want EntityTooLarge", e)
	}
}

func TestS3Documents(t *testing.T) {
	m := mustLoad(t, "s3")
	for _, test := range []struct{ target, body, want string }{
		{"/b?versioning", `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`, ""},
		{"/b?versioning", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<VersioningConfiguration/>\n", ""},
		{"/b?versioning", `<VersioningConfiguration><Status>On</Status></VersioningConfiguration>`, "MalformedXML"},
		{"/b?versioning", `<Versioning><Status>Enabled</Status></Versioning>`, "MalformedXML"},
		{"/b?versioning", `<VersioningConfiguration><Status>Enabled</Status><Status>Suspended</Status></VersioningConfiguration>`, "MalformedXML"},
		{"/b?versioning", `<VersioningConfiguration>`, "MalformedXML"},
		{"/b?versioning", `<VersioningConfiguration/><VersioningConfiguration/>`, "MalformedXML"},
		{"/b?versioning", `<!DOCTYPE x [<!ENTITY a "b">]><VersioningConfiguration/>`, "MalformedXML"},
		{"/b?versioning", `x<VersioningConfiguration/>`, "MalformedXML"},
		{"/b?versioning", strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000), "MalformedXML"},
		{"/b?versioning", ``, "MissingRequestBodyError"},
		{"/b", ``, ""},
		{"/b", `<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>`, ""},
		{"/b?tagging", `<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>`, "MalformedXML"},
		{"/b?tagging", `<Tagging><TagSet/></Tagging>`, ""},
		{"/b?object-lock", `<ObjectLockConfiguration><Rule><DefaultRetention><Days>x</Days></DefaultRetention></Rule></ObjectLockConfiguration>`, "MalformedXML"},
		{"/b?policy", `{"Version":"2012-10-17"}`, ""},
		{"/b?tagging", `<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>`, ""}, // lengths are the handler's
	} {
		r := httptest.NewRequest("PUT", test.target, strings.NewReader(test.body))
		c, e := Decode(m, r, 1<<20)
		if e != nil || c.Op == nil {
			t.Fatalf("%s: got %v, %v", test.target, c.Op, e)
		}
		e = c.Input(inputFor(m, c.OpName))
		if test.want == "" && e != nil || test.want != "" && (e == nil || e.Code != test.want) {
			t.Errorf("%s %s: got %v, want %q", test.target, test.body, e, test.want)
		}
	}
	r := httptest.NewRequest("GET", "/b?max-keys=many", nil)
	c, _ := Decode(m, r, 1)
	e := c.Input(&s3.ListObjectsInput{})
	if want := []Pair{{"ArgumentName", "max-keys"}, {"ArgumentValue", "many"}}; e == nil || e.Code != "InvalidArgument" || !reflect.DeepEqual(e.Detail, want) {
		t.Errorf("got %v, want InvalidArgument with %v", e, want)
	}
	r = httptest.NewRequest("GET", "/b/k?attributes", nil)
	c, _ = Decode(m, r, 1)
	if e := c.Input(&s3.GetObjectAttributesInput{}); e == nil || e.Message != "Missing required header for this request: x-amz-object-attributes" {
		t.Errorf("got %v, want a missing header", e)
	}
}
