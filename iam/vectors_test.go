package iam

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The vectors are labelled cases, one JSON object a line. Other files of the same
// format can be judged with
//
//	go test ./iam -run TestVectors -v -vectors FILE -trust FILE -validation FILE
var (
	vectorsFile    = flag.String("vectors", "testdata/vectors/vectors-open.jsonl", "file of decision vectors")
	trustFile      = flag.String("trust", "testdata/vectors/trust-open.jsonl", "file of role assumption vectors")
	validationFile = flag.String("validation", "testdata/vectors/validation-open.jsonl", "file of validation vectors")
	ambiguousFile  = flag.String("ambiguous", "testdata/vectors/vectors-ambiguous.jsonl", "file of vectors that AWS does not answer")
)

type vectorRequest struct {
	Principal        string
	PrincipalType    string
	PrincipalAccount string
	IssuerArn        string
	Action           string
	Resource         string
	ResourceAccount  string
	Context          map[string]any

	// Of trust vectors.
	RoleArn           string
	RoleAccount       string
	Tags              map[string]string
	TransitiveTagKeys []string
	SourceIdentity    string
}

type vectorPolicies struct {
	Identity, Boundary, Session []json.RawMessage
	Resource, Trust             json.RawMessage
	SCP, RCP                    [][]json.RawMessage
	VPCE                        []json.RawMessage
}

type vectorMatch struct {
	Policy    string
	Statement int
	Effect    string
}

type vector struct {
	ID, Class, Description string
	Request                vectorRequest
	Assume                 vectorRequest
	ActionsChecked         []string
	Policies               vectorPolicies
	Expect                 string
	Recommended            string
	DeniedBy               string
	DeniedAction           string
	Matched                []vectorMatch

	// Of validation vectors.
	PolicyType, Operation, Document string
	Valid                           bool
	Error                           *struct{ Code, Message, MessageMatch string }
	ExistingPrincipals              []string
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		t.Fatalf("%s: no vectors", file)
	}
	return out
}

func (v *vectorRequest) principal(t *testing.T) Principal {
	t.Helper()
	typ, err := ParsePrincipalType(v.PrincipalType)
	if err != nil {
		t.Fatal(err)
	}
	return Principal{Type: typ, ARN: v.Principal, Account: v.PrincipalAccount, Issuer: v.IssuerArn}
}

func (v *vectorRequest) context() *Context {
	c := NewContext()
	for key, val := range v.Context {
		switch val := val.(type) {
		case []any:
			var list []string
			for _, x := range val {
				list = append(list, fmt.Sprint(x))
			}
			c.SetList(key, list)
		default:
			c.Set(key, fmt.Sprint(val))
		}
	}
	return c
}

// compile parses the policies of a vector. A document that Parse refuses could
// not have been stored, and is left out.
func (v *vectorPolicies) compile() *Policies {
	one := func(kind Kind, name string, doc json.RawMessage) *Policy {
		if len(doc) == 0 || string(doc) == "null" {
			return nil
		}
		p, err := Parse(kind, name, doc)
		if err != nil {
			return nil
		}
		return p
	}
	set := func(kind Kind, name string, docs []json.RawMessage) (out []*Policy) {
		for i, doc := range docs {
			if p := one(kind, fmt.Sprintf("%s[%d]", name, i), doc); p != nil {
				out = append(out, p)
			}
		}
		return out
	}
	levels := func(kind Kind, name string, docs [][]json.RawMessage) (out [][]*Policy) {
		for i, level := range docs {
			out = append(out, set(kind, fmt.Sprintf("%s[%d]", name, i), level))
		}
		return out
	}
	p := &Policies{
		Identity: set(Identity, "identity", v.Identity),
		Boundary: set(Boundary, "boundary", v.Boundary),
		Session:  set(Session, "session", v.Session),
		Resource: one(Resource, "resource", v.Resource),
		SCP:      levels(SCP, "scp", v.SCP),
		RCP:      levels(RCP, "rcp", v.RCP),
		Endpoint: set(Endpoint, "vpce", v.VPCE),
	}
	if trust := one(Trust, "trust", v.Trust); trust != nil {
		p.Resource, p.Trust = trust, true
	}
	return p
}

