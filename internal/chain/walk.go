package chain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// outcome is how asking a source ended.
type outcome struct {
	state State
	why   string       // in mantle's words
	err   string       // in the SDK's, for Fatal; "" for why
	cred  *Credentials // for Used
}

func skipped(format string, args ...any) outcome {
	return outcome{state: Skipped, why: fmt.Sprintf(format, args...)}
}

func fatal(format string, args ...any) outcome {
	return outcome{state: Fatal, why: fmt.Sprintf(format, args...)}
}

// saying gives an outcome the SDK's words.
func (o outcome) saying(format string, args ...any) outcome {
	o.err = fmt.Sprintf(format, args...)
	return o
}

// walker is one walk.
type walker struct {
	ctx context.Context
	w   World
	s   *Surroundings
	sdk *SDK
	p   *Profiles
	t   *Trace

	roles Endpoint // where roles are assumed

	// pending is a role that is assumed with whatever a later source has: Go
	// reads container and instance as parts of the profile.
	pending map[string]string
}

// Walk asks the sources of the SDK in its order until one has credentials. It
// returns when ctx ends, with what is known by then.
func Walk(ctx context.Context, w World, s *Surroundings, sdk *SDK) *Trace {
	t := &Trace{SDK: sdk, Profile: "default"}
	for _, name := range sdk.ProfileVars {
		if v := s.get(name); v != "" {
			t.Profile, t.Named = v, true
			break
		}
	}
	t.Profiles = ReadProfiles(w, s, sdk)
	x := &walker{ctx: ctx, w: w, s: s, sdk: sdk, p: t.Profiles, t: t}
	t.ContainerURL, _ = x.containerURL()
	x.place()
	stop := x.before()
	early := stop // an error that comes before anybody asks for a region
	for _, source := range sdk.Order {
		if stop {
			t.Steps = append(t.Steps, Step{Source: source, State: NotAsked, Why: x.standing(source)})
			continue
		}
		o := x.ask(source)
		if o.state == Used && x.pending != nil && (source == Container || source == InstanceRole) {
			o = x.assume(x.t.Profile, x.pending, *o.cred, o.why)
		}
		step := Step{Source: source, State: o.state, Why: o.why}
		if o.cred != nil {
			step.Key = Shown(o.cred.AccessKeyID)
			t.Credentials, t.Source = o.cred, source
		}
		t.Steps = append(t.Steps, step)
		switch o.state {
		case Used:
			stop = true
		case Unknown:
			t.Undecided, stop = o.why, true
		case Fatal:
			if t.Err = o.err; t.Err == "" {
				t.Err = o.why
			}
			stop = true
		}
	}
	if t.Credentials == nil && t.Err == "" && t.Undecided == "" {
		t.Err = sdk.NoneFound
	}
	x.place() // instance metadata may know the region
	if t.Region == "" && sdk.RegionNeeded && !early && (!sdk.EndpointEnough || t.Endpoint.URL == "") {
		t.Blocked = sdk.NoRegion
	}
	return t
}

// before is what an SDK refuses before it asks anybody.
func (x *walker) before() (stop bool) {
	if b := x.p.broken(); b != "" {
		x.t.Err = b
		x.t.Steps = append(x.t.Steps, Step{Source: Profile, State: Fatal, Why: b})
		return true
	}
	if !x.t.Named || !x.sdk.NoProfileFatal || x.p.Get(x.t.Profile) != nil {
		return false
	}
	if x.t.Err = fmt.Sprintf("The config profile (%s) could not be found", x.t.Profile); x.sdk.profile == goSDK {
		x.t.Err = "failed to get shared config profile, " + x.t.Profile
	}
	x.t.Steps = append(x.t.Steps, Step{Source: Profile, State: Fatal, Why: x.missing(x.t.Profile)})
	return true
}

// missing says why there is no such profile.
func (x *walker) missing(name string) string {
	for _, i := range x.p.Invisible {
		if i.Name == name {
			return fmt.Sprintf("profile %s does not exist: section [%s] of %s is invisible, it has to be [%s] there", name, i.Section, i.Path, i.Want)
		}
	}
	var why []string
	for _, f := range []*File{&x.p.Config, &x.p.Credentials} {
		switch {
		case f.Config && x.p.ConfigIgnored:
			why = append(why, f.Path+" is not read: AWS_SDK_LOAD_CONFIG is not set")
		case f.Err != nil:
			why = append(why, f.why())
		default:
			why = append(why, f.Path+" has no such section")
		}
	}
	return fmt.Sprintf("profile %s does not exist: %s", name, strings.Join(why, ", "))
}

