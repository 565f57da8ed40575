// Package iamtest reads decision scripts: text that says what a set of policies
// must decide, and that any engine can be held to.
//
// A script is a txtar archive. Its comment holds the cases, its files the
// policies:
//
//	# an explicit deny beats any allow
//	role/web s3:GetObject arn:aws:s3:::photos/cat.jpg aws:SecureTransport=true
//		explicit deny boundary boundary.json:4 NoPhotos
//	-- identity.json --
//	{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
//	-- boundary.json --
//	…
//
// A line that starts with "#" is a comment; the first is the title. A case is a
// line with the caller, the action, the resource and the condition keys, and below
// it, indented, what is to be decided.
//
// Callers are user/NAME, role/NAME (a session of the role called "session"),
// role/NAME@SESSION, federated-user/NAME@USER, root, anonymous, service:NAME and
// provider:NAME, with paths where there are some. They live in account
// 111122223333 unless an account and a slash come first: 444455556666/role/web.
// "#ID" after the caller is its unique id.
//
// A condition key is KEY=VALUE, or KEY=[VALUE,VALUE] for a multivalued key. Values
// with spaces stand in double quotes. owner=ACCOUNT is not a condition key but
// the account of the resource; without it the account in the ARN counts, and if
// there is none the caller's.
//
// The decision is allow, explicit deny or implicit deny, then the layer that
// decides (identity, boundary, session, resource, trust, scp, rcp, vpce), then
// optionally file:line of the deciding statement, its Sid, and, when a role is
// assumed, the action that is denied.
//
// The file name says what a policy is: identity, boundary, session, resource,
// trust, endpoint, scp and rcp, each with ".json", and "-anything" before that to
// tell several apart. SCPs and RCPs carry their level: scp0.json is at the root of
// the organization.
package iamtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/rogpeppe/go-internal/txtar"
)

// DefaultAccount is where callers live that name no account.
const DefaultAccount = "111122223333"

// A Script is what one file says.
type Script struct {
	Name     string
	Title    string // the first comment
	Files    []File
	Policies *iam.Policies // Files, compiled
	Cases    []Case
}

// A File is one policy of a script.
type File struct {
	Name  string
	Kind  iam.Kind
	Level int // of SCPs and RCPs
	Data  []byte
}

// A Case is one question and its answer.
type Case struct {
	Line    int // in the script
	Request iam.Request
	Want    Want
}

// A Want is what is to be decided. Empty fields may be anything.
type Want struct {
	Outcome iam.Outcome
	Layer   string
	File    string // of the deciding statement
	Line    int
	Sid     string
	Action  string // the action that is denied when a role is assumed
}

// Parse reads a script. Errors carry name and line.
func Parse(name string, data []byte) (*Script, error) {
	// The archive reader panics at a marker too short to hold a name.
	for i, line := range bytes.Split(data, []byte("\n")) {
		if string(bytes.TrimRight(line, "\r")) == "-- --" {
			return nil, fmt.Errorf("%s:%d: a file without a name", name, i+1)
		}
	}
	ar := txtar.Parse(data)
	s := &Script{Name: name, Policies: new(iam.Policies)}
	for _, f := range ar.Files {
		file, err := s.add(f.Name, f.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.Files = append(s.Files, file)
	}
	for i, line := range strings.Split(string(ar.Comment), "\n") {
		if err := s.line(i+1, line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", name)
	}
	for _, c := range s.Cases {
		if c.Want.Layer == "" && c.Want.Outcome != iam.Allow {
			return nil, fmt.Errorf("%s:%d: the case does not say what is to be decided", name, c.Line)
		}
	}
	return s, nil
}

func (s *Script) line(n int, line string) error {
	text := strings.TrimSpace(line)
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "#"):
		if s.Title == "" {
			s.Title = strings.TrimSpace(strings.TrimPrefix(text, "#"))
		}
		return nil
	case line[0] == ' ' || line[0] == '\t':
		if len(s.Cases) == 0 {
			return errors.New("a decision without a case before it")
		}
		c := &s.Cases[len(s.Cases)-1]
		if c.Want != (Want{}) {
			return errors.New("the case has a decision already")
		}
		return c.Want.parse(text)
	}
	c := Case{Line: n}
	if err := c.parse(text); err != nil {
		return err
	}
	s.Cases = append(s.Cases, c)
	return nil
}

