package config

import (
	"slices"
	"strings"
)

// shadowing are the variables that make an SDK use other credentials than
// those of the endpoint, and what to do instead.
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
var shadowing = [...]string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

// ours are the variables that mantle itself sets for a workload.
var ours = [...]string{
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT",
}

// environment reads the variables of a command. A variable that would win over
// the role is refused, for the program would then run as somebody else without
// a word; values of such lines are never shown.
func (d *decoder) environment(v value) map[string]string {
	out := map[string]string{}
	for _, p := range d.dict(v) {
		out[p.key] = p.value.text
		upper := strings.ToUpper(p.key)
		switch {
		case !envRE.MatchString(p.key):
			d.add(p.keyAt, "", "%s is no name for an environment variable", quote(p.key))
		case strings.ContainsRune(p.value.text, 0):
			d.add(p.value.at, "", "env[%s] has a NUL character, which no variable can hold", quote(p.key))
		case slices.Contains(shadowing[:], upper):
			d.addSecret(p.keyAt, "remove it: mantle hands the workload its role's credentials", "env sets %s, which SDKs prefer to the role", p.key)
		case slices.Contains(ours[:], upper):
			d.addSecret(p.keyAt, "remove it", "env sets %s, which mantle sets itself", p.key)
		case accessKeyRE.MatchString(p.value.text):
			d.addSecret(p.value.at, "remove it: mantle hands the workload its role's credentials", "env[%s] holds an access key id", quote(p.key))
		}
	}
	return out
}
