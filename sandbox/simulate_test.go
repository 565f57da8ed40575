package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	engine "github.com/mantle-iam/mantle/iam"
)

// simulated is a decision vector of the engine (iam/testdata/vectors).
type simulated struct {
	ID, Description, Expect string
	Request                 struct {
		Principal, PrincipalType, PrincipalAccount, IssuerArn string
		Action, Resource, ResourceAccount                     string
		Context                                               map[string]any
	}
	Policies struct {
		Identity, Boundary, Session []json.RawMessage
		Resource                    json.RawMessage
		SCP, RCP                    [][]json.RawMessage
		VPCE                        []json.RawMessage
	}
}

// input is the vector as a call of SimulateCustomPolicy, or why there is none:
// the simulator has no session, endpoint and resource control policies, no
// callers but users and roles, and one boundary.
func (v *simulated) input() (*awsiam.SimulateCustomPolicyInput, string) {
	q, p := &v.Request, &v.Policies
	hasResource := len(p.Resource) > 0 && string(p.Resource) != "null"
	switch {
	case q.PrincipalType != "User" && q.PrincipalType != "AssumedRole":
		return nil, "caller"
	case len(p.Session) > 0 || len(p.RCP) > 0 || len(p.VPCE) > 0:
		return nil, "layer"
	case len(p.Boundary) > 1:
		return nil, "boundaries"
	case hasResource && strings.Contains(string(p.Resource), ":assumed-role/"):
		return nil, "session"
	case hasResource && strings.Contains(q.Resource, ":role/"):
		return nil, "trust"
	case strings.ContainsAny(q.Action, "*?") || strings.Count(q.Action, ":") != 1:
		return nil, "action"
	}
	in := &awsiam.SimulateCustomPolicyInput{ActionNames: []string{q.Action}, ResourceArns: []string{q.Resource}}
	for _, doc := range p.Identity {
		if _, err := engine.Parse(engine.Identity, "", doc); err != nil {
			return nil, "refused policy"
		}
		in.PolicyInputList = append(in.PolicyInputList, string(doc))
	}
	if len(p.Identity) == 0 { // the parameter is required, but a policy may say nothing
		in.PolicyInputList = []string{statement(`"Effect":"Allow","NotAction":"*","Resource":"*"`)}
	}
	for _, doc := range p.Boundary {
		if _, err := engine.Parse(engine.Boundary, "", doc); err != nil {
			return nil, "refused policy"
		}
		in.PermissionsBoundaryPolicyInputList = append(in.PermissionsBoundaryPolicyInputList, string(doc))
	}
	for _, level := range p.SCP {
		var docs []string
		for _, doc := range level {
			if _, err := engine.Parse(engine.SCP, "", doc); err != nil {
				return nil, "refused policy"
			}
			docs = append(docs, string(doc))
		}
		if len(docs) == 0 {
			return nil, "empty level"
		}
		in.OrderedOrganizationPolicyInputList = append(in.OrderedOrganizationPolicyInputList, types.OrderedOrganizationPolicyType{ServiceControlPolicyInputList: docs})
	}
	in.CallerArn = &q.Principal
	if q.PrincipalType == "AssumedRole" {
		in.CallerArn = &q.IssuerArn
	}
	if hasResource {
		if _, err := engine.Parse(engine.Resource, "", p.Resource); err != nil {
			return nil, "refused policy"
		}
		in.ResourcePolicy = aws.String(string(p.Resource))
	}
	owner := q.ResourceAccount
	if owner != "" {
		if arn, err := engine.ParseARN(q.Resource); err == nil && arn.Account != "" && arn.Account != owner {
			return nil, "owner"
		}
		if len(owner) != 12 {
			return nil, "owner"
		}
		in.ResourceOwner = aws.String("arn:aws:iam::" + owner + ":root")
	}
	for key, value := range q.Context {
		e := types.ContextEntry{ContextKeyName: &key, ContextKeyType: types.ContextKeyTypeEnumString}
		if list, ok := value.([]any); ok {
			e.ContextKeyType, e.ContextKeyValues = types.ContextKeyTypeEnumStringList, []string{}
			for _, x := range list {
				e.ContextKeyValues = append(e.ContextKeyValues, fmt.Sprint(x))
			}
		} else {
			e.ContextKeyValues = []string{fmt.Sprint(value)}
		}
		if len(key) < 5 {
			return nil, "key"
		}
		in.ContextEntries = append(in.ContextEntries, e)
	}
	return in, ""
}