func TestVectors(t *testing.T) {
	t.Run("decisions", func(t *testing.T) {
		judge(t, *vectorsFile, func(v *vector) (problems []string) {
			r := &Request{Principal: v.Request.principal(t), Action: v.Request.Action, Resource: v.Request.Resource, ResourceAccount: v.Request.ResourceAccount, Context: v.Request.context()}
			ps := v.Policies.compile()
			d := ps.Decide(r)
			if got := d.Outcome.String(); got != v.Expect {
				problems = append(problems, fmt.Sprintf("got %s, want %s", got, v.Expect))
			}
			if got := d.Layer.String(); v.DeniedBy != "" && got != v.DeniedBy {
				problems = append(problems, fmt.Sprintf("denied by %s, want %s", got, v.DeniedBy))
			}
			if _, ok := preordained(r); !ok && ps.decide(r) != d {
				problems = append(problems, fmt.Sprintf("the short cut gives %+v, decide gives %+v", d, ps.decide(r)))
			}
			return append(problems, checkMatched(ps.Explain(r), d, v.Matched)...)
		})
	})
	t.Run("trust", func(t *testing.T) {
		judge(t, *trustFile, func(v *vector) (problems []string) {
			a := &v.Assume
			ctx := a.context()
			_, passed := ctx.Get("sts:SourceIdentity")
			_, inherited := ctx.Get("aws:SourceIdentity")
			req := &AssumeRequest{
				Principal: a.principal(t), Role: a.RoleArn, RoleAccount: a.RoleAccount, Action: a.Action,
				Tags: len(a.Tags) > 0, SourceIdentity: a.SourceIdentity != "" || passed || inherited, Context: ctx,
			}
			d := v.Policies.compile().DecideAssume(req)
			if got := d.Outcome.String(); got != v.Expect {
				problems = append(problems, fmt.Sprintf("got %s, want %s", got, v.Expect))
			}
			if got := d.Layer.String(); v.DeniedBy != "" && got != v.DeniedBy {
				problems = append(problems, fmt.Sprintf("denied by %s, want %s", got, v.DeniedBy))
			}
			if v.DeniedAction != "" && d.Action != v.DeniedAction {
				problems = append(problems, fmt.Sprintf("denied %s, want %s", d.Action, v.DeniedAction))
			}
			if v.ActionsChecked != nil && !slices.Equal(d.Checked, v.ActionsChecked) {
				problems = append(problems, fmt.Sprintf("checked %v, want %v", d.Checked, v.ActionsChecked))
			}
			return problems
		})
	})
	t.Run("validation", func(t *testing.T) {
		judge(t, *validationFile, judgeValidation)
	})
	t.Run("ambiguous", func(t *testing.T) {
		judge(t, *ambiguousFile, func(v *vector) (problems []string) {
			r := &Request{Principal: v.Request.principal(t), Action: v.Request.Action, Resource: v.Request.Resource, ResourceAccount: v.Request.ResourceAccount, Context: v.Request.context()}
			if got := v.Policies.compile().Decide(r).Outcome.String(); got != v.Recommended {
				problems = append(problems, fmt.Sprintf("got %s, recommended %s", got, v.Recommended))
			}
			return problems
		})
	})
}

// judge runs f on every vector of the file and reports those it has problems
// with, and how many agree by class.
func judge(t *testing.T, file string, f func(*vector) []string) {
	t.Helper()
	vectors := readVectors(t, file)
	agree := 0
	for i := range vectors {
		v := &vectors[i]
		problems := f(v)
		if len(problems) == 0 {
			agree++
			continue
		}
		t.Errorf("%s (%s): %s", v.ID, v.Description, strings.Join(problems, "; "))
	}
	t.Logf("%s: %d of %d agree", file, agree, len(vectors))
}

func judgeValidation(v *vector) (problems []string) {
	kind, err := ParseKind(v.PolicyType)
	if err != nil {
		return []string{err.Error()}
	}
	opt := ValidateOptions{Name: "name"}
	opt.Operation, _, _ = strings.Cut(v.Operation, " ")
	if _, b, ok := strings.Cut(v.Operation, "(bucket "); ok {
		opt.Bucket = strings.TrimSuffix(b, ")")
	}
	if v.ExistingPrincipals != nil {
		opt.PrincipalExists = func(arn string) bool { return slices.Contains(v.ExistingPrincipals, arn) }
	}
	err = Validate(kind, []byte(v.Document), opt)
	var invalid *InvalidError
	if errors.As(err, &invalid) == v.Valid {
		return []string{fmt.Sprintf("got %v, want valid = %v", err, v.Valid)}
	}
	if v.Valid {
		return nil
	}
	if invalid.Line < 1 || invalid.Column < 1 || invalid.Rule == "" || invalid.Message == "" {
		problems = append(problems, fmt.Sprintf("incomplete error %+v", invalid))
	}
	if invalid.Code != v.Error.Code {
		problems = append(problems, fmt.Sprintf("code %s, want %s", invalid.Code, v.Error.Code))
	}
	got, want := invalid.Message, v.Error.Message
	switch {
	case v.Error.MessageMatch == "exact" && got != want,
		v.Error.MessageMatch == "prefix" && !strings.HasPrefix(got, want):
		problems = append(problems, fmt.Sprintf("message %q, want %s %q", got, v.Error.MessageMatch, want))
	}
	return problems
}
