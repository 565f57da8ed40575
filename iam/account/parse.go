package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// Parse reads an account from the JSON of GetAccountAuthorizationDetails.
// Several outputs may follow one another; they are merged. The error is an
// *Error, or that of [Merge].
func Parse(src []byte) (*Account, error) {
	r := newReader(src)
	var pages []*Account
	truncated := 0
	for r.peek() != 0 {
		p := &parser{reader: r, account: &Account{}}
		more, err := p.page()
		if err != nil {
			return nil, err
		}
		if more {
			truncated++
		}
		pages = append(pages, p.account)
	}
	if len(pages) == 0 {
		return nil, r.errorAt(0, "run aws iam get-account-authorization-details", "there is no account in an empty text")
	}
	if truncated == len(pages) {
		return nil, r.errorAt(0, "add the pages that follow, or let the AWS CLI page by itself", "the output is cut: IsTruncated is true in all of it")
	}
	return Merge(pages...)
}

// parser reads one output.
type parser struct {
	*reader
	account *Account
}

// page reads one output and tells whether more must follow.
func (p *parser) page() (truncated bool, err error) {
	p.entity = ""
	err = p.object("the output", func(key string) error {
		p.entity = ""
		switch key {
		case "UserDetailList":
			return p.array(key, p.user)
		case "GroupDetailList":
			return p.array(key, p.group)
		case "RoleDetailList":
			return p.array(key, p.role)
		case "Policies":
			return p.array(key, p.policy)
		case "IsTruncated":
			return p.flag(key, &truncated)
		case "Marker", "NextToken", "ResponseMetadata":
			return p.skip()
		}
		return unknownMember{}
	})
	return truncated, err
}

// common reads a member that every entity has; kind is "user", "group" or
// "role", prefix the members' prefix.
func (p *parser) common(e *Entity, kind, prefix, key string) error {
	switch key {
	case "Arn":
		return p.text(key, &e.ARN)
	case prefix + "Id":
		return p.text(key, &e.ID)
	case prefix + "Name":
		return p.named(kind, key, &e.Name)
	case "Path":
		return p.text(key, &e.Path)
	case "CreateDate":
		return p.time(key, &e.Created)
	case prefix + "PolicyList":
		return p.array(key, func() error { return p.inline(e) })
	case "AttachedManagedPolicies":
		return p.array(key, func() error {
			var arn, name string
			if err := p.object("an attached policy", func(key string) error {
				switch key {
				case "PolicyArn":
					return p.text(key, &arn)
				case "PolicyName":
					return p.text(key, &name)
				}
				return unknownMember{}
			}); err != nil {
				return err
			}
			e.Attached = append(e.Attached, arn)
			return nil
		})
	}
	return unknownMember{}
}

// named reads an entity's name and lets errors mention it from then on.
func (p *parser) named(kind, key string, into *string) error {
	if err := p.text(key, into); err != nil {
		return err
	}
	p.entity = kind + " " + *into
	return nil
}

// ahead lets errors name the entity that begins here before its name is
// read: the members come in any order.
func (p *parser) ahead(kind, key string) {
	p.entity = kind + " without name"
	var peeked map[string]json.RawMessage
	var name string
	// A text that is not JSON is reported where it is read.
	if json.NewDecoder(bytes.NewReader(p.src[p.next():])).Decode(&peeked) == nil && json.Unmarshal(peeked[key], &name) == nil {
		p.entity = kind + " " + name
	}
}

// finish checks what an entity must have once it was read.
func (p *parser) finish(at int, kind, arn, id, path, name string) error {
	for _, f := range []struct{ what, value string }{{"Arn", arn}, {"unique id", id}, {"Path", path}, {"name", name}} {
		if f.value == "" {
			return p.errorAt(at, "", "%s is missing", f.what)
		}
	}
	a, err := iam.ParseARN(arn)
	if err != nil || a.Service != "iam" || a.Resource != kind+path+name {
		return p.errorAt(at, "", "Arn %s does not fit its path %s and name %s", arn, path, name)
	}
	if kind == "policy" && a.Account == "aws" {
		return nil
	}
	if p.account.ID == "" {
		p.account.ID = a.Account
	}
	if a.Account != p.account.ID {
		return p.errorAt(at, "give each account a file of its own", "Arn %s is not of account %s", arn, p.account.ID)
	}
	return nil
}