// TestSimulateVectors asks the sandbox, over signed calls, what the engine's
// vectors know: the simulator's parameters must reach the engine unharmed.
func TestSimulateVectors(t *testing.T) {
	const file = "../iam/testdata/vectors/vectors-open.jsonl"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := newWorld(t, "").admin(dev)
	decisions := map[string]types.PolicyEvaluationDecisionType{
		"Allow":        types.PolicyEvaluationDecisionTypeAllowed,
		"ExplicitDeny": types.PolicyEvaluationDecisionTypeExplicitDeny,
		"ImplicitDeny": types.PolicyEvaluationDecisionTypeImplicitDeny,
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	asked, left := 0, map[string]int{}
	for lines.Scan() {
		var v simulated
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		in, why := v.input()
		if in == nil {
			left[why]++
			continue
		}
		asked++
		out, err := c.iam.SimulateCustomPolicy(context.Background(), in)
		if err != nil {
			t.Errorf("%s (%s): %v", v.ID, v.Description, err)
			continue
		}
		if got, want := out.EvaluationResults[0].EvalDecision, decisions[v.Expect]; got != want {
			t.Errorf("%s (%s): %s, want %s", v.ID, v.Description, got, want)
		}
	}
	t.Logf("%d vectors asked; left out: %v", asked, left)
	if asked < 500 {
		t.Errorf("only %d vectors were asked", asked)
	}
}

// where is a matched statement in short.
func where(list []types.Statement) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s(%s) %d:%d-%d:%d", *s.SourcePolicyId, s.SourcePolicyType,
			s.StartPosition.Line, s.StartPosition.Column, s.EndPosition.Line, s.EndPosition.Column))
	}
	return strings.Join(out, ", ")
}

