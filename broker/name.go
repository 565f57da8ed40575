package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Host is what placeholders may say of the machine.
type Host struct {
	// Name is the host name, InstanceID the EC2 instance id; "" if there is none.
	Name, InstanceID string
}

// Names are cut to MaxName characters, STS's limit for RoleSessionName and
// SourceIdentity (and MinName the least it accepts),
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const (
	MinName = 2
	MaxName = 64
)

// placeholder is one {name} and how it is filled. What depends on the caller
// beyond its rule makes loans of its own for every such caller, so there is
// deliberately none for the process id: a name must survive a restart.
//
// {pod}, {pod_uid} and {task} do not, and are there for session tags, where
// policies and CloudTrail know them from Amazon EKS and ECS.
type placeholder struct {
	name string
	need need
	fill func(rule string, c *Caller, h *Host) string // nil if it is the caller's text
}

// need is what of a Caller a loan's names depend on.
type need uint16

// The needs that are texts come first, so that a slot can hold them by number.
const (
	needExe need = 1 << iota
	needUnit
	needContainer
	needImage
	needProject
	needService
	needTask
	needFamily
	needCluster
	needNamespace
	needServiceAccount
	needPod
	needPodUID
	needUID

	textNeeds = 13
)

// text is what the caller says to a need; "" if it is not known.
func (c *Caller) text(n need) string {
	switch n {
	case needExe:
		return c.Exe
	case needUnit:
		return c.Unit
	case needContainer:
		return c.containerName()
	case needImage, needProject, needService:
		switch {
		case c.Container == nil:
			return ""
		case n == needImage:
			return c.Container.Image
		case n == needProject:
			return c.Container.Project()
		}
		return c.Container.Service()
	case needTask, needFamily, needCluster:
		switch {
		case c.Task == nil:
			return ""
		case n == needTask:
			return c.Task.ID()
		case n == needFamily:
			return c.Task.Family
		}
		return c.Task.Cluster
	case needNamespace, needServiceAccount, needPod, needPodUID:
		switch {
		case c.Pod == nil:
			return ""
		case n == needNamespace:
			return c.Pod.Namespace
		case n == needServiceAccount:
			return c.Pod.ServiceAccount
		case n == needPod:
			return c.Pod.Name
		}
		return c.Pod.UID
	}
	return ""
}

func placeholders() [17]placeholder {
	return [...]placeholder{
		{"cluster", needCluster, nil},
		{"compose_project", needProject, nil},
		{"container", needContainer, nil},
		{"exe", needExe, func(_ string, c *Caller, _ *Host) string {
			if c.Exe == "" {
				return ""
			}
			return path.Base(c.Exe)
		}},
		{"family", needFamily, nil},
		{"host", 0, func(_ string, _ *Caller, h *Host) string { return h.Name }},
		{"image", needImage, nil},
		{"instance_id", 0, func(_ string, _ *Caller, h *Host) string { return h.InstanceID }},
		{"namespace", needNamespace, nil},
		{"pod", needPod, nil},
		{"pod_uid", needPodUID, nil},
		{"service", needService, nil},
		{"service_account", needServiceAccount, nil},
		{"task", needTask, nil},
		{"uid", needUID, func(_ string, c *Caller, _ *Host) string {
			if c.UID < 0 || c.How == "" {
				return ""
			}
			return strconv.Itoa(c.UID)
		}},
		{"unit", needUnit, nil},
		{"workload", 0, func(rule string, _ *Caller, _ *Host) string { return rule }},
	}
}

// value is what the placeholder stands for, "" if that is not known.
func (p *placeholder) value(rule string, c *Caller, h *Host) string {
	if p.fill != nil {
		return p.fill(rule, c, h)
	}
	return c.text(p.need)
}

// Placeholders lists what may stand in braces in a session name, a source
// identity or the value of a session tag, in alphabetical order.
func Placeholders() []string {
	var names []string
	for _, p := range placeholders() {
		names = append(names, p.name)
	}
	return names
}

// CheckTemplate reports an unknown placeholder or a brace without its partner.
func CheckTemplate(template string) error {
	_, _, err := expand(template, func(name string) (string, need, error) {
		for _, p := range placeholders() {
			if p.name == name {
				return "", p.need, nil
			}
		}
		return "", 0, fmt.Errorf("unknown placeholder {%s} in %q; known are {%s}", name, template, strings.Join(Placeholders(), "}, {"))
	})
	return err
}

// templateNeeds is what of the caller a valid template depends on.
func templateNeeds(template string) need {
	var all need
	expand(template, func(name string) (string, need, error) {
		for _, p := range placeholders() {
			if p.name == name {
				all |= p.need
			}
		}
		return "", 0, nil
	})
	return all
}

