package chain

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// File is one of the shared files.
type File struct {
	Path   string
	Config bool  // the config file, not the credentials file
	Err    error // why it was not read; wraps fs.ErrNotExist or fs.ErrPermission
	Broken string

	sections map[string]map[string]string
	order    []string
}

// Invisible is a section that looks like a profile and is not one, because of
// the file that it is in.
type Invisible struct {
	Path, Section string
	Name          string // the profile that was meant
	Want          string // what the section has to be called there
}

// Profiles are the shared files as an SDK reads them: merged key by key, the
// credentials file over the config file.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
type Profiles struct {
	Config, Credentials File
	Invisible           []Invisible

	// ConfigIgnored: the SDK does not read the config file without
	// AWS_SDK_LOAD_CONFIG.
	ConfigIgnored bool

	merged     map[string]map[string]string
	sharedKeys map[string]bool // profiles whose keys are in the credentials file
	services   map[string]map[string]string
}

// Names are the profiles that there are, sorted.
func (p *Profiles) Names() []string { return slices.Sorted(maps.Keys(p.merged)) }

// Get is a profile's keys and values; nil if there is no such profile.
func (p *Profiles) Get(name string) map[string]string { return p.merged[name] }

// Ignored reports whether the profile is in the config file that the SDK does
// not read.
func (p *Profiles) Ignored(name string) bool {
	if name != "default" {
		name = "profile " + name
	}
	return p.ConfigIgnored && p.Config.sections[name] != nil
}

// Paths are where a program looks for its shared files.
func Paths(s *Surroundings) (config, credentials string) {
	at := func(variable, name string) string {
		p := s.get(variable)
		if p == "" {
			p = "~/.aws/" + name
		}
		if rest, ok := strings.CutPrefix(p, "~"); ok && (rest == "" || rest[0] == '/') {
			if s.Home == "" {
				return p
			}
			p = path.Join(s.Home, rest)
		}
		return p
	}
	return at("AWS_CONFIG_FILE", "config"), at("AWS_SHARED_CREDENTIALS_FILE", "credentials")
}

// ReadProfiles reads the shared files as the SDK does.
func ReadProfiles(w World, s *Surroundings, sdk *SDK) *Profiles {
	config, credentials := Paths(s)
	p := &Profiles{
		Config: File{Path: config, Config: true}, Credentials: File{Path: credentials},
		merged: map[string]map[string]string{}, sharedKeys: map[string]bool{}, services: map[string]map[string]string{},
	}
	p.ConfigIgnored = sdk.LoadConfig && s.get("AWS_SDK_LOAD_CONFIG") == ""
	for _, f := range []*File{&p.Config, &p.Credentials} {
		data, err := w.ReadFile(f.Path)
		if err != nil {
			f.Err = err
			continue
		}
		f.parse(string(data), sdk)
	}
	if !p.ConfigIgnored {
		p.addConfig(sdk)
	}
	for _, section := range p.Credentials.order {
		if name, ok := strings.CutPrefix(section, "profile "); ok {
			p.Invisible = append(p.Invisible, Invisible{p.Credentials.Path, section, strings.TrimSpace(name), strings.TrimSpace(name)})
			continue
		}
		p.merge(section, p.Credentials.sections[section])
		if p.Credentials.sections[section]["aws_access_key_id"] != "" {
			p.sharedKeys[section] = true
		}
	}
	return p
}

func (p *Profiles) addConfig(sdk *SDK) {
	for _, section := range p.Config.order {
		values := p.Config.sections[section]
		kind, name, ok := strings.Cut(section, " ")
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		switch {
		case section == "default":
			p.merge(section, values)
		case ok && kind == "profile":
			p.merge(name, values)
		case ok && kind == "services":
			p.services[name] = values
		case ok && kind == "sso-session" || section == "preview" || section == "plugins":
		case sdk.profile == jsSDKv2:
			p.merge(section, values) // the one SDK that knows no difference
		case slices.ContainsFunc(slices.Collect(maps.Keys(values)), telling):
			p.Invisible = append(p.Invisible, Invisible{p.Config.Path, section, section, "profile " + section})
		}
	}
}

// telling reports whether a key is one of a profile's.
func telling(key string) bool {
	return strings.HasPrefix(key, "aws_") || strings.HasPrefix(key, "role_") || strings.HasPrefix(key, "sso_") ||
		slices.Contains([]string{"region", "source_profile", "credential_source", "credential_process", "web_identity_token_file", "external_id"}, key)
}

func (p *Profiles) merge(name string, values map[string]string) {
	if p.merged[name] == nil {
		p.merged[name] = map[string]string{}
	}
	maps.Copy(p.merged[name], values)
}

// broken is the first file that the SDK cannot read at all, "" if none.
func (p *Profiles) broken() string {
	for _, f := range []*File{&p.Config, &p.Credentials} {
		if f.Broken != "" {
			return f.Broken
		}
	}
	return ""
}

// parse reads a file. What an SDK with lenient rules passes over makes the file
// broken for a strict one.
func (f *File) parse(text string, sdk *SDK) {
	f.sections = map[string]map[string]string{}
	var in map[string]string
	last := ""
	fail := func(line int, format string, args ...any) {
		if sdk.Strict && f.Broken == "" {
			f.Broken = fmt.Sprintf("Unable to parse config file: %s (line %d: %s)", f.Path, line, fmt.Sprintf(format, args...))
		}
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
			continue
		case trimmed[0] == '[' && (line[0] == '[' || !sdk.Strict):
			name, _, ok := strings.Cut(trimmed[1:], "]")
			name = strings.Join(strings.Fields(name), " ")
			if !ok {
				fail(n, "a section without ]")
				in = nil
				continue
			}
			if f.sections[name] != nil {
				fail(n, "section %q is there twice", name)
			} else {
				f.sections[name] = map[string]string{}
				f.order = append(f.order, name)
			}
			in, last = f.sections[name], ""
		case (line[0] == ' ' || line[0] == '\t') && last != "" && in != nil:
			// Below a key without a value: settings of a group, such as s3 =.
			if k, v, ok := strings.Cut(trimmed, "="); ok {
				in[last+"."+key(k)] = f.value(v, sdk)
			}
		default:
			k, v, ok := strings.Cut(trimmed, "=")
			if !ok {
				fail(n, "%q is neither a section nor a key with a value", elided(trimmed))
				continue
			}
			if in == nil {
				fail(n, "a key before the first section")
				continue
			}
			last = key(k)
			in[last] = f.value(v, sdk)
		}
	}
}

// elided keeps what may be a secret out of messages.
func elided(s string) string {
	if len(s) > 12 {
		return s[:8] + "…"
	}
	return s
}

func key(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func (f *File) value(v string, sdk *SDK) string {
	v = strings.TrimSpace(v)
	if !sdk.InlineComments {
		return v
	}
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		v, _, _ = strings.Cut(v, mark)
	}
	if strings.HasPrefix(v, "#") || strings.HasPrefix(v, ";") {
		return ""
	}
	return strings.TrimSpace(v)
}

// why says in words why a file was not read.
func (f *File) why() string {
	switch {
	case f.Err == nil:
		return ""
	case strings.HasPrefix(f.Path, "~"):
		return f.Path + " cannot be found: HOME is not set"
	case errors.Is(f.Err, fs.ErrNotExist):
		return f.Path + " does not exist"
	case errors.Is(f.Err, fs.ErrPermission):
		return f.Path + " may not be read"
	}
	return f.Path + ": " + f.Err.Error()
}
