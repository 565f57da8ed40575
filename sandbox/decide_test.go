package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/iamtest"
)

// TestDecisionScripts holds the scripts that the engine's own tests run to
// signed calls as well: scripts about a trust policy by assuming the role,
// others by SimulateCustomPolicy. What neither can express (SCPs, RCPs,
// endpoint policies, session policies, callers that are no users or roles) is
// counted, and the count may not be all.
func TestDecisionScripts(t *testing.T) {
	files, err := filepath.Glob("../iam/testdata/decide/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	asked, left := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := iamtest.Parse(filepath.Base(file), data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Cases {
			c := &s.Cases[i]
			var got string
			var ok bool
			if s.Policies.Trust {
				got, ok = assumeCase(t, s, c)
			} else {
				got, ok = simulateCase(t, s, c)
			}
			if !ok {
				left++
				continue
			}
			asked++
			want := "allowed"
			if c.Want.Outcome != iam.Allow {
				want = "denied"
			}
			if got != want {
				t.Errorf("%s:%d: the sandbox says %s, want %s", s.Name, c.Line, got, want)
			}
		}
	}
	t.Logf("%d cases by signed calls, %d that they cannot express", asked, left)
	if asked < 20 {
		t.Errorf("only %d cases could be asked", asked)
	}
}

func fileOf(s *iamtest.Script, kind iam.Kind) (out []string) {
	for _, f := range s.Files {
		if f.Kind == kind {
			out = append(out, string(f.Data))
		}
	}
	return out
}

// only tells whether the script has no other kinds of policies.
func only(s *iamtest.Script, kinds ...iam.Kind) bool {
	n := 0
	for _, k := range kinds {
		n += len(fileOf(s, k))
	}
	return n == len(s.Files)
}

// simulateCase asks SimulateCustomPolicy.
func simulateCase(t *testing.T, s *iamtest.Script, c *iamtest.Case) (string, bool) {
	t.Helper()
	p := c.Request.Principal
	if !only(s, iam.Identity, iam.Boundary) || p.Type != iam.User && p.Type != iam.AssumedRole || strings.HasPrefix(c.Request.Action, "kms:") {
		return "", false
	}
	w := simulator(t)
	in := &awsiam.SimulateCustomPolicyInput{
		ActionNames: []string{c.Request.Action}, ResourceArns: []string{c.Request.Resource},
		PolicyInputList: fileOf(s, iam.Identity), PermissionsBoundaryPolicyInputList: fileOf(s, iam.Boundary),
	}
	if len(in.PolicyInputList) == 0 {
		return "", false
	}
	for k, values := range c.Request.Context.All() {
		kind := iamtypes.ContextKeyTypeEnumString
		if c.Request.Context.IsList(k) {
			kind = iamtypes.ContextKeyTypeEnumStringList
		}
		in.ContextEntries = append(in.ContextEntries, iamtypes.ContextEntry{ContextKeyName: aws.String(k), ContextKeyType: kind, ContextKeyValues: values})
	}
	out, err := w.admin(dev).iam.SimulateCustomPolicy(t.Context(), in)
	if err != nil {
		t.Errorf("%s:%d: %v", s.Name, c.Line, err)
		return "", false
	}
	if out.EvaluationResults[0].EvalDecision == iamtypes.PolicyEvaluationDecisionTypeAllowed {
		return "allowed", true
	}
	return "denied", true
}

func simulator(t *testing.T) *world { return newWorld(t, "") }

var principalARN = regexp.MustCompile(`arn:aws:iam::(\d{12}):(role|user)/([\w+=,.@/-]+)`)

// assumeCase makes the principals and the role in a sandbox of its own, and
// assumes the role.
func assumeCase(t *testing.T, s *iamtest.Script, c *iamtest.Case) (string, bool) {
	t.Helper()
	p := c.Request.Principal
	if !only(s, iam.Identity, iam.Trust) || p.Type != iam.AssumedRole || p.ID != "" || c.Request.Action != "sts:AssumeRole" {
		return "", false
	}
	in := &awssts.AssumeRoleInput{RoleArn: &c.Request.Resource}
	for k, values := range c.Request.Context.All() {
		switch strings.ToLower(k) {
		case "sts:externalid":
			in.ExternalId = &values[0]
		default:
			return "", false
		}
	}
	w := newWorld(t, "")
	trust := fileOf(s, iam.Trust)[0]
	made := map[string]bool{}
	for _, m := range append(principalARN.FindAllStringSubmatch(trust, -1), principalARN.FindAllStringSubmatch(p.Issuer, -1)...) {
		if made[m[0]] || m[0] == c.Request.Resource {
			continue
		}
		made[m[0]] = true
		if _, known := w.account[m[1]]; !known {
			return "", false
		}
		path, name := split(m[3])
		admin := w.admin(m[1])
		if m[2] == "user" {
			if _, err := admin.iam.CreateUser(context.Background(), &awsiam.CreateUserInput{UserName: &name, Path: &path}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		self := trusts(`{"AWS":"arn:aws:iam::` + m[1] + `:root"}`)
		if _, err := admin.iam.CreateRole(context.Background(), &awsiam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &self}); err != nil {
			t.Fatal(err)
		}
		if m[0] != p.Issuer {
			continue
		}
		for i, doc := range fileOf(s, iam.Identity) {
			if _, err := admin.iam.PutRolePolicy(context.Background(), &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String(strings.Repeat("p", i+1)), PolicyDocument: &doc}); err != nil {
				t.Fatal(err)
			}
		}
	}
	target, err := iam.ParseARN(c.Request.Resource)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := w.account[target.Account]; !known {
		return "", false
	}
	path, name := split(strings.TrimPrefix(target.Resource, "role/"))
	if _, err := w.admin(target.Account).iam.CreateRole(context.Background(), &awsiam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &trust}); err != nil {
		if code(err) == "MalformedPolicyDocument" { // a principal that cannot be
			return "", false
		}
		t.Fatalf("%s: %v", s.Name, err)
	}
	_, session, _ := strings.Cut(p.ARN[strings.Index(p.ARN, "assumed-role/")+len("assumed-role/"):], "/")
	cred, err := w.admin(p.Account).assume(p.Issuer, session)
	if err != nil {
		t.Fatalf("%s:%d: become %s: %v", s.Name, c.Line, p.Issuer, err)
	}
	in.RoleSessionName = aws.String("session")
	switch _, err := w.with(cred).sts.AssumeRole(t.Context(), in); code(err) {
	case "":
		return "allowed", true
	case "AccessDenied":
		return "denied", true
	default:
		t.Errorf("%s:%d: %v", s.Name, c.Line, err)
		return "", false
	}
}

func split(name string) (path, last string) {
	i := strings.LastIndex(name, "/")
	return "/" + name[:i+1], name[i+1:]
}
