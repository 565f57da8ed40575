package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/iam"
)

func sample(t testing.TB) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/account.json")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func parse(t testing.TB, src []byte) *Account {
	t.Helper()
	a, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParse(t *testing.T) {
	a := parse(t, sample(t))
	if a.ID != "111122223333" || len(a.Users) != 1 || len(a.Groups) != 1 || len(a.Roles) != 2 || len(a.Policies) != 2 {
		t.Fatalf("account %s with %d users, %d groups, %d roles, %d policies; want 111122223333 with 1, 1, 2, 2",
			a.ID, len(a.Users), len(a.Groups), len(a.Roles), len(a.Policies))
	}
	mira := a.Users[0]
	if mira.ARN != "arn:aws:iam::111122223333:user/people/mira" || mira.Path != "/people/" || mira.Boundary != "arn:aws:iam::111122223333:policy/limits" {
		t.Errorf("user is %+v", mira)
	}
	if want := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC); !mira.Created.Equal(want) {
		t.Errorf("user was created %v, want %v", mira.Created, want)
	}
	web := a.Roles[0]
	if len(web.Inline) != 1 || web.Inline[0].Name != "read" || len(web.Tags) != 1 || web.Tags[0] != (Tag{"team", "shop"}) {
		t.Errorf("role is %+v", web)
	}
	if len(web.Profiles) != 1 || web.Profiles[0].Name != "web" || web.Profiles[0].ID != "AIPAEXAMPLEEXAMPLE001" {
		t.Errorf("instance profiles are %+v", web.Profiles)
	}
	limits := a.Policies[0]
	if limits.Default != "v2" || len(limits.Versions) != 2 || limits.AWS() || !a.Policies[1].AWS() {
		t.Errorf("policy is %+v", limits)
	}
	if got := limits.Document().Source(); !strings.Contains(got, "s3:*") {
		t.Errorf("the version in force is %s", got)
	}
}

// TestPoliciesOf decides with what binds a user: group policies grant, the
// boundary limits.
func TestPoliciesOf(t *testing.T) {
	a := parse(t, sample(t))
	mira := a.Users[0]
	set, err := a.PoliciesOf(mira.ARN)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Identity) != 2 || len(set.Boundary) != 1 {
		t.Fatalf("%d identity policies and %d boundaries, want the group's 2 and 1", len(set.Identity), len(set.Boundary))
	}
	for _, test := range []struct {
		action string
		want   iam.Outcome
	}{{"s3:GetObject", iam.Allow}, {"ec2:RunInstances", iam.ImplicitDeny}} {
		d := set.Decide(&iam.Request{
			Principal: iam.Principal{Type: iam.User, ARN: mira.ARN, Account: a.ID, ID: mira.ID},
			Action:    test.action, Resource: "arn:aws:s3:::shop/cat.jpg", ResourceAccount: a.ID, Context: iam.NewContext(),
		})
		if d.Outcome != test.want {
			t.Errorf("%s is %v, want %v", test.action, d.Outcome, test.want)
		}
	}
	if _, err := a.PoliciesOf("arn:aws:iam::111122223333:user/mira"); err == nil {
		t.Error("a user was found at an ARN without its path")
	}
	a.Policies = nil
	if _, err := a.PoliciesOf(mira.ARN); err == nil || !strings.Contains(err.Error(), "which is not in the data") {
		t.Errorf("error %v, want one that names the missing policy", err)
	}
}