// TestSimulateCustomPolicy holds the examples of simulate-custom-policy in the
// AWS CLI reference, and what else the answer says.
func TestSimulateCustomPolicy(t *testing.T) {
	c := newWorld(t, "").admin(dev)
	const dated = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`
	const listed = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"},\n    {\n      \"Effect\": \"Deny\", \"Action\": \"s3:Delete*\", \"Resource\": \"arn:aws:s3:::b/${aws:username}/*\"\n    }\n  ]\n}"
	at := func(when string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: aws.String("aws:CurrentTime"), ContextKeyType: "date", ContextKeyValues: []string{when}}}
	}
	for _, row := range []struct {
		name    string
		in      awsiam.SimulateCustomPolicyInput
		want    types.PolicyEvaluationDecisionType
		matched string
		missing string
	}{
		{"example 1", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{dated}, ActionNames: []string{"dynamodb:CreateBackup"}, ContextEntries: at("2019-04-25T11:00:00Z")},
			"allowed", "PolicyInputList.1(none) 1:38-1:167", ""},
		{"example 2", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{dated}, ActionNames: []string{"dynamodb:CreateBackup"}, ContextEntries: at("2014-04-25T11:00:00Z")},
			"implicitDeny", "", ""},
		{"no time given", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{dated}, ActionNames: []string{"dynamodb:CreateBackup"}},
			"implicitDeny", "", "aws:CurrentTime"},
		{"key of another action", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{dated}, ActionNames: []string{"s3:GetObject"}},
			"implicitDeny", "", ""},
		{"list", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{listed}, ActionNames: []string{"s3:GetObject"}},
			"allowed", "PolicyInputList.1(none) 3:17-4:59", ""},
		{"deny", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{dated, listed}, ActionNames: []string{"s3:DeleteObject"}, ResourceArns: []string{"arn:aws:s3:::b/mira/x"},
			ContextEntries: []types.ContextEntry{{ContextKeyName: aws.String("aws:username"), ContextKeyType: "string", ContextKeyValues: []string{"mira"}}}},
			"explicitDeny", "PolicyInputList.2(none) 4:59-7:6", ""},
		{"variable without value", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{listed}, ActionNames: []string{"s3:DeleteObject"}, ResourceArns: []string{"arn:aws:s3:::b/mira/x"}},
			"allowed", "PolicyInputList.1(none) 3:17-4:59", "aws:username"},
	} {
		out, err := c.iam.SimulateCustomPolicy(t.Context(), &row.in)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		r := out.EvaluationResults[0]
		if got := where(r.MatchedStatements); r.EvalDecision != row.want || got != row.matched || strings.Join(r.MissingContextValues, " ") != row.missing {
			t.Errorf("%s: %s %s, missing %v; want %s %s, missing %s", row.name, r.EvalDecision, got, r.MissingContextValues, row.want, row.matched, row.missing)
		}
		if specific := len(row.in.ResourceArns) > 0; specific != (len(r.ResourceSpecificResults) == 1) {
			t.Errorf("%s: %d resource-specific results", row.name, len(r.ResourceSpecificResults))
		}
	}
}

func TestSimulateBoundaryAndAccounts(t *testing.T) {
	c := newWorld(t, "").admin(dev)
	all := statement(`"Effect":"Allow","Action":"*","Resource":"*"`)
	in := awsiam.SimulateCustomPolicyInput{
		PolicyInputList: []string{all}, ActionNames: []string{"s3:GetObject"},
		PermissionsBoundaryPolicyInputList: []string{statement(`"Effect":"Allow","Action":"ec2:*","Resource":"*"`)},
	}
	out, err := c.iam.SimulateCustomPolicy(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	if r := out.EvaluationResults[0]; r.EvalDecision != "implicitDeny" || r.PermissionsBoundaryDecisionDetail == nil || r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary || len(r.MatchedStatements) != 0 {
		t.Errorf("boundary: %+v", r)
	}
	in.OrderedOrganizationPolicyInputList = []types.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{all}}}
	in.PermissionsBoundaryPolicyInputList = nil
	if out, err = c.iam.SimulateCustomPolicy(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	if r := out.EvaluationResults[0]; r.EvalDecision != "allowed" || r.OrganizationsDecisionDetail == nil || !r.OrganizationsDecisionDetail.AllowedByOrganizations || r.PermissionsBoundaryDecisionDetail != nil {
		t.Errorf("organization: %+v", r)
	}

	across := awsiam.SimulateCustomPolicyInput{
		PolicyInputList: []string{all}, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::ledger/a"},
		CallerArn:      aws.String("arn:aws:iam::" + dev + ":role/app/reader"),
		ResourceOwner:  aws.String("arn:aws:iam::" + shared + ":root"),
		ResourcePolicy: aws.String(statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + dev + `:role/app/reader"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::ledger/*"`)),
	}
	if out, err = c.iam.SimulateCustomPolicy(t.Context(), &across); err != nil {
		t.Fatal(err)
	}
	r := out.EvaluationResults[0]
	if got := where(r.MatchedStatements); r.EvalDecision != "allowed" || !strings.Contains(got, "ResourcePolicy(resource)") || !strings.Contains(got, "PolicyInputList.1(none)") {
		t.Errorf("across accounts: %s %s", r.EvalDecision, got)
	}
	if got := r.EvalDecisionDetails; got["IAM Policy"] != "allowed" || got["Resource Policy"] != "allowed" {
		t.Errorf("details %v", got)
	}
	across.CallerArn = aws.String("arn:aws:iam::" + dev + ":role/reader")
	if out, err = c.iam.SimulateCustomPolicy(t.Context(), &across); err != nil {
		t.Fatal(err)
	}
	if r := out.EvaluationResults[0]; r.EvalDecision != "implicitDeny" || r.EvalDecisionDetails["Resource Policy"] != "implicitDeny" || r.EvalDecisionDetails["IAM Policy"] != "allowed" {
		t.Errorf("role without its path: %s %v", r.EvalDecision, r.EvalDecisionDetails)
	}
}

func TestSimulatePages(t *testing.T) {
	c := newWorld(t, "").admin(dev)
	in := &awsiam.SimulateCustomPolicyInput{
		PolicyInputList: []string{statement(`"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"`)},
		ActionNames:     []string{"s3:GetObject", "s3:PutObject", "s3:GetObjectAcl"}, ResourceArns: []string{"arn:aws:s3:::b/1", "arn:aws:s3:::c/1"},
		MaxItems: aws.Int32(4),
	}
	var got []string
	pages := 0
	for p := awsiam.NewSimulateCustomPolicyPaginator(c.iam, in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.EvaluationResults {
			got = append(got, fmt.Sprintf("%s %s %s", *r.EvalActionName, *r.EvalResourceName, r.EvalDecision))
		}
	}
	want := []string{
		"s3:GetObject arn:aws:s3:::b/1 allowed", "s3:GetObject arn:aws:s3:::c/1 implicitDeny",
		"s3:PutObject arn:aws:s3:::b/1 implicitDeny", "s3:PutObject arn:aws:s3:::c/1 implicitDeny",
		"s3:GetObjectAcl arn:aws:s3:::b/1 allowed", "s3:GetObjectAcl arn:aws:s3:::c/1 implicitDeny",
	}
	if pages != 2 || !slices.Equal(got, want) {
		t.Errorf("%d pages of %v, want 2 of %v", pages, got, want)
	}
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, "")
	c := w.admin(dev)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	bound := statement(`"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":"*"`)
	made, err := c.iam.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("bound"), PolicyDocument: &bound})
	must(made, err)
	must(c.iam.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("mira"), PermissionsBoundary: made.Policy.Arn, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}))
	must(c.iam.PutUserPolicy(ctx, &awsiam.PutUserPolicyInput{UserName: aws.String("mira"), PolicyName: aws.String("own"), PolicyDocument: aws.String(statement(`"Effect":"Allow","Action":["s3:GetObject","sqs:*"],"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a","s3:prefix":"x"}}`))}))
	must(c.iam.CreateGroup(ctx, &awsiam.CreateGroupInput{GroupName: aws.String("dev")}))
	must(c.iam.AddUserToGroup(ctx, &awsiam.AddUserToGroupInput{GroupName: aws.String("dev"), UserName: aws.String("mira")}))
	must(c.iam.PutGroupPolicy(ctx, &awsiam.PutGroupPolicyInput{GroupName: aws.String("dev"), PolicyName: aws.String("shared"), PolicyDocument: aws.String(statement(`"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"`))}))
	must(c.iam.AttachGroupPolicy(ctx, &awsiam.AttachGroupPolicyInput{GroupName: aws.String("dev"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))
	mira := "arn:aws:iam::" + dev + ":user/mira"

	prefix := types.ContextEntry{ContextKeyName: aws.String("s3:prefix"), ContextKeyType: "string", ContextKeyValues: []string{"x"}}
	out, err := c.iam.SimulatePrincipalPolicy(ctx, &awsiam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &mira, ActionNames: []string{"s3:GetObject", "s3:DeleteObject", "iam:GetRole", "sqs:SendMessage", "s3:PutObject"},
		PolicyInputList: []string{statement(`"Effect":"Allow","Action":"s3:PutObject","Resource":"*"`)},
		ContextEntries:  []types.ContextEntry{prefix},
	})
	must(out, err)
	var got []string
	for _, r := range out.EvaluationResults {
		source := ""
		for _, s := range r.MatchedStatements {
			source += " " + *s.SourcePolicyId + "/" + string(s.SourcePolicyType)
		}
		got = append(got, fmt.Sprintf("%s %s%s %t", *r.EvalActionName, r.EvalDecision, source, r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary))
	}
	want := []string{
		"s3:GetObject allowed own/user true",
		"s3:DeleteObject explicitDeny shared/group true",
		"iam:GetRole allowed IAMReadOnlyAccess/aws-managed true",
		"sqs:SendMessage implicitDeny false",
		"s3:PutObject allowed PolicyInputList.1/none true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A boundary that is passed takes the place of the user's own.
	out, err = c.iam.SimulatePrincipalPolicy(ctx, &awsiam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &mira, ActionNames: []string{"sqs:SendMessage"}, ContextEntries: []types.ContextEntry{prefix},
		PermissionsBoundaryPolicyInputList: []string{statement(`"Effect":"Allow","Action":"*","Resource":"*"`)},
	})
	must(out, err)
	if r := out.EvaluationResults[0]; r.EvalDecision != "allowed" {
		t.Errorf("with another boundary: %s", r.EvalDecision)
	}

	keys, err := c.iam.GetContextKeysForPrincipalPolicy(ctx, &awsiam.GetContextKeysForPrincipalPolicyInput{
		PolicySourceArn: &mira, PolicyInputList: []string{statement(`"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::b/${aws:username}/${*}/${AWS:UserName, 'x'}"],"Condition":{"NumericLessThan":{"s3:max-keys":"${no}"},"StringLike":{"S3:Prefix":"${aws:PrincipalTag/home}/*"}}`)},
	})
	must(keys, err)
	if want := []string{"aws:PrincipalTag/team", "s3:prefix", "aws:username", "s3:max-keys", "aws:PrincipalTag/home"}; !slices.Equal(keys.ContextKeyNames, want) {
		t.Errorf("keys %v, want %v", keys.ContextKeyNames, want)
	}

	// Only the source's own policies matter, not the caller's; but the caller
	// must be allowed to ask.
	c.role("asker", trusts(`{"AWS":"arn:aws:iam::111122223333:root"}`), statement(`"Effect":"Allow","Action":"iam:SimulatePrincipalPolicy","Resource":"`+mira+`"`))
	cred, err := c.assume(roleARN(dev, "asker"), "one")
	must(cred, err)
	asker := w.with(cred)
	if _, err := asker.iam.SimulatePrincipalPolicy(ctx, &awsiam.SimulatePrincipalPolicyInput{PolicySourceArn: &mira, ActionNames: []string{"s3:GetObject"}}); err != nil {
		t.Errorf("about mira: %v", err)
	}
	admin := "arn:aws:iam::" + dev + ":user/dev-admin"
	if _, err := asker.iam.SimulatePrincipalPolicy(ctx, &awsiam.SimulatePrincipalPolicyInput{PolicySourceArn: &admin, ActionNames: []string{"s3:GetObject"}}); code(err) != "AccessDenied" {
		t.Errorf("about another user: %v, want AccessDenied", err)
	}
}

// TestSimulateScenario asks for what RunInstances needs as one request.
func TestSimulateScenario(t *testing.T) {
	c := newWorld(t, "").admin(dev)
	ec2 := func(words ...string) (out []string) {
		for _, word := range words {
			out = append(out, "arn:aws:ec2:eu-west-1:"+dev+":"+word+"/x")
		}
		return out
	}
	in := &awsiam.SimulateCustomPolicyInput{
		PolicyInputList: []string{statement(`"Effect":"Allow","Action":"ec2:RunInstances","NotResource":"arn:aws:ec2:*:*:subnet/*"`)},
		ActionNames:     []string{"ec2:RunInstances"}, ResourceHandlingOption: aws.String("EC2-VPC-InstanceStore-Subnet"),
		ResourceArns: ec2("instance", "image", "security-group", "network-interface", "subnet"),
	}
	out, err := c.iam.SimulateCustomPolicy(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.EvaluationResults) != 1 || out.EvaluationResults[0].EvalDecision != "implicitDeny" || len(out.EvaluationResults[0].ResourceSpecificResults) != 5 {
		t.Fatalf("results %+v", out.EvaluationResults)
	}
	for _, r := range out.EvaluationResults[0].ResourceSpecificResults {
		if allowed := r.EvalResourceDecision == "allowed"; allowed == strings.Contains(*r.EvalResourceName, ":subnet/") {
			t.Errorf("%s: %s", *r.EvalResourceName, r.EvalResourceDecision)
		}
	}
	in.ResourceArns = ec2("instance", "image", "security-group", "network-interface")
	if _, err := c.iam.SimulateCustomPolicy(t.Context(), in); code(err) != "InvalidInput" || !strings.Contains(err.Error(), "subnet") {
		t.Errorf("without a subnet: %v, want InvalidInput", err)
	}
}

func TestSimulateRefuses(t *testing.T) {
	c := newWorld(t, "").admin(dev)
	all := statement(`"Effect":"Allow","Action":"*","Resource":"*"`)
	open := aws.String(statement(`"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"`))
	caller := aws.String("arn:aws:iam::" + dev + ":user/mira")
	entry := func(kind types.ContextKeyTypeEnum, values ...string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: aws.String("aws:SomeKey"), ContextKeyType: kind, ContextKeyValues: values}}
	}
	for _, row := range []struct {
		name string
		in   awsiam.SimulateCustomPolicyInput
		want string
	}{
		{"wildcard", awsiam.SimulateCustomPolicyInput{ActionNames: []string{"s3:*"}}, "Wildcards"},
		{"no service", awsiam.SimulateCustomPolicyInput{ActionNames: []string{"GetObject"}}, "service"},
		{"principal in an identity policy", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{*open}}, "principal"},
		{"no JSON", awsiam.SimulateCustomPolicyInput{PolicyInputList: []string{"{"}}, "PolicyInputList.1:1:"},
		{"resource policy without caller", awsiam.SimulateCustomPolicyInput{ResourcePolicy: open}, "CallerArn is required"},
		{"caller is a session", awsiam.SimulateCustomPolicyInput{CallerArn: aws.String("arn:aws:sts::" + dev + ":assumed-role/r/s")}, "CallerArn"},
		{"resource policy of two services", awsiam.SimulateCustomPolicyInput{ResourcePolicy: open, CallerArn: caller, ResourceArns: []string{"arn:aws:s3:::b", "arn:aws:sqs:eu-west-1:" + dev + ":q"}}, "not applicable"},
		{"trust policy", awsiam.SimulateCustomPolicyInput{ResourcePolicy: open, CallerArn: caller, ResourceArns: []string{roleARN(dev, "x")}}, "not supported for IAM roles"},
		{"owner", awsiam.SimulateCustomPolicyInput{ResourceOwner: aws.String("me")}, "ResourceOwner"},
		{"two boundaries", awsiam.SimulateCustomPolicyInput{PermissionsBoundaryPolicyInputList: []string{all, all}}, "one permissions boundary"},
		{"scenario", awsiam.SimulateCustomPolicyInput{ResourceHandlingOption: aws.String("EC2-Classic")}, "ResourceHandlingOption"},
		{"number", awsiam.SimulateCustomPolicyInput{ContextEntries: entry("numeric", "x")}, "numeric"},
		{"boolean", awsiam.SimulateCustomPolicyInput{ContextEntries: entry("boolean", "yes")}, "boolean"},
		{"address", awsiam.SimulateCustomPolicyInput{ContextEntries: entry("ipList", "10.0.0.1", "10.0.0.999")}, "10.0.0.999"},
		{"date", awsiam.SimulateCustomPolicyInput{ContextEntries: entry("date", "tomorrow")}, "tomorrow"},
		{"two values of one", awsiam.SimulateCustomPolicyInput{ContextEntries: entry("string", "a", "b")}, "stringList"},
		{"key twice", awsiam.SimulateCustomPolicyInput{ContextEntries: append(entry("string", "a"), entry("string", "b")...)}, "Duplicate"},
	} {
		if row.in.ActionNames == nil {
			row.in.ActionNames = []string{"s3:GetObject"}
		}
		if row.in.PolicyInputList == nil {
			row.in.PolicyInputList = []string{all}
		}
		_, err := c.iam.SimulateCustomPolicy(t.Context(), &row.in)
		if code(err) != "InvalidInput" || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want InvalidInput with %q", row.name, err, row.want)
		}
	}
	for name, in := range map[string]awsiam.SimulatePrincipalPolicyInput{
		"InvalidInput":  {PolicySourceArn: aws.String("arn:aws:sts::" + dev + ":assumed-role/r/s"), ActionNames: []string{"s3:GetObject"}},
		"NoSuchEntity":  {PolicySourceArn: aws.String(roleARN(dev, "nope")), ActionNames: []string{"s3:GetObject"}},
		"InvalidInput ": {PolicySourceArn: aws.String("arn:aws:iam::" + dev + ":user/dev-admin"), ActionNames: []string{"s3:GetObject"}, PolicyExclusionList: []types.PolicyIdentifier{&types.PolicyIdentifierMemberPolicyType{Value: "inline"}}},
	} {
		if _, err := c.iam.SimulatePrincipalPolicy(t.Context(), &in); code(err) != strings.TrimSpace(name) {
			t.Errorf("%s: %v, want %s", *in.PolicySourceArn, err, name)
		}
	}
}