// parse reads caller, action, resource and keys.
func (c *Case) parse(text string) error {
	words, err := split(text)
	if err != nil {
		return err
	}
	if len(words) < 3 {
		return fmt.Errorf("want caller, action and resource, got %q", text)
	}
	r := &c.Request
	if r.Principal, err = parseCaller(words[0]); err != nil {
		return err
	}
	r.Action, r.Resource, r.Context = words[1], words[2], iam.NewContext()
	if arn, err := iam.ParseARN(r.Resource); err == nil {
		r.ResourceAccount = arn.Account
	}
	if r.ResourceAccount == "" {
		r.ResourceAccount = r.Principal.Account
	}
	for _, w := range words[3:] {
		key, value, ok := strings.Cut(w, "=")
		list, isList := strings.CutPrefix(value, "[")
		switch {
		case !ok:
			return fmt.Errorf("%q is not key=value", w)
		case key == "owner":
			r.ResourceAccount = value
		case isList:
			list, ok = strings.CutSuffix(list, "]")
			if !ok {
				return fmt.Errorf("%q: the list is not closed", w)
			}
			var values []string
			if list != "" {
				values = strings.Split(list, ",")
			}
			r.Context.SetList(key, values)
		default:
			r.Context.Set(key, value)
		}
	}
	return nil
}

func parseCaller(s string) (p iam.Principal, err error) {
	s, p.ID, _ = strings.Cut(s, "#")
	if name, ok := strings.CutPrefix(s, "service:"); ok {
		return iam.Principal{Type: iam.Service, ARN: name}, nil
	}
	if name, ok := strings.CutPrefix(s, "provider:"); ok {
		return iam.Principal{Type: iam.Federated, ARN: name}, nil
	}
	if s == "anonymous" {
		return iam.Principal{Type: iam.Anonymous, ARN: s}, nil
	}
	p.Account = DefaultAccount
	if account, rest, ok := strings.Cut(s, "/"); ok && len(account) == 12 {
		if _, err := strconv.ParseUint(account, 10, 64); err == nil {
			p.Account, s = account, rest
		}
	}
	if s == "root" {
		p.Type, p.ARN = iam.Root, "arn:aws:iam::"+p.Account+":root"
		return p, nil
	}
	kind, name, _ := strings.Cut(s, "/")
	name, session, named := strings.Cut(name, "@")
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case base == "":
	case kind == "user":
		p.Type, p.ARN = iam.User, "arn:aws:iam::"+p.Account+":user/"+name
		return p, nil
	case kind == "role":
		if !named {
			session = "session"
		}
		p.Type, p.ARN = iam.AssumedRole, "arn:aws:sts::"+p.Account+":assumed-role/"+base+"/"+session
		p.Issuer = "arn:aws:iam::" + p.Account + ":role/" + name
		return p, nil
	case kind == "federated-user" && named:
		p.Type, p.ARN = iam.FederatedUser, "arn:aws:sts::"+p.Account+":federated-user/"+name
		p.Issuer = "arn:aws:iam::" + p.Account + ":user/" + session
		return p, nil
	}
	return p, fmt.Errorf("%q is no caller: want user/NAME, role/NAME, federated-user/NAME@USER, root, anonymous, service:NAME or provider:NAME", s)
}

func (w *Want) parse(text string) error {
	words := strings.Fields(text)
	take := func() string {
		if len(words) == 0 {
			return ""
		}
		first := words[0]
		words = words[1:]
		return first
	}
	switch take() {
	case "allow":
		w.Outcome = iam.Allow
	case "explicit":
		w.Outcome = iam.ExplicitDeny
		if take() != "deny" {
			return fmt.Errorf("want explicit deny, got %q", text)
		}
	case "implicit":
		if take() != "deny" {
			return fmt.Errorf("want implicit deny, got %q", text)
		}
	default:
		return fmt.Errorf("want allow, explicit deny or implicit deny, got %q", text)
	}
	w.Layer = take()
	for len(words) > 0 {
		word := take()
		file, line, ok := strings.Cut(word, ":")
		switch n, err := strconv.Atoi(line); {
		case ok && err == nil:
			w.File, w.Line = file, n
		case ok:
			w.Action = word
		default:
			w.Sid = word
		}
	}
	return nil
}

