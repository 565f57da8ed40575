package check

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func absentProfile(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		from := p.get("source_profile")
		if from == "" || slices.ContainsFunc(in.facts.merged(p.first.file), func(q *profile) bool { return q.name == from }) {
			continue
		}
		// Of a folder with one file only, the other one may have it.
		if len(in.facts.pair(p.first.file)) < 2 {
			add(Finding{Where: p.keys["source_profile"].where, Address: "profile " + p.name, Needs: "the other AWS file of the folder, which may have profile " + from})
			continue
		}
		add(p.found("source_profile", fmt.Sprintf("The config profile (%s) could not be found", from), "add the profile, or name one of those that are there"))
	}
	in.services(func(s *service) {
		name := s.env["AWS_PROFILE"]
		if name.value == "" || strings.Contains(name.value, "$") {
			return
		}
		files, at := in.mounted(s)
		if at.to == "" {
			return
		}
		if home, ok := s.home(); ok && !strings.HasPrefix(at.to, home+"/") && s.env["AWS_CONFIG_FILE"].value == "" && s.env["AWS_SHARED_CREDENTIALS_FILE"].value == "" {
			add(s.found(at.where, fmt.Sprintf("The config profile (%s) could not be found: the files are mounted at %s, and the user %s has its home at %s", name.value, at.to, s.user.value, home),
				"mount them at "+home+"/.aws, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"))
			return
		}
		if len(files) == 0 {
			add(Finding{Where: at.where, Address: "service " + s.name, Needs: "the AWS files at " + at.from})
			return
		}
		for _, f := range files {
			for _, p := range in.facts.merged(f) {
				if p.name == name.value {
					return
				}
			}
		}
		add(s.found(name.where, fmt.Sprintf("The config profile (%s) could not be found in %s", name.value, files[0].path), "add it there, or name one that it has"))
	})
}

// pair are the AWS files of a file's folder.
func (f *facts) pair(file *profileFile) (out []*profileFile) {
	for _, x := range f.profiles {
		if filepath.Dir(x.path) == filepath.Dir(file.path) {
			out = append(out, x)
		}
	}
	return out
}

// services calls f for each service of the compose files.
func (in *Input) services(f func(*service)) {
	for _, c := range in.facts.compose {
		for i := range c.services {
			f(&c.services[i])
		}
	}
}

// home is the home folder of a service's user, if that is certain.
func (s *service) home() (string, bool) {
	if h := s.env["HOME"].value; h != "" {
		return path.Clean(h), true
	}
	switch u, _, _ := strings.Cut(s.user.value, ":"); {
	case u == "root" || u == "0":
		return "/root", true
	case u != "" && strings.Trim(u, "0123456789") != "" && !strings.Contains(u, "$"):
		return "/home/" + u, true
	}
	return "", false
}

// mounted are the AWS files that a service's container sees below a .aws, and
// the mount that brings them.
func (in *Input) mounted(s *service) ([]*profileFile, mount) {
	for _, m := range s.mount {
		if !strings.HasSuffix(m.to, "/.aws") && !strings.Contains(m.to, "/.aws/") {
			continue
		}
		from := m.from
		if !filepath.IsAbs(from) {
			from = filepath.Join(filepath.Dir(s.file.path), from)
		}
		var out []*profileFile
		for _, f := range in.facts.profiles {
			if f.path == from || filepath.Dir(f.path) == from {
				out = append(out, f)
			}
		}
		return out, m
	}
	return nil, mount{}
}

func invisibleSection(in *Input, add func(Finding)) {
	for _, f := range in.facts.profiles {
		for _, s := range f.sections {
			rest, prefixed := strings.CutPrefix(s.title, "profile ")
			switch {
			case f.credentials && prefixed:
				name := strings.Trim(strings.TrimSpace(rest), `"'`)
				add(Finding{Where: s.where, Address: "profile " + name, Message: fmt.Sprintf("[%s] in a credentials file is the profile %q, which nobody asks for", s.title, s.title), Cure: "write [" + name + "]",
					Edit: &Edit{f.path, s.inner.Start, s.inner.End, name}})
			case !f.credentials && s.profile == "" && !configSection(s.title) && len(s.keys) > 0:
				name := s.title
				if strings.ContainsAny(name, " \t") {
					name = strconv.Quote(name)
				}
				add(Finding{Where: s.where, Address: "profile " + s.title, Message: fmt.Sprintf("[%s] in a config file is no profile: nobody sees it", s.title), Cure: "write [profile " + name + "]",
					Edit: &Edit{f.path, s.inner.Start, s.inner.End, "profile " + name}})
			}
		}
	}
}

// configSection reports whether a section of a config file is one of those
// that are not profiles.
func configSection(title string) bool {
	kind, _, _ := strings.Cut(title, " ")
	return slices.Contains([]string{"sso-session", "services", "plugins", "preview", "toolkit", "registries"}, kind)
}