// expand replaces every {name} in the template by what value answers.
func expand(template string, value func(name string) (string, need, error)) (string, need, error) {
	if !strings.ContainsAny(template, "{}") {
		return template, 0, nil
	}
	var b strings.Builder
	var all need
	rest := template
	for {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			b.WriteString(rest)
			return b.String(), all, nil
		}
		if rest[open] == '}' {
			return "", 0, fmt.Errorf("%q holds a '}' without a '{' before it", template)
		}
		b.WriteString(rest[:open])
		rest = rest[open+1:]
		end := strings.IndexAny(rest, "{}")
		if end < 0 || rest[end] != '}' {
			return "", 0, fmt.Errorf("%q holds a '{' without a '}' after it", template)
		}
		v, n, err := value(rest[:end])
		if err != nil {
			return "", 0, err
		}
		b.WriteString(v)
		all |= n
		rest = rest[end+1:]
	}
}

// DefaultSessionName is the session name of a loan that does not say, and
// DefaultHopName that of a hop on the way: the hops of a host share their names
// so that they share their sessions.
func DefaultSessionName(h Host) string {
	if h.Name == "" {
		return "{workload}"
	}
	return "{workload}@{host}"
}

// DefaultHopName is the session name of a Hop that does not say.
func DefaultHopName(h Host) string {
	if h.Name == "" {
		return "mantle"
	}
	return "mantle@{host}"
}

// Resolve fills the placeholders of the loan for a caller of the named rule and
// makes its names such that STS accepts them. The result does not change while
// rule, host and the asked-for facts about the caller do not.
//
// A placeholder of which nothing is known is an error, not an empty word: a
// session name is evidence.
func (l Loan) Resolve(rule string, c Caller, h Host) (Loan, error) {
	fill := func(what, template string) (string, error) {
		s, _, err := expand(template, func(name string) (string, need, error) {
			for _, p := range placeholders() {
				if p.name != name {
					continue
				}
				if v := p.value(rule, &c, &h); v != "" {
					return v, p.need, nil
				}
				return "", 0, fmt.Errorf("the %s %q needs {%s}, which is not known of this %s; leave it out",
					what, template, name, subject(p))
			}
			return "", 0, fmt.Errorf("unknown placeholder {%s} in the %s %q; known are {%s}",
				name, what, template, strings.Join(Placeholders(), "}, {"))
		})
		return s, err
	}

	if l.SessionName == "" {
		l.SessionName = DefaultSessionName(h)
	}
	s, err := fill("session name", l.SessionName)
	if err != nil {
		return Loan{}, err
	}
	l.SessionName = SessionName(s)

	if l.SourceIdentity != "" {
		if s, err = fill("source identity", l.SourceIdentity); err != nil {
			return Loan{}, err
		}
		l.SourceIdentity = SessionName(s)
	}

	l.Chain = slices.Clone(l.Chain)
	for i := range l.Chain {
		hop := &l.Chain[i]
		if hop.SessionName == "" {
			hop.SessionName = DefaultHopName(h)
		}
		if s, err = fill("session name of hop "+hop.Role, hop.SessionName); err != nil {
			return Loan{}, err
		}
		hop.SessionName = SessionName(s)
	}

	if len(l.Tags) > 0 {
		tags := make(map[string]string, len(l.Tags))
		for k, v := range l.Tags {
			if tags[k], err = fill("tag "+k, v); err != nil {
				return Loan{}, err
			}
		}
		l.Tags = tags
	}
	return l, nil
}

func subject(p placeholder) string {
	if p.need == 0 {
		return "host"
	}
	return "caller"
}

// needs is what of the caller the names of the loan depend on.
func (l *Loan) needs() need {
	all := templateNeeds(l.SessionName) | templateNeeds(l.SourceIdentity)
	for i := range l.Chain {
		all |= templateNeeds(l.Chain[i].SessionName)
	}
	for _, v := range l.Tags {
		all |= templateNeeds(v)
	}
	return all
}

// SessionName makes a text acceptable as a RoleSessionName or SourceIdentity:
// characters other than letters, digits and _+=,.@- become '-', and what is
// longer than MaxName is cut and ended by eight digits of its hash, so that two
// long names stay two. The same text always gives the same name.
func SessionName(s string) string {
	if len(s) > MaxName || !validName(s) {
		full := s
		var b strings.Builder
		for _, r := range s {
			if nameRune(r) {
				b.WriteRune(r)
			} else {
				b.WriteByte('-')
			}
		}
		if s = b.String(); len(s) > MaxName {
			sum := sha256.Sum256([]byte(full))
			s = s[:MaxName-9] + "-" + hex.EncodeToString(sum[:4])
		}
	}
	for len(s) < MinName {
		s += "-"
	}
	return s
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r < 128 && strings.ContainsRune("_+=,.@-", r)
}

func validName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !nameRune(r) }) < 0
}
