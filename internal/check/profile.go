package check

import (
	"path/filepath"
	"strings"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A profileFile is an AWS config or credentials file.
type profileFile struct {
	path        string
	data        []byte
	credentials bool
	sections    []*section
}

// A section is one [section] of a file.
type section struct {
	file    *profileFile
	title   string // between the brackets
	profile string // the profile's name, "" if it is no profile
	where   tf.Range
	inner   tf.Range // of the title
	keys    []setting
}

type setting struct {
	name, value string
	where       tf.Range // of the value
}

func (s *section) get(name string) (setting, bool) {
	for _, k := range s.keys {
		if k.name == name {
			return k, true
		}
	}
	return setting{}, false
}

// sharedFile reports whether a text looks like an AWS shared file, and not
// like one of the many other files that are called config.
func sharedFile(data []byte) bool {
	for _, s := range readShared("", data, false).sections {
		if strings.HasPrefix(s.title, "profile ") || strings.HasPrefix(s.title, "sso-session ") {
			return true
		}
		for _, k := range s.keys {
			switch k.name {
			case "role_arn", "aws_access_key_id", "credential_source", "credential_process", "source_profile", "sso_session", "sso_start_url":
				return true
			}
		}
	}
	return false
}

// readShared reads an AWS shared file as botocore does: sections in brackets,
// keys at the start of a line, values of nested keys indented below them.
func readShared(path string, data []byte, credentials bool) *profileFile {
	f := &profileFile{path: path, data: data, credentials: credentials}
	pos := 0
	var cur *section
	for raw := range strings.Lines(string(data)) {
		start := pos
		pos += len(raw)
		line := strings.TrimRight(raw, "\r\n")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		if trimmed[0] == '[' {
			end := strings.IndexByte(line, ']')
			if end < 0 {
				continue
			}
			open := strings.IndexByte(line, '[')
			cur = &section{file: f, title: strings.TrimSpace(line[open+1 : end]),
				where: placeIn(path, data, start+open, start+end+1), inner: placeIn(path, data, start+open+1, start+end)}
			cur.profile = profileName(cur.title, credentials)
			f.sections = append(f.sections, cur)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if cur == nil || !ok || line[0] == ' ' || line[0] == '\t' {
			continue // a nested value
		}
		from := start + len(name) + 1
		from += len(value) - len(strings.TrimLeft(value, " \t"))
		value = strings.TrimSpace(value)
		cur.keys = append(cur.keys, setting{strings.ToLower(strings.TrimSpace(name)), value, placeIn(path, data, from, from+len(value))})
	}
	return f
}

// profileName is the profile that a section is, by the rules of its file: in
// config all but default are called "profile NAME", in credentials none is.
func profileName(title string, credentials bool) string {
	rest, prefixed := strings.CutPrefix(title, "profile ")
	switch {
	case credentials && prefixed:
		return ""
	case credentials || title == "default":
		return title
	case prefixed:
		return strings.Trim(strings.TrimSpace(rest), `"'`)
	}
	return ""
}

func (f *facts) readProfiles() {
	for _, x := range f.files {
		if x.Kind == Config || x.Kind == Credentials {
			f.profiles = append(f.profiles, readShared(x.Path, x.Data, x.Kind == Credentials))
		}
	}
}

// A profile is what the two files of a folder say together: of a key that both
// have, the credentials file's counts.
type profile struct {
	name  string
	first *section
	keys  map[string]setting
}

func (p *profile) get(name string) string { return p.keys[name].value }

// merged are the profiles of the pair of files that a file belongs to.
func (f *facts) merged(file *profileFile) []*profile {
	var out []*profile
	by := map[string]*profile{}
	for _, credentials := range []bool{false, true} {
		for _, x := range f.profiles {
			if x.credentials != credentials || filepath.Dir(x.path) != filepath.Dir(file.path) {
				continue
			}
			for _, s := range x.sections {
				if s.profile == "" {
					continue
				}
				p := by[s.profile]
				if p == nil {
					p = &profile{name: s.profile, first: s, keys: map[string]setting{}}
					by[s.profile], out = p, append(out, p)
				}
				for _, k := range s.keys {
					p.keys[k.name] = k
				}
			}
		}
	}
	return out
}

// allProfiles are the profiles of every folder, each once.
func (f *facts) allProfiles() (out []*profile) {
	seen := map[string]bool{}
	for _, x := range f.profiles {
		if dir := filepath.Dir(x.path); !seen[dir] {
			seen[dir] = true
			out = append(out, f.merged(x)...)
		}
	}
	return out
}

// named is a profile by name; nil if no file has it.
func (f *facts) profile(name string) *profile {
	for _, p := range f.allProfiles() {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (p *profile) found(key, message, cure string) Finding {
	at := p.first.where
	if k, ok := p.keys[key]; ok {
		at = k.where
	}
	return Finding{Where: at, Address: "profile " + p.name, Message: message, Cure: cure}
}
