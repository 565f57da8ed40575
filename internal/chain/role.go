package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// profile is the chosen profile for SDKs that have one provider for all that it
// can say.
func (x *walker) profile() outcome {
	name := x.t.Profile
	p := x.p.Get(name)
	if p == nil {
		o := skipped("%s", x.missing(name))
		if x.t.Named {
			o.state = Failed
		}
		return o
	}
	switch x.sdk.profile {
	case goSDK:
		return x.goProfile(name, map[string]bool{})
	case jsSDK:
		return x.jsProfile(name, nil)
	case jsSDKv2:
		return x.js2Profile(name, nil)
	case javaSDK:
		return x.javaProfile(name, nil)
	}
	return skipped("")
}

// keysOf are the static keys of a profile.
func (x *walker) keysOf(source Source, name string, p map[string]string) outcome {
	if p == nil {
		return skipped("%s", x.missing(name))
	}
	shared := x.p.sharedKeys[name]
	id, secret := p["aws_access_key_id"], p["aws_secret_access_key"]
	switch {
	case source == SharedKeys && !shared:
		return skipped("profile %s has no aws_access_key_id in %s", name, x.p.Credentials.Path)
	case source == ConfigKeys && (shared || id == ""):
		return skipped("profile %s has no aws_access_key_id in %s", name, x.p.Config.Path)
	case id == "":
		return skipped("profile %s has no aws_access_key_id", name)
	case secret == "" && x.sdk.profile == botocore:
		method := "shared-credentials-file"
		if source == ConfigKeys {
			method = "config-file"
		}
		return fatal("profile %s has aws_access_key_id and no aws_secret_access_key", name).
			saying("Partial credentials found in %s, missing: aws_secret_access_key", method)
	case secret == "":
		return skipped("profile %s has aws_access_key_id and no aws_secret_access_key", name)
	}
	c := &Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: p["aws_session_token"]}
	if x.sdk.profile == botocore && p["aws_security_token"] != "" {
		c.SessionToken = p["aws_security_token"]
	}
	return outcome{state: Used, why: fmt.Sprintf("profile %s has keys", name), cred: c}
}

func hasKeys(p map[string]string) bool {
	return p["aws_access_key_id"] != "" && p["aws_secret_access_key"] != ""
}

// sso and login are sources that need a person: their tokens are in a cache of
// the AWS CLI, which mantle leaves alone.
func (x *walker) sso(name string, p map[string]string) outcome {
	if p["sso_session"] == "" && p["sso_start_url"] == "" && p["sso_account_id"] == "" {
		return skipped("profile %s names no sso_session", name)
	}
	return outcome{state: Unknown, why: fmt.Sprintf("profile %s would ask IAM Identity Center for role %s in account %s, with the token of aws sso login; mantle does not", name, p["sso_role_name"], p["sso_account_id"])}
}

func (x *walker) login(name string, p map[string]string) outcome {
	if p["login_session"] == "" {
		return skipped("profile %s names no login_session", name)
	}
	return outcome{state: Unknown, why: fmt.Sprintf("profile %s would use the session of aws login; mantle does not", name)}
}

// process runs the credential_process of a profile.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
func (x *walker) process(name string, p map[string]string) outcome {
	command := p["credential_process"]
	if command == "" {
		return skipped("profile %s has no credential_process", name)
	}
	out, err := x.w.Run(x.ctx, command, x.sdk.Shell)
	if errors.Is(err, ErrNotRun) {
		return outcome{state: Unknown, why: fmt.Sprintf("profile %s runs a credential_process, which belongs to another program and was not run", name)}
	}
	fail := func(format string, args ...any) outcome {
		o := x.failure("credential_process of profile %s: "+format, append([]any{name}, args...)...)
		switch x.sdk.profile {
		case botocore:
			return o.saying("Error when retrieving credentials from custom-process: "+format, args...)
		case jsSDK:
			o.state = Failed
		}
		return o
	}
	if err != nil {
		return fail("%v", err)
	}
	var k struct {
		Version                                   any
		AccessKeyID                               string `json:"AccessKeyId"`
		SecretAccessKey, SessionToken, Expiration string
	}
	if err := json.Unmarshal(out, &k); err != nil {
		return fail("its output is no JSON object")
	}
	if v, ok := k.Version.(float64); !ok || v != 1 {
		return fail("Version is not 1")
	}
	c := &Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}
	if !c.complete() {
		return fail("AccessKeyId or SecretAccessKey is missing")
	}
	if c.Expires, err = time.Parse(time.RFC3339, k.Expiration); err == nil && time.Until(c.Expires) < 0 && x.sdk.profile == jsSDK {
		return fail("it returned expired credentials")
	}
	return outcome{state: Used, why: fmt.Sprintf("profile %s runs a credential_process", name), cred: c}
}

