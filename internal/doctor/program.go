package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/internal/chain"
)

// Program is what is known of a program.
type Program struct {
	Surroundings *chain.Surroundings
	Trace        *chain.Trace

	// Look reads its files with more rights than it has; nil: they are not
	// looked at.
	Look func(path string) ([]byte, error)

	// Identity is what STS said of the credentials that the trace ended with,
	// and Now when. The identity's ARN is empty if STS refused.
	Identity chain.Identity
	Now      time.Time

	// Container: it runs in one, whose network is not the host's. Metadata is
	// the status of a request for a token of instance metadata from there, 0 if
	// none came or it was not asked.
	Container bool
	Metadata  int

	SDKs []SDK
}

// SDK is an AWS SDK that was found with the program.
type SDK struct{ Name, Version, Where string }

// String is its name and version.
func (s SDK) String() string { return s.Name + " " + s.Version }

// Examine applies the rules to a program.
func Examine(p *Program) (out []Check) {
	for _, rule := range []func(*Program) []Check{
		noSuchProfile, invisible, containerSource, oneSource, shadowed, taskRole, noRegion, unread, refusedHost, tooOld,
		hiddenURI, hopLimit, hostRole, longSession, clock, sessionName,
	} {
		out = append(out, rule(p)...)
	}
	return Sorted(out)
}

func (p *Program) get(name string) string { return p.Surroundings.Environ[name] }

// profileVar is the variable that chose the profile.
func (p *Program) profileVar() string {
	for _, v := range p.Trace.SDK.ProfileVars {
		if p.get(v) != "" {
			return v
		}
	}
	return ""
}

func (p *Program) profile() map[string]string { return p.Trace.Profiles.Get(p.Trace.Profile) }

// noSuchProfile: the profile is named and not there for this user.
func noSuchProfile(p *Program) []Check {
	t := p.Trace
	if !t.Named || p.profile() != nil || t.Profiles.Ignored(t.Profile) {
		return nil
	}
	for _, i := range t.Profiles.Invisible {
		if i.Name == t.Profile {
			return nil // C502 says it better
		}
	}
	c := Check{ID: "C501", Severity: Error, What: fmt.Sprintf("%s names profile %s, which does not exist for this program", p.profileVar(), t.Profile)}
	home := "without HOME"
	if p.Surroundings.Home != "" {
		home = "HOME=" + p.Surroundings.Home
	}
	for _, f := range []chain.File{t.Profiles.Config, t.Profiles.Credentials} {
		c.What += fmt.Sprintf("; %s %s", f.Path, state(f))
	}
	if found := p.elsewhere(); found != "" {
		c.What += fmt.Sprintf("; the section is in %s, but the program runs as %s with %s", found, p.Surroundings.User, home)
		variable := "AWS_SHARED_CREDENTIALS_FILE"
		if strings.HasSuffix(found, "/config") {
			variable = "AWS_CONFIG_FILE"
		}
		c.Cure = fmt.Sprintf("mount or copy the file to %s, or set %s=%s and let user %s read it", p.Surroundings.Home+"/.aws/", variable, found, p.Surroundings.User)
		return []Check{c}
	}
	names := t.Profiles.Names()
	if len(names) > 0 {
		c.Cure = "there are " + strings.Join(names, ", ") + "; "
	}
	c.Cure += fmt.Sprintf("write section [%s] into %s, or unset %s", t.Profile, t.Profiles.Credentials.Path, p.profileVar())
	return []Check{c}
}

func state(f chain.File) string {
	if f.Err == nil {
		return "has no such section"
	}
	return "was not read (" + strings.TrimPrefix(errText(f.Err), "open "+f.Path+": ") + ")"
}

func errText(err error) string { return err.Error() }

// elsewhere finds the profile in the homes of other users.
func (p *Program) elsewhere() string {
	if p.Look == nil {
		return ""
	}
	homes := []string{"/root"}
	if data, err := p.Look("/etc/passwd"); err == nil {
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			if f := strings.Split(lines.Text(), ":"); len(f) == 7 && f[5] != "/" && !slices.Contains(homes, f[5]) {
				homes = append(homes, f[5])
			}
		}
	}
	for _, home := range homes {
		if home == p.Surroundings.Home {
			continue
		}
		for _, f := range []struct{ file, section string }{{"credentials", p.Trace.Profile}, {"config", "profile " + p.Trace.Profile}} {
			at := home + "/.aws/" + f.file
			if data, err := p.Look(at); err == nil && bytes.Contains(append([]byte("\n"), data...), []byte("\n["+f.section+"]")) {
				return at
			}
		}
	}
	return ""
}

