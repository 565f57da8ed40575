package chain

import "slices"

// Source is a place where credentials come from.
type Source string

// The sources of the chains.
const (
	Environment  Source = "environment"            // AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
	AmazonVars   Source = "environment (AMAZON_)"  // the same with AMAZON_, SDK for JavaScript v2
	Properties   Source = "system properties"      // -Daws.accessKeyId, Java
	WebIdentity  Source = "web identity"           // AWS_WEB_IDENTITY_TOKEN_FILE, or the profile's
	Profile      Source = "profile"                // everything that a profile can say, by one provider
	AssumeRole   Source = "profile: role"          // role_arn with a source
	SSO          Source = "profile: sso"           // sso_session, sso_start_url
	SharedKeys   Source = "credentials file: keys" // aws_access_key_id in the credentials file
	Login        Source = "profile: login"         // login_session
	Process      Source = "profile: process"       // credential_process
	ConfigKeys   Source = "config file: keys"      // aws_access_key_id in the config file
	Container    Source = "container"              // AWS_CONTAINER_CREDENTIALS_*
	InstanceRole Source = "instance"               // IMDS
)

// SDK is a chain of credential sources with the rules that one SDK has for it.
type SDK struct {
	Name  string // for --sdk
	Title string

	Order []Source

	// ProfileVars and RegionVars are the variables that choose, first first.
	ProfileVars, RegionVars []string

	// ProfileWins: a profile named in the environment makes the SDK pass over
	// keys in the environment.
	ProfileWins bool

	// NoProfileFatal: a profile that is named in the environment and does not
	// exist ends the search, before any source is asked.
	NoProfileFatal bool

	// RegionNeeded: without a region no call is made.
	RegionNeeded bool

	// NoRegion is what the SDK says then.
	NoRegion string

	// EndpointEnough: with an endpoint of its own for STS the SDK goes on
	// without a region. RegionIMDS: it asks instance metadata for one.
	EndpointEnough, RegionIMDS bool

	// NoneFound is what it says if no source had any.
	NoneFound string

	// FailureFatal: a container endpoint or a profile that fails ends the
	// search.
	FailureFatal bool

	// RolesAtAWS: roles are assumed at AWS's own endpoint, even if
	// AWS_ENDPOINT_URL leads elsewhere.
	RolesAtAWS bool

	// TokenVars hold the session token, first first.
	TokenVars []string

	// KeyVars and SecretVars are other names for the keys.
	KeyVars, SecretVars []string

	// Config says whether the config file is read. An SDK with LoadConfig reads
	// it only if AWS_SDK_LOAD_CONFIG is set.
	LoadConfig bool

	// InlineComments: " #" and " ;" end a value.
	InlineComments bool

	// Strict: a line that is neither section nor key, or a section that is
	// there twice, makes the whole file an error.
	Strict bool

	// EmptySet: an empty AWS_CONTAINER_CREDENTIALS_RELATIVE_URI counts as set.
	EmptySet bool

	// Hosts is the rule for AWS_CONTAINER_CREDENTIALS_FULL_URI over http.
	Hosts HostRule

	// SessionName and Duration are sent to STS if the profile has none, and
	// Shell runs credential_process.
	SessionName string
	Duration    int // seconds, 0: not sent
	Shell       bool

	// DisabledBy reads AWS_EC2_METADATA_DISABLED.
	DisabledBy func(value string) bool

	// PodIdentity is the first release that knows the EKS Pod Identity agent.
	PodIdentity string

	profile profileRules
}

// profileRules is how a profile is read by an SDK.
type profileRules uint8

const (
	botocore profileRules = iota
	goSDK
	jsSDK
	jsSDKv2
	javaSDK
)

// HostRule says which hosts of AWS_CONTAINER_CREDENTIALS_FULL_URI an SDK asks
// over plain http. https may go anywhere.
type HostRule struct {
	Resolve bool     // names are resolved, and each address has to be allowed
	Names   []string // allowed as they are
	Only    bool     // Names are all there is: no loopback addresses besides
}