func (p *parser) user() error {
	at := p.next()
	p.ahead("user", "UserName")
	var u User
	if err := p.object("a user", func(key string) error {
		switch key {
		case "GroupList":
			return p.array(key, func() error {
				var g string
				err := p.text("a group's name", &g)
				u.Groups = append(u.Groups, g)
				return err
			})
		case "PermissionsBoundary":
			return p.boundary(&u.Boundary)
		case "Tags":
			return p.tags(&u.Tags)
		}
		return p.common(&u.Entity, "user", "User", key)
	}); err != nil {
		return err
	}
	p.account.Users = append(p.account.Users, u)
	return p.finish(at, "user", u.ARN, u.ID, u.Path, u.Name)
}

func (p *parser) group() error {
	at := p.next()
	p.ahead("group", "GroupName")
	var g Group
	if err := p.object("a group", func(key string) error { return p.common(&g.Entity, "group", "Group", key) }); err != nil {
		return err
	}
	p.account.Groups = append(p.account.Groups, g)
	return p.finish(at, "group", g.ARN, g.ID, g.Path, g.Name)
}

func (p *parser) role() error {
	at := p.next()
	p.ahead("role", "RoleName")
	var role Role
	if err := p.object("a role", func(key string) error {
		switch key {
		case "AssumeRolePolicyDocument":
			return p.document(iam.Trust, "trust policy of "+p.entity, &role.Trust)
		case "PermissionsBoundary":
			return p.boundary(&role.Boundary)
		case "Tags":
			return p.tags(&role.Tags)
		case "InstanceProfileList":
			return p.array(key, func() error { return p.profile(&role) })
		case "RoleLastUsed":
			return p.skip() // an observation, not part of the account
		}
		return p.common(&role.Entity, "role", "Role", key)
	}); err != nil {
		return err
	}
	p.account.Roles = append(p.account.Roles, role)
	if err := p.finish(at, "role", role.ARN, role.ID, role.Path, role.Name); err != nil {
		return err
	}
	if role.Trust == nil {
		return p.errorAt(at, "", "AssumeRolePolicyDocument is missing")
	}
	return nil
}

func (p *parser) profile(role *Role) error {
	at := p.next()
	owner := p.entity
	p.ahead("instance profile", "InstanceProfileName")
	var ip InstanceProfile
	if err := p.object("an instance profile", func(key string) error {
		switch key {
		case "Arn":
			return p.text(key, &ip.ARN)
		case "InstanceProfileId":
			return p.text(key, &ip.ID)
		case "InstanceProfileName":
			return p.text(key, &ip.Name)
		case "Path":
			return p.text(key, &ip.Path)
		case "CreateDate":
			return p.time(key, &ip.Created)
		case "Tags":
			return p.tags(&ip.Tags)
		case "Roles":
			return p.skip() // the role that lists the profile
		}
		return unknownMember{}
	}); err != nil {
		return err
	}
	role.Profiles = append(role.Profiles, ip)
	err := p.finish(at, "instance-profile", ip.ARN, ip.ID, ip.Path, ip.Name)
	p.entity = owner
	return err
}

func (p *parser) inline(e *Entity) error {
	at := p.next()
	owner := p.entity
	p.ahead("inline policy", "PolicyName")
	p.entity += " of " + owner
	in := Inline{}
	err := p.object("an inline policy", func(key string) error {
		switch key {
		case "PolicyName":
			return p.text(key, &in.Name)
		case "PolicyDocument":
			return p.document(iam.Identity, p.entity, &in.Document)
		}
		return unknownMember{}
	})
	if err == nil && (in.Name == "" || in.Document == nil) {
		err = p.errorAt(at, "", "PolicyName or PolicyDocument is missing")
	}
	p.entity = owner
	e.Inline = append(e.Inline, in)
	return err
}

func (p *parser) boundary(into *string) error {
	return p.object("PermissionsBoundary", func(key string) error {
		switch key {
		case "PermissionsBoundaryArn":
			return p.text(key, into)
		case "PermissionsBoundaryType":
			return p.skip()
		}
		return unknownMember{}
	})
}

func (p *parser) tags(into *[]Tag) error {
	return p.array("Tags", func() error {
		var t Tag
		err := p.object("a tag", func(key string) error {
			switch key {
			case "Key":
				return p.text(key, &t.Key)
			case "Value":
				return p.text(key, &t.Value)
			}
			return unknownMember{}
		})
		*into = append(*into, t)
		return err
	})
}