// TestDocumentForms reads the same account with its documents as objects, as
// encoded strings and as plain strings.
func TestDocumentForms(t *testing.T) {
	want, err := Marshal(parse(t, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]func(string) string{
		"encoded": url.PathEscape,
		"plain":   func(s string) string { return "\n " + s },
	} {
		t.Run(name, func(t *testing.T) {
			var tree any
			if err := json.Unmarshal(sample(t), &tree); err != nil {
				t.Fatal(err)
			}
			changed := 0
			var visit func(any)
			visit = func(v any) {
				switch v := v.(type) {
				case []any:
					for _, e := range v {
						visit(e)
					}
				case map[string]any:
					for k, e := range v {
						if _, ok := e.(map[string]any); ok && strings.HasSuffix(k, "Document") {
							text, err := json.MarshalIndent(e, "", "  ")
							if err != nil {
								t.Fatal(err)
							}
							v[k] = form(string(text))
							changed++
						} else {
							visit(e)
						}
					}
				}
			}
			visit(tree)
			src, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Marshal(parse(t, src))
			if err != nil {
				t.Fatal(err)
			}
			if changed < 5 || !sameJSON(t, got, want) {
				t.Errorf("with %d documents as strings the account is\n%s", changed, got)
			}
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatal("not JSON")
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

func TestMarshalRoundTrip(t *testing.T) {
	first, err := Marshal(parse(t, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Marshal(parse(t, first))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("the second round differs:\n%s\n%s", first, second)
	}
}

func TestPages(t *testing.T) {
	whole := parse(t, sample(t))
	page := func(list, marker string) string {
		var tree map[string]json.RawMessage
		if err := json.Unmarshal(sample(t), &tree); err != nil {
			t.Fatal(err)
		}
		return `{"` + list + `": ` + string(tree[list]) + marker + `}`
	}
	more := `, "IsTruncated": true, "Marker": "x"`
	src := page("UserDetailList", more) + "\n" + page("GroupDetailList", more) + page("RoleDetailList", more) + page("Policies", `, "IsTruncated": false`)
	want, _ := Marshal(whole)
	got, err := Marshal(parse(t, []byte(src)))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("four pages differ from the whole (%v):\n%s", err, got)
	}
	if got, _ := Marshal(parse(t, append(sample(t), sample(t)...))); !bytes.Equal(got, want) {
		t.Error("the same output twice differs from once")
	}
	if _, err := Parse([]byte(page("UserDetailList", more))); err == nil || !strings.Contains(err.Error(), "IsTruncated") {
		t.Errorf("a first page alone: %v, want an error about IsTruncated", err)
	}
	other := strings.ReplaceAll(string(sample(t)), "111122223333", "444455556666")
	if _, err := Parse(append(sample(t), other...)); err == nil || !strings.Contains(err.Error(), "account 444455556666") {
		t.Errorf("two accounts: %v, want an error that names them", err)
	}
	changed := strings.Replace(string(sample(t)), "AROAEXAMPLEEXAMPLE001", "AROAEXAMPLEEXAMPLE009", 1)
	if _, err := Parse(append(sample(t), changed...)); err == nil || !strings.Contains(err.Error(), "role web comes twice") {
		t.Errorf("contradiction: %v, want an error that names the role", err)
	}
}

func TestErrors(t *testing.T) {
	src := string(sample(t))
	edit := func(old, new string) string {
		if !strings.Contains(src, old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.Replace(src, old, new, 1)
	}
	for _, test := range []struct{ name, in, want string }{
		{"empty", " \n", "1:1: there is no account"},
		{"not JSON", "hello", "1:1: the output must be an object"},
		{"a list", "[]", "1:1: the output must be an object"},
		{"cut", src[:400], "the JSON text ends too early"},
		{"unknown member", edit(`"UserId"`, `"Userid"`), "6:13: user mira: unknown member Userid in a user"},
		{"twice", edit(`"UserId": "AIDAEXAMPLEEXAMPLE001",`, `"UserId": "AIDAEXAMPLEEXAMPLE001", "Path": "/",`), "user mira: member Path comes twice"},
		{"wrong type", edit(`"AIDAEXAMPLEEXAMPLE001"`, `7`), "6:23: user mira: UserId must be a string"},
		{"date", edit(`"2024-05-01T10:00:00+00:00"`, `"yesterday"`), `user mira: CreateDate "yesterday" is not a date`},
		{"arn", edit(`:user/people/mira`, `:user/mira`), "user mira: Arn arn:aws:iam::111122223333:user/mira does not fit its path /people/"},
		{"missing", edit(`"UserId": "AIDAEXAMPLEEXAMPLE001",`, ``), "user mira: unique id is missing"},
		{"document", edit(`"Effect": "Allow",
                            "Action": "s3:GetObject"`, `"Efect": "Allow",
                            "Action": "s3:GetObject"`), "inline policy read of role web: "},
		{"default version", edit(`"DefaultVersionId": "v2"`, `"DefaultVersionId": "v7"`), `policy limits: the default version "v7" is not in`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.in))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestDates(t *testing.T) {
	want := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	for _, form := range []string{"2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00.000Z", "2024-05-01 10:00:00+00:00"} {
		a := parse(t, bytes.Replace(sample(t), []byte("2024-05-01T10:00:00+00:00"), []byte(form), 1))
		if got := a.Users[0].Created; !got.Equal(want) {
			t.Errorf("%s reads as %v, want %v", form, got, want)
		}
	}
}

// TestDocumentPosition checks that an error inside a document points into
// the file.
func TestDocumentPosition(t *testing.T) {
	src := strings.Replace(string(sample(t)), `"Action": "s3:GetObject"`, `"Acton": "s3:GetObject"`, 1)
	at := strings.Index(src, `"Acton"`)
	line := 1 + strings.Count(src[:at], "\n")
	_, err := Parse([]byte(src))
	e, ok := err.(*Error)
	if !ok || e.Line < line-4 || e.Line > line+4 || e.Entity != "inline policy read of role web" {
		t.Errorf("error %v (%T), want one near line %d of the inline policy", err, err, line)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte(`{"Policies": [{"Arn": "arn:aws:iam::aws:policy/x"}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		a, err := Parse(src)
		if err != nil {
			return
		}
		out, err := Marshal(a)
		if err != nil {
			t.Fatalf("an account that was read cannot be written: %v", err)
		}
		b, err := Parse(out)
		if err != nil {
			t.Fatalf("an account that was written cannot be read: %v\n%s", err, out)
		}
		if again, _ := Marshal(b); !bytes.Equal(out, again) {
			t.Fatalf("writing is not stable:\n%s\n%s", out, again)
		}
	})
}

func BenchmarkParse1000Roles(b *testing.B) {
	a := parse(b, sample(b))
	web := a.Roles[0]
	a.Roles = nil
	for i := range 1000 {
		r := web
		r.Profiles = nil
		r.Name = fmt.Sprintf("role-%04d", i)
		r.ARN, r.ID = "arn:aws:iam::111122223333:role/"+r.Name, fmt.Sprintf("AROAEXAMPLEEXAMPLE%03d", i)
		a.Roles = append(a.Roles, r)
	}
	src, err := Marshal(a)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		parse(b, src)
	}
}