// SDKs are the chains that are known, in the order in which they are listed.
// Sources: botocore 1.43.11 (credentials.py, session.py); aws-sdk-go-v2 config
// 1.33 (resolve_credentials.go, shared_config.go); @aws-sdk/credential-provider-node
// 3.97x; aws-sdk (JavaScript) 2.1693; aws-sdk-java-v2 ProfileCredentialsUtils and
// DefaultCredentialsProvider; the terraform provider's aws-sdk-go-base v2.
func SDKs() []*SDK {
	onlyTrue := func(v string) bool { return len(v) == 4 && equalFold(v, "true") }
	boto := []Source{Environment, AssumeRole, WebIdentity, SSO, SharedKeys, Login, Process, ConfigKeys, Container, InstanceRole}
	python := &SDK{
		Name: "python", Title: "botocore: boto3 and AWS CLI v1", Order: boto,
		ProfileVars: []string{"AWS_DEFAULT_PROFILE", "AWS_PROFILE"}, RegionVars: []string{"AWS_DEFAULT_REGION"},
		NoProfileFatal: true, RegionNeeded: true, NoRegion: `You must specify a region. You can also configure your region by running "aws configure".`,
		NoneFound: `Unable to locate credentials. You can configure credentials by running "aws configure".`, FailureFatal: true,
		TokenVars: []string{"AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"}, Strict: true, EmptySet: true,
		Hosts: HostRule{Names: []string{"localhost"}}, SessionName: "botocore-session-<time>", DisabledBy: onlyTrue,
		PodIdentity: "1.34.41", profile: botocore,
	}
	cli := *python
	cli.Name, cli.Title = "cli", "AWS CLI v2"
	cli.RegionVars = []string{"AWS_REGION", "AWS_DEFAULT_REGION"}
	cli.PodIdentity, cli.RegionIMDS = "2.15.0", true
	golang := &SDK{
		Name: "go", Title: "AWS SDK for Go v2", Order: []Source{Environment, WebIdentity, Profile, Container, InstanceRole},
		ProfileVars: []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}, RegionVars: []string{"AWS_REGION", "AWS_DEFAULT_REGION"},
		NoProfileFatal: true, NoneFound: "failed to refresh cached credentials, no EC2 IMDS role found", FailureFatal: true,
		RegionNeeded: true, EndpointEnough: true, NoRegion: "Invalid Configuration: Missing Region", RolesAtAWS: true,
		TokenVars: []string{"AWS_SESSION_TOKEN"}, KeyVars: []string{"AWS_ACCESS_KEY"}, SecretVars: []string{"AWS_SECRET_KEY"},
		InlineComments: true, Hosts: HostRule{Resolve: true},
		SessionName: "aws-go-sdk-<time>", Duration: 900, Shell: true, DisabledBy: onlyTrue, PodIdentity: "release-2023-11-14", profile: goSDK,
	}
	terraform := *golang
	terraform.Name, terraform.Title = "terraform", "Terraform's AWS provider, without arguments in its provider block"
	terraform.EndpointEnough, terraform.NoRegion = false, "invalid AWS Region: "
	terraform.NoneFound = "No valid credential sources found"
	js := &SDK{
		Name: "js", Title: "AWS SDK for JavaScript v3", Order: []Source{Environment, Profile, Process, WebIdentity, Container, InstanceRole},
		ProfileVars: []string{"AWS_PROFILE"}, RegionVars: []string{"AWS_REGION"}, ProfileWins: true,
		RegionNeeded: true, NoRegion: "Region is missing", NoneFound: "Could not load credentials from any providers",
		TokenVars: []string{"AWS_SESSION_TOKEN"}, InlineComments: true, Hosts: HostRule{Names: []string{"localhost"}},
		SessionName: "aws-sdk-js-<time>", Duration: 3600, Shell: true,
		DisabledBy:  func(v string) bool { return v != "" && v != "false" },
		PodIdentity: "3.458.0", profile: jsSDK,
	}
	js2 := &SDK{
		Name: "js-v2", Title: "AWS SDK for JavaScript v2", Order: []Source{Environment, AmazonVars, SSO, Profile, Container, Process, WebIdentity, InstanceRole},
		ProfileVars: []string{"AWS_PROFILE"}, RegionVars: []string{"AWS_REGION", "AMAZON_REGION"},
		RegionNeeded: true, NoRegion: "Missing region in config", NoneFound: "Missing credentials in config, if using AWS_CONFIG_FILE, set AWS_SDK_LOAD_CONFIG=1",
		TokenVars: []string{"AWS_SESSION_TOKEN"}, LoadConfig: true, InlineComments: true, RolesAtAWS: true,
		Hosts:       HostRule{Names: []string{"localhost", "127.0.0.1", "169.254.170.23"}, Only: true},
		SessionName: "aws-sdk-js-<time>", Shell: true, DisabledBy: func(v string) bool { return v != "" },
		PodIdentity: "2.1550.0", profile: jsSDKv2,
	}
	java := &SDK{
		Name: "java", Title: "AWS SDK for Java v2", Order: []Source{Properties, Environment, WebIdentity, Profile, Container, InstanceRole},
		ProfileVars: []string{"AWS_PROFILE"}, RegionVars: []string{"AWS_REGION"},
		RegionNeeded: true, RegionIMDS: true, NoRegion: "Unable to load region from any of the providers in the chain",
		NoneFound: "Unable to load credentials from any of the providers in the chain",
		TokenVars: []string{"AWS_SESSION_TOKEN"}, InlineComments: true, Hosts: HostRule{Resolve: true},
		SessionName: "aws-sdk-java-<time>", Duration: 3600, Shell: true, DisabledBy: onlyTrue, PodIdentity: "2.21.30", profile: javaSDK,
	}
	return []*SDK{&cli, python, golang, js, js2, java, &terraform}
}

// ByName finds a chain; nil if there is none of that name.
func ByName(name string) *SDK {
	all := SDKs()
	i := slices.IndexFunc(all, func(s *SDK) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// Names are those that ByName knows.
func Names() []string {
	var out []string
	for _, s := range SDKs() {
		out = append(out, s.Name)
	}
	return out
}