func (p *parser) policy() error {
	at := p.next()
	p.ahead("policy", "PolicyName")
	var m ManagedPolicy
	name := p.entity
	if arn, ok := p.peekText("Arn"); ok {
		name = arn // decisions call a managed policy by its ARN
	}
	if err := p.object("a policy", func(key string) error {
		switch key {
		case "Arn":
			return p.text(key, &m.ARN)
		case "PolicyId":
			return p.text(key, &m.ID)
		case "PolicyName":
			return p.text(key, &m.Name)
		case "Path":
			return p.text(key, &m.Path)
		case "Description":
			return p.text(key, &m.Description)
		case "DefaultVersionId":
			return p.text(key, &m.Default)
		case "CreateDate":
			return p.time(key, &m.Created)
		case "UpdateDate":
			return p.time(key, &m.Updated)
		case "PolicyVersionList":
			return p.array(key, func() error { return p.version(&m, name) })
		case "AttachmentCount", "PermissionsBoundaryUsageCount", "IsAttachable":
			return p.skip() // follows from the rest
		}
		return unknownMember{}
	}); err != nil {
		return err
	}
	p.account.Policies = append(p.account.Policies, m)
	if err := p.finish(at, "policy", m.ARN, m.ID, m.Path, m.Name); err != nil {
		return err
	}
	if m.Document() == nil {
		return p.errorAt(at, "", "the default version %q is not in PolicyVersionList", m.Default)
	}
	return nil
}

func (p *parser) version(m *ManagedPolicy, name string) error {
	at := p.next()
	var v Version
	var inForce bool
	if err := p.object("a policy version", func(key string) error {
		switch key {
		case "VersionId":
			return p.text(key, &v.ID)
		case "CreateDate":
			return p.time(key, &v.Created)
		case "IsDefaultVersion":
			return p.flag(key, &inForce)
		case "Document":
			return p.document(iam.Identity, name, &v.Document)
		}
		return unknownMember{}
	}); err != nil {
		return err
	}
	if v.ID == "" || v.Document == nil {
		return p.errorAt(at, "", "a version needs VersionId and Document")
	}
	m.Versions = append(m.Versions, v)
	return nil
}

// peekText looks a member of the object that begins here up.
func (p *parser) peekText(key string) (string, bool) {
	var peeked map[string]json.RawMessage
	var text string
	err := json.NewDecoder(bytes.NewReader(p.src[p.next():])).Decode(&peeked)
	return text, err == nil && json.Unmarshal(peeked[key], &text) == nil && text != ""
}

// document reads and compiles a policy document: an object, or a string that
// holds one, URL-encoded or plain.
func (p *parser) document(kind iam.Kind, name string, into **iam.Policy) error {
	at := p.next()
	var src []byte
	quoted := p.peek() == '"'
	if quoted {
		var text string
		if err := p.text("a policy document", &text); err != nil {
			return err
		}
		if !strings.HasPrefix(strings.TrimSpace(text), "{") {
			decoded, err := url.PathUnescape(text)
			if err != nil {
				return p.errorAt(at, "", "the document is neither JSON nor URL-encoded JSON")
			}
			text = decoded
		}
		src = []byte(text)
	} else {
		if err := p.skip(); err != nil {
			return err
		}
		src = p.src[at:p.dec.InputOffset()]
	}
	doc, err := iam.Parse(kind, name, src)
	if err == nil {
		*into = doc
		return nil
	}
	var syntax *iam.SyntaxError
	if !errors.As(err, &syntax) {
		return p.errorAt(at, "", "%v", err)
	}
	e := p.errorAt(at, syntax.Hint, "%s", syntax.Summary)
	switch {
	case quoted:
		e.Summary = p.inside(syntax)
	case syntax.Line == 1:
		e.Column += syntax.Column - 1
	default:
		e.Line, e.Column = e.Line+syntax.Line-1, syntax.Column
	}
	return e
}

// inside describes an error in a document that is a string, whose lines are
// not lines of the file.
func (p *parser) inside(e *iam.SyntaxError) string {
	return e.Summary + " (at " + (&Error{Line: e.Line, Column: e.Column}).place() + " of the document in this string)"
}