// place finds the region and the endpoint of STS.
func (x *walker) place() {
	t := x.t
	profile := x.p.Get(t.Profile)
	if t.Region == "" {
		for _, name := range x.sdk.RegionVars {
			if v := x.s.get(name); v != "" {
				t.Region, t.From = v, name
				break
			}
		}
	}
	if v := profile["region"]; t.Region == "" && v != "" && (x.sdk.profile != jsSDKv2 || !x.p.ConfigIgnored) {
		t.Region, t.From = v, "profile "+t.Profile
	}
	t.Endpoint = Endpoint{x.endpoint(profile), t.Region}
	x.roles = t.Endpoint
	if x.sdk.RolesAtAWS {
		// The client that assumes roles is made before the setting for all
		// services counts (Go), or knows no settings at all (JavaScript v2).
		x.roles.URL = ""
		if x.sdk.profile == goSDK && t.Endpoint.URL != "" && (x.s.get("AWS_ENDPOINT_URL_STS") != "" || x.s.get("AWS_ENDPOINT_URL") == "" && x.p.services[profile["services"]]["sts.endpoint_url"] != "") {
			x.roles.URL = t.Endpoint.URL
		}
	}
}

// endpoint is where STS is, "" for AWS's own. The SDK for JavaScript v2 knows
// none of the settings; its programs are taken to read them themselves.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
func (x *walker) endpoint(profile map[string]string) string {
	if equalFold(x.s.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") || equalFold(profile["ignore_configured_endpoint_urls"], "true") {
		return ""
	}
	for _, v := range []string{
		x.s.get("AWS_ENDPOINT_URL_STS"), x.s.get("AWS_ENDPOINT_URL"),
		x.p.services[profile["services"]]["sts.endpoint_url"], profile["endpoint_url"],
	} {
		if v != "" {
			return v
		}
	}
	return ""
}

// standing is what can be said of a source that is not asked any more.
func (x *walker) standing(source Source) string {
	by := "an error ends the search before"
	if x.t.Credentials != nil {
		by = string(x.t.Source) + " comes first"
	} else if x.t.Undecided != "" {
		by = "the source above would be used"
	}
	has := ""
	profile := x.p.Get(x.t.Profile)
	switch source {
	case Environment:
		if x.s.get("AWS_ACCESS_KEY_ID") != "" {
			has = "AWS_ACCESS_KEY_ID (" + Shown(x.s.get("AWS_ACCESS_KEY_ID")) + ") is set"
		}
	case WebIdentity:
		if x.s.get("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
			has = "AWS_WEB_IDENTITY_TOKEN_FILE is set"
		}
	case Profile:
		if profile != nil && len(x.kinds(profile)) > 0 {
			has = fmt.Sprintf("profile %s has %s", x.t.Profile, strings.Join(x.kinds(profile), ", "))
		}
	case AssumeRole:
		if profile["role_arn"] != "" {
			has = fmt.Sprintf("profile %s has role_arn", x.t.Profile)
		}
	case SharedKeys:
		if x.p.sharedKeys[x.t.Profile] {
			has = fmt.Sprintf("profile %s has keys", x.t.Profile)
		}
	case ConfigKeys:
		if profile["aws_access_key_id"] != "" && !x.p.sharedKeys[x.t.Profile] {
			has = fmt.Sprintf("profile %s has keys", x.t.Profile)
		}
	case Process:
		if profile["credential_process"] != "" {
			has = fmt.Sprintf("profile %s has credential_process", x.t.Profile)
		}
	case Container:
		if x.t.ContainerURL != "" {
			has = "the environment names " + hidden(x.t.ContainerURL)
		}
	}
	if has == "" {
		return by
	}
	return has + ", but " + by
}

// kinds are the sources of credentials that a profile names.
func (x *walker) kinds(p map[string]string) (out []string) {
	for _, k := range []string{"aws_access_key_id", "role_arn", "source_profile", "credential_source", "web_identity_token_file", "sso_session", "sso_start_url", "login_session", "credential_process"} {
		if p[k] != "" {
			out = append(out, k)
		}
	}
	return out
}

// ask asks one source.
func (x *walker) ask(source Source) outcome {
	profile := x.p.Get(x.t.Profile)
	switch source {
	case Properties:
		return skipped("-Daws.accessKeyId is on the Java program's command line, which mantle does not see; taken as not set")
	case Environment:
		return x.environment()
	case AmazonVars:
		return x.keysIn("AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", []string{"AMAZON_SESSION_TOKEN"})
	case WebIdentity:
		return x.webIdentity(profile)
	case Profile:
		return x.profile()
	case AssumeRole:
		return x.botoRole(x.t.Profile, []string{x.t.Profile})
	case SSO:
		return x.sso(x.t.Profile, profile)
	case SharedKeys, ConfigKeys:
		return x.keysOf(source, x.t.Profile, profile)
	case Login:
		return x.login(x.t.Profile, profile)
	case Process:
		return x.process(x.t.Profile, profile)
	case Container:
		return x.container()
	case InstanceRole:
		return x.instance(profile)
	}
	return skipped("not known")
}

// environment is the keys in the environment.
func (x *walker) environment() outcome {
	if x.sdk.ProfileWins && x.t.Named {
		if id := x.s.get("AWS_ACCESS_KEY_ID"); id != "" {
			return skipped("AWS_ACCESS_KEY_ID (%s) is set, but so is AWS_PROFILE, which this SDK prefers", Shown(id))
		}
		return skipped("AWS_PROFILE is set, which this SDK prefers")
	}
	return x.keysIn("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", x.sdk.TokenVars)
}