// split splits text at blanks outside double quotes.
func split(text string) (words []string, err error) {
	var b strings.Builder
	quoted, inWord := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, inWord = !quoted, true
		case !quoted && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed in %q", text)
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, nil
}

// add compiles one file into the policies.
func (s *Script) add(name string, data []byte) (File, error) {
	base, ok := strings.CutSuffix(name, ".json")
	if !ok {
		return File{}, fmt.Errorf("%s: policies end in .json", name)
	}
	base, _, _ = strings.Cut(base, "-")
	kindName := strings.TrimRight(base, "0123456789")
	kind, err := iam.ParseKind(kindName)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", name, err)
	}
	f := File{Name: name, Kind: kind, Data: bytes.Clone(data)}
	if digits := base[len(kindName):]; digits != "" {
		if f.Level, err = strconv.Atoi(digits); err != nil || f.Level > 20 {
			return File{}, fmt.Errorf("%s: level %s is out of range", name, digits)
		}
	}
	p, err := iam.Parse(kind, name, data)
	if err != nil {
		return File{}, err
	}
	ps := s.Policies
	switch kind {
	case iam.Identity:
		ps.Identity = append(ps.Identity, p)
	case iam.Boundary:
		ps.Boundary = append(ps.Boundary, p)
	case iam.Session:
		ps.Session = append(ps.Session, p)
	case iam.Endpoint:
		ps.Endpoint = append(ps.Endpoint, p)
	case iam.SCP:
		ps.SCP = addLevel(ps.SCP, f.Level, p)
	case iam.RCP:
		ps.RCP = addLevel(ps.RCP, f.Level, p)
	default:
		if ps.Resource != nil {
			return File{}, fmt.Errorf("%s: a second resource policy", name)
		}
		ps.Resource, ps.Trust = p, kind == iam.Trust
	}
	return f, nil
}

func addLevel(levels [][]*iam.Policy, level int, p *iam.Policy) [][]*iam.Policy {
	for len(levels) <= level {
		levels = append(levels, nil)
	}
	levels[level] = append(levels[level], p)
	return levels
}

// Decide asks the engine. With a trust policy the assuming of a role is decided
// as the several actions it is; action is the one that was denied.
func (s *Script) Decide(c *Case) (d iam.Decision, action string) {
	if !s.Policies.Trust {
		return s.Policies.Decide(&c.Request), c.Request.Action
	}
	ad := s.Policies.DecideAssume(c.Assume())
	return ad.Decision, ad.Action
}

// Assume is the case as a request to assume a role. Session tags are passed if
// aws:TagKeys is set, and a source identity if sts:SourceIdentity is.
func (c *Case) Assume() *iam.AssumeRequest {
	tags, _ := c.Request.Context.Get("aws:TagKeys")
	_, source := c.Request.Context.Get("sts:SourceIdentity")
	return &iam.AssumeRequest{
		Principal: c.Request.Principal, Role: c.Request.Resource, RoleAccount: c.Request.ResourceAccount,
		Action: c.Request.Action, Tags: len(tags) > 0, SourceIdentity: source, Context: c.Request.Context,
	}
}

// Check compares a decision with what the case wants. The error says what
// differs.
func (c *Case) Check(d iam.Decision, action string) error {
	var errs []error
	differ := func(what string, got, want any) {
		errs = append(errs, fmt.Errorf("%s is %v, want %v", what, got, want))
	}
	w := c.Want
	if d.Outcome != w.Outcome {
		differ("outcome", d.Outcome, w.Outcome)
	}
	if w.Layer != "" && d.Layer.String() != w.Layer {
		differ("layer", d.Layer, w.Layer)
	}
	if w.Action != "" && w.Action != action {
		differ("action", action, w.Action)
	}
	if w.File != "" || w.Sid != "" {
		var file, sid string
		var line int
		if d.Policy != nil {
			st := d.Policy.Statement(d.Statement)
			file, line, sid = d.Policy.Name(), st.Line, st.Sid
		}
		if w.File != "" && (w.File != file || w.Line != line) {
			differ("statement", fmt.Sprintf("%s:%d", file, line), fmt.Sprintf("%s:%d", w.File, w.Line))
		}
		if w.Sid != "" && w.Sid != sid {
			differ("sid", sid, w.Sid)
		}
	}
	return errors.Join(errs...)
}