// invisible: a section is named as it would have to be in the other file.
func invisible(p *Program) (out []Check) {
	for _, i := range p.Trace.Profiles.Invisible {
		c := Check{
			ID: "C502", Severity: Warning, What: fmt.Sprintf("section [%s] of %s is invisible: there a profile is [%s]", i.Section, i.Path, i.Want),
			Cure: fmt.Sprintf("write [%s] instead of [%s]", i.Want, i.Section),
		}
		if i.Name == p.Trace.Profile && p.profile() == nil {
			c.Severity = Error
			if p.Trace.Named {
				c.What += fmt.Sprintf(", so profile %s of %s does not exist", i.Name, p.profileVar())
			}
		}
		out = append(out, c)
	}
	return out
}

// chained are the profiles that the chosen one leads to, itself first.
func (p *Program) chained() (names []string) {
	for name := p.Trace.Profile; name != "" && !slices.Contains(names, name); {
		at := p.Trace.Profiles.Get(name)
		if at == nil {
			break
		}
		names = append(names, name)
		name = at["source_profile"]
	}
	return names
}

// containerSource: the container endpoint is a profile's source and there is
// none.
func containerSource(p *Program) (out []Check) {
	if p.Trace.ContainerURL != "" {
		return nil
	}
	for _, name := range p.chained() {
		if p.Trace.Profiles.Get(name)["credential_source"] == "EcsContainer" {
			out = append(out, Check{
				ID: "C503", Severity: Error, What: fmt.Sprintf("profile %s takes its credentials from EcsContainer, and the environment names no container endpoint", name),
				Cure: "give the task definition a taskRoleArn, or the program an endpoint of mantle's; on an instance the source is Ec2InstanceMetadata",
			})
		}
	}
	return out
}

// oneSource: a role needs exactly one source, and it has to be spelt right.
func oneSource(p *Program) (out []Check) {
	for _, name := range p.chained() {
		at := p.Trace.Profiles.Get(name)
		from, source := at["source_profile"], at["credential_source"]
		c := Check{ID: "C504", Severity: Error}
		switch {
		case at["role_arn"] == "" || at["web_identity_token_file"] != "":
			continue
		case from != "" && source != "":
			c.What = fmt.Sprintf("profile %s has both source_profile and credential_source", name)
			c.Cure = "keep one of them"
		case source != "" && !slices.Contains([]string{"EcsContainer", "Ec2InstanceMetadata", "Environment"}, source):
			c.What = fmt.Sprintf("profile %s: there is no credential_source %q", name, source)
			c.Cure = "write EcsContainer, Ec2InstanceMetadata or Environment, in this spelling"
			for _, right := range []string{"EcsContainer", "Ec2InstanceMetadata", "Environment"} {
				if strings.EqualFold(right, source) {
					c.Cure = "write " + right + ": capitals count"
				}
			}
		case from == "" && source == "" && at["aws_access_key_id"] == "":
			c.What = fmt.Sprintf("profile %s has role_arn and neither source_profile nor credential_source", name)
			c.Cure = "say whose credentials assume the role: credential_source = EcsContainer, Ec2InstanceMetadata or Environment, or a source_profile"
		default:
			continue
		}
		out = append(out, c)
	}
	return out
}

// shadowed: keys in the environment and a profile are there, and one hides the
// other.
func shadowed(p *Program) []Check {
	t := p.Trace
	id := p.get("AWS_ACCESS_KEY_ID")
	if id == "" || !t.Named {
		return nil
	}
	you := ""
	if p.Identity.ARN != "" {
		you = "; you are " + p.Identity.ARN
	}
	if t.Source == chain.Environment {
		return []Check{{
			ID: "C505", Severity: Warning, What: fmt.Sprintf("AWS_ACCESS_KEY_ID (%s) shadows %s=%s%s", chain.Shown(id), p.profileVar(), t.Profile, you),
			Cure: "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN, or " + p.profileVar(),
		}}
	}
	if t.SDK.ProfileWins {
		return []Check{{
			ID: "C505", Severity: Warning, What: fmt.Sprintf("%s=%s shadows AWS_ACCESS_KEY_ID (%s) with this SDK; with most others it is the other way round%s", p.profileVar(), t.Profile, chain.Shown(id), you),
			Cure: "unset one of them, so that all programs are the same principal",
		}}
	}
	return nil
}

