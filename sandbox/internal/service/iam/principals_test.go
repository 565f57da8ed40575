package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
)

func (w *world) trustOf(role string) string {
	w.t.Helper()
	doc := must[api.GetRoleOutput](w, "GetRole", &api.GetRoleInput{RoleName: &role}).Role.AssumeRolePolicyDocument
	text, err := url.PathUnescape(*doc)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// TestRecreatedRoleIsAStranger: a trust policy follows the role, not its name.
func TestRecreatedRoleIsAStranger(t *testing.T) {
	w := newWorld(t, Options{})
	old := w.role("app")
	trust := trusting(*old.Arn)
	must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: new("target"), AssumeRolePolicyDocument: &trust})
	if got := w.trustOf("target"); got != trust {
		t.Errorf("while the role lives the policy reads %s, want %s", got, trust)
	}
	stored := func() string {
		r, ok := w.Role(testAccount, "target")
		if !ok {
			t.Fatal("the role is gone")
		}
		return r.Trust.Source()
	}
	if got := stored(); !strings.Contains(got, *old.RoleId) || strings.Contains(got, *old.Arn) {
		t.Errorf("stored is %s, want the unique id %s", got, *old.RoleId)
	}
	must[api.DeleteRoleOutput](w, "DeleteRole", &api.DeleteRoleInput{RoleName: new("app")})
	if got, want := w.trustOf("target"), trusting(*old.RoleId); got != want {
		t.Errorf("after the role was deleted the policy reads %s, want %s", got, want)
	}
	fresh := w.role("app")
	if got, want := w.trustOf("target"), trusting(*old.RoleId); got != want || *fresh.RoleId == *old.RoleId {
		t.Errorf("after a role of the name was made again the policy reads %s, want %s", got, want)
	}
	dead := w.trustOf("target")
	fails[api.UpdateAssumeRolePolicyOutput](w, "UpdateAssumeRolePolicy", &api.UpdateAssumeRolePolicyInput{RoleName: new("target"), PolicyDocument: &dead},
		"MalformedPolicyDocument", 400, `Invalid principal in policy: "AWS":"`+*old.RoleId+`"`)
	must[api.UpdateAssumeRolePolicyOutput](w, "UpdateAssumeRolePolicy", &api.UpdateAssumeRolePolicyInput{RoleName: new("target"), PolicyDocument: &trust})
	if got := stored(); !strings.Contains(got, *fresh.RoleId) {
		t.Errorf("after saving again stored is %s, want the new id %s", got, *fresh.RoleId)
	}
}

// TestRenamedUserStaysTrusted: renaming moves the ARN, not the identity.
func TestRenamedUserStaysTrusted(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.user("mira")
	must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: new("target"), AssumeRolePolicyDocument: new(trusting(*u.Arn))})
	must[api.UpdateUserOutput](w, "UpdateUser", &api.UpdateUserInput{UserName: new("mira"), NewUserName: new("mira.k"), NewPath: new("/people/")})
	if got, want := w.trustOf("target"), trusting("arn:aws:iam::111122223333:user/people/mira.k"); got != want {
		t.Errorf("the policy reads %s, want %s", got, want)
	}
}