// assume assumes the role of a profile.
func (x *walker) assume(name string, p map[string]string, with Credentials, from string) outcome {
	in := Assume{RoleARN: p["role_arn"], SessionName: x.sessionName(p["role_session_name"]), ExternalID: p["external_id"], MFASerial: p["mfa_serial"]}
	seconds, err := strconv.Atoi(p["duration_seconds"])
	switch {
	case p["duration_seconds"] == "" || err != nil:
		seconds = x.sdk.Duration
	case x.sdk.profile == goSDK && seconds < 16*60:
		seconds = x.sdk.Duration // shorter ones are not believed
	}
	in.Duration = time.Duration(seconds) * time.Second
	if in.MFASerial != "" {
		why := fmt.Sprintf("profile %s needs a code of the MFA device %s", name, in.MFASerial)
		switch x.sdk.profile {
		case goSDK:
			return fatal("%s", why).saying("assume role with MFA enabled, but AssumeRoleTokenProvider session option not set.")
		case jsSDK:
			return fatal("%s", why).saying("Profile %s requires multi-factor authentication, but no MFA code callback was provided.", name)
		case botocore:
			return outcome{state: Unknown, why: why + ", which a person is asked for"}
		}
		return x.failure("%s", why)
	}
	if in.RoleARN == "" {
		return x.failure("profile %s: Invalid length for parameter RoleArn, value: 0, valid min length: 20", name)
	}
	if o, ok := x.misled(in.RoleARN); ok {
		return o
	}
	c, err := x.w.AssumeRole(x.ctx, with, x.roles, in)
	if err != nil {
		return x.failure("%s, but %s", from, err).saying("An error occurred %s", err)
	}
	x.t.Hops = append(x.t.Hops, in)
	return outcome{state: Used, why: fmt.Sprintf("%s; with that %s is assumed", from, in.RoleARN), cred: &c}
}

// named asks the source that credential_source names. The spelling counts.
func (x *walker) named(source string) (outcome, bool) {
	switch source {
	case "Environment":
		return x.keysIn("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", x.sdk.TokenVars), true
	case "EcsContainer":
		return x.container(), true
	case "Ec2InstanceMetadata":
		return x.instance(x.p.Get(x.t.Profile)), true
	}
	return outcome{}, false
}

// sources are the values of credential_source.
var sources = [...]string{"EcsContainer", "Ec2InstanceMetadata", "Environment"}

func known(source string) bool { return slices.Contains(sources[:], source) }

// botoRole is botocore's provider of assumed roles.
func (x *walker) botoRole(name string, visited []string) outcome {
	p := x.p.Get(name)
	if _, ok := p["role_arn"]; !ok {
		return skipped("profile %s has no role_arn", name)
	}
	if _, ok := p["web_identity_token_file"]; ok {
		return skipped("profile %s has a web_identity_token_file", name)
	}
	from, source := p["source_profile"], p["credential_source"]
	switch {
	case from != "" && source != "":
		return fatal("profile %s has both source_profile and credential_source", name).
			saying(`The profile "%s" contains both source_profile and credential_source.`, name)
	case from == "" && source == "":
		return fatal("profile %s has role_arn and neither source_profile nor credential_source", name).
			saying("Partial credentials found in assume-role, missing: source_profile or credential_source")
	case source != "" && !known(source):
		return fatal("profile %s: there is no credential_source %q", name, source).
			saying(`The credential source "%s" referenced in profile "%s" is not valid.`, source, name)
	case source != "":
		o, _ := x.named(source)
		if o.state == Skipped || o.state == Failed {
			return fatal("profile %s takes its credentials from %s: %s", name, source, o.why).
				saying("Error when retrieving credentials from %s: No credentials found in credential_source referenced in profile %s", source, name)
		}
		if o.state != Used {
			return o
		}
		return x.assume(name, p, *o.cred, fmt.Sprintf("profile %s takes its credentials from %s", name, source))
	}
	q := x.p.Get(from)
	if q == nil {
		return fatal("profile %s: source_profile: %s", name, x.missing(from)).
			saying(`The source_profile "%s" referenced in the profile "%s" does not exist.`, from, name)
	}
	if slices.Contains(visited, from) && (from != name || !hasKeys(q)) {
		return fatal("profile %s comes back to itself by its source_profile", from).
			saying(`Infinite loop in credential configuration detected. Attempting to load from profile "%s" which has already been visited. Visited profiles: %s`, from, strings.Join(visited, ", "))
	}
	o := x.botoSource(from, q, append(visited, from))
	if o.state != Used {
		return o
	}
	return x.assume(name, p, *o.cred, fmt.Sprintf("profile %s takes its credentials from profile %s", name, from))
}