// taskRole: the environment keeps the program from its task's role.
func taskRole(p *Program) []Check {
	t := p.Trace
	if t.ContainerURL == "" {
		return nil
	}
	why := ""
	switch {
	case t.Source == chain.Environment:
		why = fmt.Sprintf("AWS_ACCESS_KEY_ID (%s) is in its environment", chain.Shown(p.get("AWS_ACCESS_KEY_ID")))
	case t.Named && t.Credentials != nil && t.Source != chain.Container:
		for _, name := range p.chained() {
			if p.Trace.Profiles.Get(name)["credential_source"] == "EcsContainer" {
				return nil // the profile is there to use it
			}
		}
		why = fmt.Sprintf("%s=%s is in its environment", p.profileVar(), t.Profile)
	default:
		return nil
	}
	return []Check{{
		ID: "E406", Severity: Error, What: "the role of the container is never used: " + why,
		Cure: "take the variables out of the image and the task definition",
	}}
}

func noRegion(p *Program) []Check {
	if p.Trace.Blocked == "" {
		return nil
	}
	c := Check{ID: "C506", Severity: Warning, What: "no region is set: " + p.Trace.Blocked}
	c.Cure = "set " + strings.Join(p.Trace.SDK.RegionVars, " or ")
	if p.profile() != nil {
		c.Cure = fmt.Sprintf("write region = … into profile %s, or set %s", p.Trace.Profile, strings.Join(p.Trace.SDK.RegionVars, " or "))
	}
	for _, other := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if p.get(other) != "" {
			c.What += fmt.Sprintf(" (%s is set, but this SDK does not read it)", other)
		}
	}
	return []Check{c}
}

// unread: the config file is not read by an SDK that wants to be told to.
func unread(p *Program) (out []Check) {
	ps := p.Trace.Profiles
	if !ps.ConfigIgnored || ps.Config.Err != nil {
		return nil
	}
	c := Check{
		ID: "C507", Severity: Info, What: fmt.Sprintf("this SDK does not read %s, since AWS_SDK_LOAD_CONFIG is not set", ps.Config.Path),
		Cure: "set AWS_SDK_LOAD_CONFIG=1, or move to the current major version of the SDK",
	}
	if ps.Ignored(p.Trace.Profile) {
		c.Severity = Warning
		c.What += ", and profile " + p.Trace.Profile + " is there"
	}
	return []Check{c}
}

func refusedHost(p *Program) []Check {
	if !p.Trace.HostRefused {
		return nil
	}
	host := p.Trace.ContainerURL
	if u, err := url.Parse(host); err == nil {
		host = u.Hostname()
	}
	return []Check{{
		ID: "C508", Severity: Error, What: fmt.Sprintf("AWS_CONTAINER_CREDENTIALS_FULL_URI leads to %s, which %s does not ask over plain http", host, p.Trace.SDK.Title),
		Cure: "serve it at 127.0.0.1 in the program's own network, at 169.254.170.2, or over https",
	}}
}

// podIdentity is the first release of each SDK that asks the EKS Pod Identity
// agent.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html
var podIdentity = [...]struct{ name, version string }{
	{"aws-sdk-go", "1.47.11"}, {"botocore", "1.34.41"}, {"aws-sdk-js", "2.1550.0"}, {"aws-sdk-js-v3", "3.458.0"},
}

// tooOld: an SDK that was found is older than what it is asked to do.
func tooOld(p *Program) (out []Check) {
	u, err := url.Parse(p.Trace.ContainerURL)
	if err != nil || u.Scheme != "http" {
		return nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil || a.String() != "169.254.170.23" && a.String() != "fd00:ec2::23" {
		return nil
	}
	for _, s := range p.SDKs {
		for _, min := range podIdentity {
			if s.Name == min.name && older(s.Version, min.version) {
				out = append(out, Check{
					ID: "C508", Severity: Error, What: fmt.Sprintf("%s (%s) is older than %s and refuses %s", s, s.Where, min.version, u.Hostname()),
					Cure: fmt.Sprintf("update it to %s or later", min.version),
				})
			}
		}
	}
	return out
}

// older compares dotted numbers.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX != nil || errY != nil {
			return false
		}
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