func noContainerURI(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		if t.taskRole != "" || t.openRole {
			continue
		}
		for _, c := range t.containers {
			v, ok := c.get("AWS_PROFILE")
			if !ok {
				continue
			}
			p := in.facts.profile(v.value)
			if p == nil || p.get("credential_source") != "EcsContainer" {
				continue
			}
			f := t.found(t.at(v.node), fmt.Sprintf("profile %s takes its credentials from the container endpoint, and %s has no task role: Error when retrieving credentials from EcsContainer: No credentials found in credential_source referenced in profile %s", v.value, t.name, v.value), "give the task a task role")
			f.Related = []Related{{p.keys["credential_source"].where, "the profile"}}
			add(f)
		}
	}
	in.services(func(s *service) {
		name := s.env["AWS_PROFILE"]
		if name.value == "" || s.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"].name != "" || s.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].name != "" {
			return
		}
		files, _ := in.mounted(s)
		for _, f := range files {
			for _, p := range in.facts.merged(f) {
				if p.name == name.value && p.get("credential_source") == "EcsContainer" {
					add(s.found(name.where, fmt.Sprintf("profile %s takes its credentials from the container endpoint, and service %s has none: No credentials found in credential_source referenced in profile %s", p.name, s.name, p.name),
						"start it under mantle run or mantle up, or set AWS_CONTAINER_CREDENTIALS_FULL_URI"))
					return
				}
			}
		}
	})
}

var credentialSources = []string{"Ec2InstanceMetadata", "EcsContainer", "Environment"}

func badSource(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		src, ok := p.keys["credential_source"]
		_, both := p.keys["source_profile"]
		switch {
		case ok && both:
			add(p.found("credential_source", fmt.Sprintf("The profile %q contains both source_profile and credential_source.", p.name), "keep one of them"))
		case ok && !slices.Contains(credentialSources, src.value):
			f := p.found("credential_source", fmt.Sprintf("The credential source %q referenced in profile %q is not valid.", src.value, p.name), "write one of "+strings.Join(credentialSources, ", "))
			for _, x := range credentialSources {
				if strings.EqualFold(x, src.value) {
					f.Cure = "write " + x
					f.Edit = &Edit{src.where.File, src.where.Start, src.where.End, x}
				}
			}
			add(f)
		case p.get("role_arn") != "" && !ok && !both && p.get("web_identity_token_file") == "":
			add(p.found("role_arn", fmt.Sprintf("profile %s has a role_arn and neither source_profile nor credential_source: nothing says whose credentials assume it", p.name), "add credential_source or source_profile"))
		}
	}
}