func (x *walker) keysIn(idVar, secretVar string, tokens []string) outcome {
	first := func(names ...string) (name, value string) {
		for _, n := range names {
			if v := x.s.get(n); v != "" {
				return n, v
			}
		}
		return names[0], ""
	}
	_, id := first(append([]string{idVar}, x.sdk.KeyVars...)...)
	_, secret := first(append([]string{secretVar}, x.sdk.SecretVars...)...)
	switch {
	case id == "":
		return skipped("%s is not set", idVar)
	case secret == "" && x.sdk.profile == botocore:
		return fatal("%s is set and %s is not", idVar, secretVar).saying("Partial credentials found in env, missing: %s", secretVar)
	case secret == "":
		return skipped("%s is set and %s is not", idVar, secretVar)
	}
	_, token := first(tokens...)
	c := &Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
	if at, err := time.Parse(time.RFC3339, x.s.get("AWS_CREDENTIAL_EXPIRATION")); err == nil {
		c.Expires = at
	}
	if x.sdk.profile == botocore && !c.Expires.IsZero() && time.Until(c.Expires) < 0 {
		// It takes the environment for something that renews itself.
		return fatal("%s is set, and AWS_CREDENTIAL_EXPIRATION has passed", idVar).saying("Credentials were refreshed, but the refreshed credentials are still expired.")
	}
	why := idVar + " is set"
	if token == "" && strings.HasPrefix(id, "ASIA") {
		why += "; it belongs to a session and no session token is set, so AWS will refuse it"
	}
	return outcome{state: Used, why: why, cred: c}
}

// webIdentity is the token that the environment names, or the profile where the
// SDK looks there.
func (x *walker) webIdentity(profile map[string]string) outcome {
	file, role, name := x.s.get("AWS_WEB_IDENTITY_TOKEN_FILE"), x.s.get("AWS_ROLE_ARN"), x.s.get("AWS_ROLE_SESSION_NAME")
	if x.sdk.profile == botocore || x.sdk.profile == jsSDKv2 {
		or := func(a, k string) string {
			if a != "" {
				return a
			}
			return profile[k]
		}
		file, role, name = or(file, "web_identity_token_file"), or(role, "role_arn"), or(name, "role_session_name")
	}
	switch {
	case file == "":
		return skipped("AWS_WEB_IDENTITY_TOKEN_FILE is not set")
	case role == "" && x.sdk.profile == botocore:
		return fatal("a token file is named and AWS_ROLE_ARN is not set").saying("The provided profile or the current environment is configured to assume role with web identity but has no role ARN configured. Ensure that the profile has the role_arnconfiguration set or the AWS_ROLE_ARN env var is set.")
	case role == "" && x.sdk.profile == goSDK:
		return fatal("a token file is named and AWS_ROLE_ARN is not set").saying("role ARN is not set")
	case role == "":
		return skipped("AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not")
	}
	return x.exchange(file, role, name)
}

// exchange gives the token in a file to STS.
func (x *walker) exchange(file, role, name string) outcome {
	token, err := x.w.ReadFile(file)
	if err != nil {
		return x.failure("token file %s: %s", file, plainly(err))
	}
	if o, ok := x.misled(role); ok {
		return o
	}
	in := Assume{RoleARN: role, SessionName: x.sessionName(name)}
	c, err := x.w.AssumeRoleWithWebIdentity(x.ctx, x.roles, in, string(token))
	if err != nil {
		return x.failure("An error occurred when calling the AssumeRoleWithWebIdentity operation: %v", err)
	}
	x.t.Hops = append(x.t.Hops, in)
	return outcome{state: Used, why: fmt.Sprintf("the token in %s is exchanged for %s", file, role), cred: &c}
}

// misled is the failure of an SDK that asks AWS itself for a role, although the
// environment leads to a service on this host. It is not tried: whose keys these
// are only that service knows.
func (x *walker) misled(role string) (outcome, bool) {
	if x.roles.URL != "" || x.t.Endpoint.URL == "" {
		return outcome{}, false
	}
	u, err := url.Parse(x.t.Endpoint.URL)
	if err != nil || !loopback(u.Hostname()) {
		return outcome{}, false
	}
	return x.failure("for %s this SDK asks AWS itself and not %s: it heeds AWS_ENDPOINT_URL_STS at most, not AWS_ENDPOINT_URL", role, u.Host), true
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// failure ends the search with an error, or not, as the SDK is.
func (x *walker) failure(format string, args ...any) outcome {
	o := fatal(format, args...)
	if x.sdk.profile == javaSDK || x.sdk.profile == jsSDKv2 {
		o.state = Failed
	}
	return o
}

// sessionName is the profile's, or what the SDK makes up.
func (x *walker) sessionName(name string) string {
	if name != "" {
		return name
	}
	return strings.Replace(x.sdk.SessionName, "<time>", fmt.Sprint(time.Now().Unix()), 1)
}

// plainly is why a file was not read, without the name that stands before it.
func plainly(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read"
	}
	return err.Error()
}