// hiddenURI: the container's first process has an endpoint that this one has
// lost.
func hiddenURI(p *Program) []Check {
	if p.Trace.ContainerURL != "" || p.Look == nil {
		return nil
	}
	data, err := p.Look("/proc/1/environ")
	if err != nil {
		return nil
	}
	for kv := range bytes.SplitSeq(data, []byte{0}) {
		name, _, _ := strings.Cut(string(kv), "=")
		if name == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" || name == "AWS_CONTAINER_CREDENTIALS_FULL_URI" {
			return []Check{{
				ID: "E409", Severity: Info, What: fmt.Sprintf("the container's first process has %s, and this program has not: su, ssh, cron and env -i lose it", name),
				Cure: "hand it on: export $(tr '\\0' '\\n' </proc/1/environ | grep ^AWS_CONTAINER_)",
			}}
		}
	}
	return nil
}

// hopLimit: instance metadata is there, and its answer to the PUT is not.
func hopLimit(p *Program) []Check {
	m := p.Trace.Metadata
	if m == nil || m.TokenErr == nil || m.V1 == 0 {
		return nil
	}
	c := Check{ID: "I304", Severity: Warning, What: fmt.Sprintf("%s answers a GET without a token with %d, and no answer to the PUT for one arrives: the hop limit is 1, and this program is behind a bridge", m.URL, m.V1)}
	c.Cure = "prefer a role of the program's own, by an agent at 169.254.170.2; or set http_put_response_hop_limit = 2, which shows the host's role to every container"
	return []Check{c}
}

// hostRole: a container reaches the host's metadata, or even wears its role.
func hostRole(p *Program) []Check {
	t := p.Trace
	if !p.Container {
		return nil
	}
	const cure = "block it (ECS_AWSVPC_BLOCK_IMDS=true, a rule in DOCKER-USER, or the agent's rules: mantle agent rules), "
	switch {
	case t.Source == chain.InstanceRole && t.ContainerURL == "":
		return []Check{{ID: "I307", Severity: Warning, What: "the container has no role of its own and wears that of its host" + with(p.Identity.ARN), Cure: cure + "and give the task a role"}}
	case p.Metadata == 200:
		return []Check{{ID: "I307", Severity: Warning, What: "the container reaches instance metadata, and with it the role of its host", Cure: cure + "or set the hop limit to 1"}}
	}
	return nil
}

func with(arn string) string {
	if arn == "" {
		return ""
	}
	return ": " + arn
}

// longSession: STS gives chained roles an hour.
func longSession(p *Program) []Check {
	if !strings.Contains(p.Trace.Err, "1 hour session limit") {
		return nil
	}
	return []Check{{
		ID: "S601", Severity: Error, What: "duration_seconds is more than 3600, and a role that a role assumes gets an hour at most, whatever its maximum is",
		Cure: "write duration_seconds = 3600 or leave it out; SDKs renew by themselves",
	}}
}

// skew is how far a clock may be off: AWS refuses signatures that are older
// than five minutes.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
const skew = 5 * time.Minute

func clock(p *Program) []Check {
	if p.Identity.Date.IsZero() {
		return nil
	}
	off := p.Now.Sub(p.Identity.Date)
	if off.Abs() < skew {
		return nil
	}
	word := "ahead"
	if off < 0 {
		word = "behind"
	}
	return []Check{{
		ID: "R901", Severity: Error, What: fmt.Sprintf("the clock is %s %s; AWS allows %s", off.Abs().Round(time.Second), word, skew),
		Cure: "set it by NTP (chronyc makestep, timedatectl set-ntp true); in a virtual machine of Docker or WSL restart that, or hwclock -s",
	}}
}

// sessionName: CloudTrail would like to know who it was.
func sessionName(p *Program) (out []Check) {
	if len(p.Trace.Hops) == 0 || p.Trace.Source == chain.WebIdentity {
		return nil
	}
	for _, name := range p.chained() {
		at := p.Trace.Profiles.Get(name)
		if at["role_arn"] != "" && at["role_session_name"] == "" {
			out = append(out, Check{
				ID: "C509", Severity: Info, What: fmt.Sprintf("profile %s has no role_session_name: CloudTrail shows %s", name, p.Trace.SDK.SessionName),
				Cure: "write role_session_name = the service's name",
			})
		}
	}
	return out
}
