package broker

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const roleWeb = "arn:aws:iam::111122223333:role/web"

// change returns a value of v's type that differs from v.
func change(t *testing.T, v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Interface().(type) {
	case string:
		out.SetString(v.String() + "x")
	case time.Duration:
		out.SetInt(v.Int() + int64(time.Minute))
	case []string:
		out.Set(reflect.ValueOf(append([]string{"x"}, v.Interface().([]string)...)))
	case map[string]string:
		m := map[string]string{"x": "x"}
		for k, s := range v.Interface().(map[string]string) {
			m[k] = s
		}
		out.Set(reflect.ValueOf(m))
	case []Hop:
		out.Set(reflect.ValueOf(append([]Hop{{Role: "x"}}, v.Interface().([]Hop)...)))
	default:
		t.Fatalf("teach this test about %v", v.Type())
	}
	return out
}

// Credentials made for one loan must not answer another: kube2iam's cache, keyed
// by ARN only, hands one pod the session another pod's external id opened.
func TestKeyDiffersInEveryField(t *testing.T) {
	base := Loan{
		Role: roleWeb, Chain: []Hop{{Role: "hop"}}, ExternalID: "e", SessionName: "s", SourceIdentity: "i",
		Policy: "{}", PolicyARNs: []string{"p"}, Region: "r", Tags: map[string]string{"k": "v"},
		Transitive: []string{"k"}, Duration: time.Hour,
	}
	typ := reflect.TypeFor[Loan]()
	for i := range typ.NumField() {
		l := base
		v := reflect.ValueOf(&l).Elem().Field(i)
		v.Set(change(t, v))
		if l.Key() == base.Key() {
			t.Errorf("loans that differ in %s have the same key", typ.Field(i).Name)
		}
	}
	hop := reflect.TypeFor[Hop]()
	for i := range hop.NumField() {
		l := base
		l.Chain = []Hop{base.Chain[0]}
		v := reflect.ValueOf(&l.Chain[0]).Elem().Field(i)
		v.Set(change(t, v))
		if l.Key() == base.Key() {
			t.Errorf("loans whose hops differ in %s have the same key", hop.Field(i).Name)
		}
	}
}

func TestKeyOfEqualLoans(t *testing.T) {
	a := Loan{Role: roleWeb, PolicyARNs: []string{"p", "q"}, Transitive: []string{"a", "b"}}
	b := Loan{Role: roleWeb, PolicyARNs: []string{"q", "p"}, Transitive: []string{"b", "a", "a"}, Duration: time.Hour}
	if a.Key() != b.Key() {
		t.Error("the order of a set or a spelled-out default makes a difference")
	}
	a.Chain = []Hop{{Role: "x"}, {Role: "y"}}
	b.Chain = []Hop{{Role: "y"}, {Role: "x"}}
	if a.Key() == b.Key() {
		t.Error("the order of a chain makes none")
	}
}

func TestKeyKeepsNeighboursApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a\x00\x01]{0,3}`)
		draw := func(label string) Loan {
			return Loan{ExternalID: word.Draw(t, label+" external id"), SessionName: word.Draw(t, label+" session"), SourceIdentity: word.Draw(t, label+" source")}
		}
		a, b := draw("a"), draw("b")
		if same := reflect.DeepEqual(a, b); (a.Key() == b.Key()) != same {
			t.Fatalf("same loan: %v, same key: %v", same, !same)
		}
	})
}

func TestResolve(t *testing.T) {
	box := Host{Name: "devbox", InstanceID: "i-0f3c9d2b7a1e4c5d6"}
	peer := Caller{UID: 1001, PID: 4711, Exe: "/usr/bin/web", Unit: "web@7.service", How: ByPeer}
	token := Caller{Workload: "web", UID: -1, PID: -1, How: ByToken}
	tests := []struct {
		name, template string
		caller         Caller
		host           Host
		want, wantErr  string
	}{
		{"default", "", token, box, "web@devbox", ""},
		{"default without a host name", "", token, Host{}, "web", ""},
		{"literal", "s3-example", token, box, "s3-example", ""},
		{"instance id, as EC2 names its sessions", "{instance_id}", token, box, "i-0f3c9d2b7a1e4c5d6", ""},
		{"caller's facts", "{uid}.{exe}.{unit}", peer, box, "1001.web.web@7.service", ""},
		{"what STS does not take", "Power User/{workload}", token, box, "Power-User-web", ""},
		{"letters that are none to STS", "wéb", token, box, "w-b", ""},
		{"one character", "w", token, box, "w-", ""},
		{"no instance", "{instance_id}", token, Host{}, "", "needs {instance_id}, which is not known of this host"},
		{"uid of a token", "{uid}", token, box, "", "needs {uid}, which is not known of this caller"},
		{"no process id", "{pid}", peer, box, "", "unknown placeholder {pid}"},
		{"open brace", "{uid", peer, box, "", "'{' without a '}'"},
		{"brace in a brace", "{{uid}}", peer, box, "", "'{' without a '}'"},
		{"closing brace", "uid}", peer, box, "", "'}' without a '{'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Loan{Role: roleWeb, SessionName: tt.template}.Resolve("web", tt.caller, tt.host)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || l.SessionName != tt.want {
				t.Errorf("session name %q, %v; want %q", l.SessionName, err, tt.want)
			}
		})
	}
}

func TestResolveEveryName(t *testing.T) {
	orig := Loan{
		Role: roleWeb, SourceIdentity: "{workload}",
		Chain: []Hop{{Role: "hop1"}, {Role: "hop2", SessionName: "{workload}@hop"}},
		Tags:  map[string]string{"host": "{host}", "team": "a b"},
	}
	l, err := orig.Resolve("web", Caller{}, Host{Name: "box"})
	if err != nil {
		t.Fatal(err)
	}
	if l.SourceIdentity != "web" || l.Chain[0].SessionName != "mantle@box" || l.Chain[1].SessionName != "web@hop" ||
		l.Tags["host"] != "box" || l.Tags["team"] != "a b" {
		t.Errorf("resolved to %+v", l)
	}
	if orig.Chain[0].SessionName != "" || orig.Tags["host"] != "{host}" {
		t.Error("the rule's own loan was changed")
	}
}

func TestSessionName(t *testing.T) {
	accepted := regexp.MustCompile(`^[a-zA-Z0-9_+=,.@-]{2,64}$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z@]{60,70}`)).Draw(t, "s")
		got := SessionName(s)
		if !accepted.MatchString(got) {
			t.Fatalf("SessionName(%q) = %q, which STS does not accept", s, got)
		}
		if again := SessionName(s); again != got {
			t.Fatalf("SessionName(%q) = %q and %q", s, got, again)
		}
		if accepted.MatchString(s) && got != s {
			t.Fatalf("SessionName(%q) = %q, though STS accepts it", s, got)
		}
	})
	long := strings.Repeat("a", 70)
	if a, b := SessionName(long+"1"), SessionName(long+"2"); a == b {
		t.Errorf("two long names became one, %q", a)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "{workload}@{host}", "{uid}", "{", "}", "{}", "{{uid}}", "a{exe}b{unit}c"} {
		f.Add(s)
	}
	c := Caller{UID: 1, PID: 2, Exe: "/bin/x", Unit: "x.service", How: ByPeer}
	accepted := regexp.MustCompile(`^[a-zA-Z0-9_+=,.@-]{2,64}$`)
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Loan{SessionName: s}.Resolve("rule", c, Host{Name: "h", InstanceID: "i"})
		if valid := CheckTemplate(s) == nil; valid != (err == nil) {
			t.Fatalf("CheckTemplate accepts %q: %v; Resolve: %v", s, valid, err)
		}
		if err == nil && !accepted.MatchString(l.SessionName) {
			t.Fatalf("%q became %q, which STS does not accept", s, l.SessionName)
		}
	})
}

func TestValidateLoan(t *testing.T) {
	tests := []struct {
		name string
		loan Loan
		want string // part of the error, "" if none
	}{
		{"least", Loan{Role: roleWeb}, ""},
		{"role with a path, in China", Loan{Role: "arn:aws-cn:iam::111122223333:role/app/dev/web"}, ""},
		{"all", Loan{Role: roleWeb, Chain: []Hop{{Role: "arn:aws:iam::111122223333:role/jump", ExternalID: "a:/b"}}, ExternalID: "x1",
			SessionName: "{workload}", SourceIdentity: "{uid}", Policy: "{}", PolicyARNs: []string{"p"}, Region: "eu-west-1",
			Tags: map[string]string{"team": "a {host}"}, Transitive: []string{"Team"}, Duration: time.Hour}, ""},
		{"no role", Loan{}, `"" is not an ARN`},
		{"a colon too many", Loan{Role: "arn:aws::iam::111122223333:role/web"}, "not the ARN of a role"},
		{"session for role", Loan{Role: "arn:aws:sts::111122223333:assumed-role/web/s"}, "is a session, not a role"},
		{"user", Loan{Role: "arn:aws:iam::111122223333:user/web"}, "not the ARN of a role"},
		{"account", Loan{Role: "arn:aws:iam::11112222333:role/web"}, "12 digits"},
		{"account of other digits", Loan{Role: "arn:aws:iam::11112222333a:role/web"}, "12 digits"},
		{"hop", Loan{Role: roleWeb, Chain: []Hop{{Role: "jump"}}}, `"jump" is not an ARN`},
		{"hop on itself", Loan{Role: roleWeb, Chain: []Hop{{Role: roleWeb}}}, "comes twice"},
		{"external id short", Loan{Role: roleWeb, ExternalID: "x"}, "STS takes 2 to 1224"},
		{"external id of what STS does not take", Loan{Role: roleWeb, ExternalID: "a b"}, `holds ' '`},
		{"short session", Loan{Role: roleWeb, Duration: time.Minute}, "STS takes 15m0s to 12h0m0s"},
		{"long session", Loan{Role: roleWeb, Duration: 13 * time.Hour}, "STS takes 15m0s to 12h0m0s"},
		{"long chained session", Loan{Role: roleWeb, Chain: []Hop{{Role: "arn:aws:iam::111122223333:role/jump"}}, Duration: 2 * time.Hour}, ""},
		{"template", Loan{Role: roleWeb, SessionName: "{wrokload}"}, "unknown placeholder {wrokload}"},
		{"policy", Loan{Role: roleWeb, Policy: strings.Repeat("x", 2049)}, "2049 characters"},
		{"tag of AWS's", Loan{Role: roleWeb, Tags: map[string]string{"AWS:x": "y"}}, "AWS's own"},
		{"tag value", Loan{Role: roleWeb, Tags: map[string]string{"k": "a;b"}}, "holds a character"},
		{"tags alike", Loan{Role: roleWeb, Tags: map[string]string{"k": "a", "K": "b"}}, "differ in case only"},
		{"transitive", Loan{Role: roleWeb, Transitive: []string{"k"}}, "is no session tag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.loan.Validate()
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestValidateRules(t *testing.T) {
	ok := Loan{Role: roleWeb}
	rules := Rules{
		{Name: "a", Match: Match{UID: new(1)}, Loan: ok},
		{Name: "b", Match: Match{Exe: "/usr/bin/*"}, Loan: ok},
		{Name: "b", Loan: ok},
		{Name: "", Loan: ok},
		{Name: "c", Loan: Loan{Role: "x"}},
	}
	err := rules.Validate()
	for _, want := range []string{`rules "a" and "b" fit the same callers`, `two rules are called "b"`, "rule 4 has no name", `rule "c": "x" is not an ARN`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v\nwant %q among it", err, want)
		}
	}
	if err := (Rules{{Name: "a", Match: Match{UID: new(1)}, Loan: ok}, {Name: "b", Match: Match{UID: new(2)}, Loan: ok}}).Validate(); err != nil {
		t.Errorf("Validate of good rules: %v", err)
	}
}