func keysShadowProfile(in *Input, add func(Finding)) {
	message := func(key setting, profile string) string {
		return fmt.Sprintf("AWS_ACCESS_KEY_ID (%s) shadows AWS_PROFILE=%s in every SDK but the one for JavaScript", short(key.value), profile)
	}
	in.services(func(s *service) {
		key, profile := s.env["AWS_ACCESS_KEY_ID"], s.env["AWS_PROFILE"]
		if key.name != "" && profile.value != "" {
			add(s.found(key.where, message(key, profile.value), "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
		}
	})
	for _, t := range in.facts.tasks {
		for _, c := range t.containers {
			key, ok := c.get("AWS_ACCESS_KEY_ID")
			profile, both := c.get("AWS_PROFILE")
			if ok && both {
				add(t.found(t.at(key.node), message(setting{value: key.value}, profile.value), "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
			}
		}
	}
}

// short is an access key id as people may see it: AKIA…4Q.
func short(id string) string {
	if len(id) < 16 || strings.Contains(id, "$") {
		return "set"
	}
	return id[:4] + "…" + id[len(id)-2:]
}

func noRegion(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		if p.get("role_arn") == "" || p.get("region") != "" {
			continue
		}
		// Regions are inherited from neither source_profile nor [default].
		add(p.found("role_arn", fmt.Sprintf("profile %s has no region: You must specify a region. You can also configure your region by running \"aws configure\".", p.name), "add region = … to it"))
	}
}

func oldSDKProfile(in *Input, add func(Finding)) {
	for _, f := range in.facts.profiles {
		for _, s := range f.sections {
			key, ok := s.get("role_arn")
			if !ok || s.profile == "" {
				continue
			}
			for _, g := range in.facts.programs {
				add(Finding{Where: key.where, Address: "profile " + s.profile,
					Message: fmt.Sprintf("%s uses %s %s, which reads role_arn only with AWS_SDK_LOAD_CONFIG=1", g.path, g.sdk, g.version),
					Cure:    "set AWS_SDK_LOAD_CONFIG=1 where the program runs, or upgrade the SDK"})
			}
		}
	}
}

// podIdentityHost is the address of EKS Pod Identity, which SDKs know since
// the end of 2023.
const podIdentityHost = "169.254.170.23"

func hostRefused(in *Input, add func(Finding)) {
	in.services(func(s *service) {
		uri := s.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
		if uri.value == "" || strings.Contains(uri.value, "$") {
			return
		}
		u, err := url.Parse(uri.value)
		if err != nil || u.Host == "" {
			add(s.found(uri.where, fmt.Sprintf("AWS_CONTAINER_CREDENTIALS_FULL_URI=%s is not an absolute URL", uri.value), "write http://169.254.170.2/…"))
			return
		}
		host := u.Hostname()
		switch {
		case u.Scheme == "https":
			return
		case allowedHost(host):
			if host != podIdentityHost && host != "fd00:ec2::23" {
				return
			}
			for _, g := range in.facts.programs {
				if g.sdk == sdkGo && older(g.version, "1.47.11") {
					add(s.found(uri.where, fmt.Sprintf("%s %s (%s) refuses %s, which it knows from 1.47.11 on", g.sdk, g.version, g.path, host), "upgrade the SDK, or use 169.254.170.2"))
				}
			}
		default:
			add(s.found(uri.where, fmt.Sprintf("Unsupported host '%s'. Can only retrieve metadata from a loopback address or one of these hosts: 169.254.170.2, 169.254.170.23, fd00:ec2::23, localhost", host),
				"let the endpoint have 169.254.170.2 in the service's network, share its network namespace, or serve HTTPS"))
		}
	})
}

func allowedHost(host string) bool {
	if host == "localhost" || host == "169.254.170.2" || host == podIdentityHost || host == "fd00:ec2::23" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func noSessionName(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		if p.get("role_arn") != "" && p.get("role_session_name") == "" {
			add(p.found("role_arn", fmt.Sprintf("profile %s has no role_session_name: CloudTrail will show botocore-session-1795319614 and the like", p.name), "add role_session_name = the name of the service"))
		}
	}
}

func sessionTooLong(in *Input, add func(Finding)) {
	for _, p := range in.facts.allProfiles() {
		seconds, err := strconv.Atoi(p.get("duration_seconds"))
		if err != nil || p.get("role_arn") == "" {
			continue
		}
		chained := ""
		if p.get("credential_source") == "EcsContainer" || p.get("credential_source") == "Ec2InstanceMetadata" {
			chained = "the credentials of " + p.get("credential_source") + " are those of a role"
		}
		for _, q := range in.facts.merged(p.first.file) {
			if q.name == p.get("source_profile") && q.name != p.name && q.get("role_arn") != "" {
				chained = "profile " + q.name + " is a role itself"
			}
		}
		in.tooLong(p.found("duration_seconds", "", ""), "profile "+p.name, p.get("role_arn"), seconds, chained, add)
	}
	in.loans(func(l loan) {
		if l.seconds == 0 {
			return
		}
		chained := ""
		if l.via {
			chained = "it is assumed through another role"
		}
		f := l.at("duration")
		f.Address = l.name
		in.tooLong(f, l.name, l.arn, l.seconds, chained, add)
	})
}

// tooLong checks a duration against the limit of role chaining and that of the
// role.
func (in *Input) tooLong(f Finding, who, arn string, seconds int, chained string, add func(Finding)) {
	if chained != "" && seconds > 3600 {
		f.Message = fmt.Sprintf("%s asks for %d s: max 3600 s on a chained hop whatever MaxSessionDuration says (%s)", who, seconds, chained)
		f.Cure = "ask for 3600 s, and renew; the first hop may be 12 h"
		add(f)
		return
	}
	r := in.facts.role(arn, "")
	if r == nil || r.resource == nil {
		return
	}
	most := 3600
	if s, known := str(r.resource.Values, "max_session_duration"); !known {
		return
	} else if n, err := strconv.Atoi(s); err == nil {
		most = n
	}
	if seconds > most {
		f.Message = fmt.Sprintf("%s asks for %d s, and MaxSessionDuration of %s is %d s", who, seconds, r.title(), most)
		f.Cure = fmt.Sprintf("ask for %d s, or set max_session_duration = %d", most, seconds)
		f.Related = []Related{{r.where, "the role"}}
		add(f)
	}
}

// sessionName is what STS accepts.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

var placeholder = regexp.MustCompile(`\{[a-z_.]+\}`)

func badSessionName(in *Input, add func(Finding)) {
	check := func(name string, f Finding) {
		if name == "" || sessionName.MatchString(name) {
			return
		}
		f.Message = fmt.Sprintf(`session name %q does not satisfy [\w+=,.@-]{2,64}`, name)
		f.Cure = "write " + sanitized(name)
		add(f)
	}
	for _, p := range in.facts.allProfiles() {
		f := p.found("role_session_name", "", "")
		name := p.get("role_session_name")
		if name != "" && !sessionName.MatchString(name) {
			at := p.keys["role_session_name"].where
			f.Edit = &Edit{at.File, at.Start, at.End, sanitized(name)}
		}
		check(name, f)
	}
	in.loans(func(l loan) {
		f := l.at("session_name")
		f.Address = l.name
		check(placeholder.ReplaceAllString(l.session, "xx"), f)
	})
}

var notInName = regexp.MustCompile(`[^\w+=,.@-]+`)

func sanitized(name string) string {
	name = notInName.ReplaceAllString(name, "-")
	if len(name) < 2 {
		name += "-1"
	}
	return name[:min(len(name), 64)]
}