// botoSource is a source_profile: everything but the environment, container and
// instance.
func (x *walker) botoSource(name string, p map[string]string, visited []string) outcome {
	if p["role_arn"] != "" && p["web_identity_token_file"] == "" && !hasKeys(p) {
		return x.botoRole(name, visited)
	}
	if p["web_identity_token_file"] != "" {
		return x.exchange(p["web_identity_token_file"], p["role_arn"], p["role_session_name"])
	}
	for _, try := range []func() outcome{
		func() outcome { return x.sso(name, p) },
		func() outcome { return x.keysOf(SharedKeys, name, p) },
		func() outcome { return x.login(name, p) },
		func() outcome { return x.process(name, p) },
		func() outcome { return x.keysOf(ConfigKeys, name, p) },
	} {
		if o := try(); o.state != Skipped {
			return o
		}
	}
	return fatal("profile %s has no credentials", name).saying(`The source profile "%s" must have credentials.`, name)
}

// goProfile is a profile as aws-sdk-go-v2 reads it.
func (x *walker) goProfile(name string, visited map[string]bool) outcome {
	p := x.p.Get(name)
	if p == nil {
		return fatal("source_profile: %s", x.missing(name)).saying("failed to load assume role, source profile %s: failed to get shared config profile, %s", name, name)
	}
	top, again := len(visited) == 0, visited[name]
	if (p["aws_access_key_id"] == "") != (p["aws_secret_access_key"] == "") {
		return fatal("profile %s has half a key pair", name).saying("partial credentials found for profile %s", name)
	}
	role, from, source := p["role_arn"], p["source_profile"], p["credential_source"]
	if again {
		role, from, source = "", "", ""
	} else if role == "" && (from != "" || source != "") {
		return fatal("profile %s names a source and no role_arn", name).saying("credential type requires role_arn, profile %s", name)
	}
	if !top && hasKeys(p) {
		return x.keysOf(Profile, name, p)
	}
	if again {
		return fatal("profile %s comes back to itself by its source_profile and has no keys", name)
	}
	visited[name] = true
	n := 0
	for _, k := range []string{"source_profile", "credential_source", "credential_process", "web_identity_token_file"} {
		if p[k] != "" {
			n++
		}
	}
	if n > 1 {
		return fatal("profile %s has %s", name, strings.Join(x.kinds(p), " and ")).saying("only one credential type may be specified per profile: source profile, credential source, credential process, web identity token")
	}
	var o outcome
	why := ""
	switch {
	case from != "":
		o = x.goProfile(from, visited)
		why = fmt.Sprintf("profile %s takes its credentials from profile %s", name, from)
	case hasKeys(p):
		o = x.keysOf(Profile, name, p)
		why = o.why
	case source != "":
		var ok bool
		if o, ok = x.named(source); !ok {
			return fatal("profile %s: there is no credential_source %q", name, source).saying("credential_source values must be EcsContainer, Ec2InstanceMetadata, or Environment")
		}
		why = fmt.Sprintf("profile %s takes its credentials from %s", name, source)
		if o.state == Skipped || o.state == Failed {
			why := o.why
			o = fatal("profile %s takes its credentials from %s: %s", name, source, why)
			if source == "EcsContainer" && x.t.ContainerURL == "" {
				o = o.saying("EcsContainer was specified as the credential_source, but neither 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' or AWS_CONTAINER_CREDENTIALS_FULL_URI' was set")
			}
		}
	case p["web_identity_token_file"] != "":
		if role == "" {
			return fatal("profile %s has a web_identity_token_file and no role_arn", name).saying("credential type web_identity_token_file requires role_arn, profile %s", name)
		}
		return x.exchange(p["web_identity_token_file"], role, p["role_session_name"])
	default:
		for _, try := range []func() outcome{
			func() outcome { return x.sso(name, p) },
			func() outcome { return x.login(name, p) },
			func() outcome { return x.process(name, p) },
		} {
			if o = try(); o.state != Skipped {
				break
			}
		}
		why = o.why
		if o.state == Skipped && !top {
			return fatal("profile %s has no credentials", name).saying("failed to load assume role for %s, source profile %s has no shared credentials", role, name)
		}
		if o.state == Skipped {
			if x.pending = nil; role != "" {
				x.pending = p
			}
			return skipped("profile %s has no source of credentials", name)
		}
	}
	if o.state != Used || role == "" {
		return o
	}
	return x.assume(name, p, *o.cred, why)
}