func TestPrincipalExists(t *testing.T) {
	w := newWorld(t, Options{})
	role := must[api.CreateRoleOutput](w, "CreateRole", &api.CreateRoleInput{RoleName: new("web"), Path: new("/app/"), AssumeRolePolicyDocument: new(trustEC2)}).Role
	for p, want := range map[string]bool{
		"*": true, testAccount: true, "444455556666": false, "11112222333": false,
		"arn:aws:iam::111122223333:root": true, "arn:aws:iam::444455556666:root": false, "arn:aws:iam:::root": false,
		*role.Arn: true, *role.RoleId: true, "AROAAAAAAAAAAAAAAAAAA": false,
		"arn:aws:iam::111122223333:role/web":                      false, // the path is missing
		"arn:aws:iam::111122223333:role/app/Web":                  false, // ARNs are case-sensitive
		"arn:aws:iam::111122223333:role/app/*":                    false,
		"arn:aws:iam::111122223333:group/x":                       false,
		"arn:aws::iam::111122223333:role/app/web":                 false,
		"arn:aws-cn:iam::111122223333:root":                       false,
		"arn:aws:sts::111122223333:assumed-role/web/session":      true,
		"arn:aws:sts::111122223333:assumed-role/web/*":            false,
		"arn:aws:sts::111122223333:assumed-role/app/web/session":  false,
		"arn:aws:sts::111122223333:federated-user/bob":            true,
		"arn:aws:iam::111122223333:user/" + w.keys.Admin.UserName: true,
		"arn:aws:iam::111122223333:user/people/" + w.keys.Alias:   false,
		"arn:aws:iam::111122223333:instance-profile/web":          false,
		"arn:aws:s3::111122223333:role/app/web":                   false,
		"arn:aws:iam::111122223333:role/app/web\x00":              false,
	} {
		if got := w.PrincipalExists(p); got != want {
			t.Errorf("PrincipalExists(%q) = %v, want %v", p, got, want)
		}
	}
}

func TestStoreAndShowPrincipals(t *testing.T) {
	w := newWorld(t, Options{})
	role := w.role("web")
	doc := `{ "Version" : "2012-10-17",
  "Id": "x", "Statement": [
    {"Effect":"Allow","Principal":{"AWS":[ "111122223333" ,"` + *role.Arn + `" ],"Service":"s3.amazonaws.com"},
     "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"ArnEquals":{"aws:PrincipalArn":"` + *role.Arn + `"}}},
    {"Effect":"Deny","NotPrincipal":{"AWS":"` + *role.Arn + `"},"Action":"s3:*","Resource":"*"},
    {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}
  ] }
`
	stored, err := w.StorePrincipals([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	root := strings.Replace(doc, `"111122223333"`, `"arn:aws:iam::111122223333:root"`, 1)
	want := strings.Replace(root, `,"`+*role.Arn+`" ]`, `,"`+*role.RoleId+`" ]`, 1)
	want = strings.Replace(want, `"NotPrincipal":{"AWS":"`+*role.Arn+`"`, `"NotPrincipal":{"AWS":"`+*role.RoleId+`"`, 1)
	if string(stored) != want {
		t.Errorf("stored is\n%s\nwant\n%s", stored, want)
	}
	shown, err := w.ShowPrincipals(stored)
	if err != nil || string(shown) != root {
		t.Errorf("shown is\n%s (%v)\nwant\n%s", shown, err, root)
	}
	_, err = w.StorePrincipals([]byte(trusting("arn:aws:iam::111122223333:role/nope")))
	if code(err) != "MalformedPolicyDocument" {
		t.Errorf("a principal that does not exist: %v, want MalformedPolicyDocument", err)
	}
}

// FuzzRewritePrincipals checks that rewriting nothing changes nothing, and
// that rewriting keeps a document JSON.
func FuzzRewritePrincipals(f *testing.F) {
	f.Add([]byte(trusting("111122223333")))
	f.Add([]byte(trustEC2))
	f.Add([]byte(`{"Statement":{"NotPrincipal":{"AWS":["a\u0041","b"]}},"x":[{}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		same, err := rewritePrincipals(doc, func(p string) (string, error) { return p, nil })
		if err == nil && !bytes.Equal(same, doc) {
			t.Fatalf("rewriting nothing made %q of %q", same, doc)
		}
		seen := 0
		changed, err := rewritePrincipals(doc, func(p string) (string, error) { seen++; return p + "\"\\x", nil })
		if err != nil {
			return
		}
		if json.Valid(doc) && !json.Valid(changed) {
			t.Fatalf("rewriting made %q of %q", changed, doc)
		}
		again := 0
		if _, err := rewritePrincipals(changed, func(p string) (string, error) {
			again++
			if !strings.HasSuffix(p, "\"\\x") {
				return "", errors.New("a principal was not rewritten: " + p)
			}
			return p, nil
		}); err != nil || again != seen {
			t.Fatalf("of %d principals in %q there are %d in %q (%v)", seen, doc, again, changed, err)
		}
	})
}