// jsProfile is a profile as the SDK for JavaScript v3 reads it.
func (x *walker) jsProfile(name string, visited []string) outcome {
	p := x.p.Get(name)
	none := func(why string) outcome {
		return outcome{state: Failed, why: why, err: fmt.Sprintf("Could not resolve credentials using profile: [%s] in configuration/credentials file(s).", name)}
	}
	if p == nil {
		return none(x.missing(name))
	}
	if len(visited) > 0 && hasKeys(p) {
		return x.keysOf(Profile, name, p)
	}
	from, source := p["source_profile"], p["credential_source"]
	bare := len(visited) > 0 && p["role_arn"] == "" && source != ""
	switch {
	case bare || p["role_arn"] != "" && (from != "") != (source != ""):
		var o outcome
		why := ""
		if from != "" && !bare {
			if slices.Contains(visited, from) {
				return none(fmt.Sprintf("profile %s comes back to itself by its source_profile", from))
			}
			o = x.jsProfile(from, append(visited, from))
			why = fmt.Sprintf("profile %s takes its credentials from profile %s", name, from)
		} else {
			var ok bool
			if o, ok = x.named(source); !ok {
				return none(fmt.Sprintf("profile %s: there is no credential_source %q", name, source)).
					saying("Unsupported credential source in profile %s. Got %s, expected EcsContainer or Ec2InstanceMetadata or Environment.", name, source)
			}
			why = fmt.Sprintf("profile %s takes its credentials from %s", name, source)
		}
		switch {
		case o.state == Skipped:
			return outcome{state: Failed, why: why + ": " + o.why}
		case o.state != Used || bare:
			return o
		}
		return x.assume(name, p, *o.cred, why)
	case hasKeys(p):
		return x.keysOf(Profile, name, p)
	case p["web_identity_token_file"] != "" && p["role_arn"] != "":
		return x.exchange(p["web_identity_token_file"], p["role_arn"], p["role_session_name"])
	case p["credential_process"] != "":
		return x.process(name, p)
	}
	for _, o := range []outcome{x.sso(name, p), x.login(name, p)} {
		if o.state != Skipped {
			return o
		}
	}
	if kinds := x.kinds(p); len(kinds) > 0 {
		return none(fmt.Sprintf("profile %s has %s, which this SDK makes nothing of together", name, strings.Join(kinds, " and ")))
	}
	return none(fmt.Sprintf("profile %s has no source of credentials", name))
}

// js2Profile is a profile as the SDK for JavaScript v2 reads it.
func (x *walker) js2Profile(name string, visited []string) outcome {
	p := x.p.Get(name)
	switch {
	case len(p) == 0:
		return outcome{state: Failed, why: x.missing(name)}
	case p["role_arn"] == "" || len(visited) > 0 && hasKeys(p):
		return x.keysOf(Profile, name, p)
	case p["source_profile"] == "":
		return outcome{state: Failed, why: fmt.Sprintf("profile %s has role_arn and no source_profile; this SDK knows no credential_source", name)}
	case slices.Contains(visited, p["source_profile"]):
		return outcome{state: Failed, why: fmt.Sprintf("profile %s comes back to itself by its source_profile", name)}
	}
	from := p["source_profile"]
	o := x.js2Profile(from, append(visited, from))
	if o.state != Used {
		return o
	}
	return x.assume(name, p, *o.cred, fmt.Sprintf("profile %s takes its credentials from profile %s", name, from))
}

// javaProfile is a profile as the SDK for Java v2 reads it.
func (x *walker) javaProfile(name string, children []string) outcome {
	p := x.p.Get(name)
	fail := func(format string, args ...any) outcome {
		return outcome{state: Failed, why: fmt.Sprintf(format, args...)}
	}
	if p == nil {
		return fail("%s", x.missing(name))
	}
	from, source := p["source_profile"], p["credential_source"]
	if p["role_arn"] != "" && p["web_identity_token_file"] != "" {
		return x.exchange(p["web_identity_token_file"], p["role_arn"], p["role_session_name"])
	}
	if o := x.sso(name, p); o.state != Skipped {
		return o
	}
	switch {
	case p["role_arn"] != "" && from != "" && source != "":
		return fail("profile %s has both source_profile and credential_source", name)
	case p["role_arn"] != "" && from != "":
		if slices.Contains(children, name) {
			return fail("profile %s comes back to itself by its source_profile", name)
		}
		o := x.javaProfile(from, append(children, name))
		if o.state != Used {
			return o
		}
		return x.assume(name, p, *o.cred, fmt.Sprintf("profile %s takes its credentials from profile %s", name, from))
	case p["role_arn"] != "" && source != "":
		o, ok := x.named(source)
		switch {
		case !ok:
			return fail("profile %s: %q is not a valid credential_source", name, source)
		case o.state == Skipped:
			return fail("profile %s takes its credentials from %s: %s", name, source, o.why)
		case o.state != Used:
			return o
		}
		return x.assume(name, p, *o.cred, fmt.Sprintf("profile %s takes its credentials from %s", name, source))
	case p["credential_process"] != "":
		return x.process(name, p)
	}
	return x.keysOf(Profile, name, p)
}
