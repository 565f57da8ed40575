package ask

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// A Diagnosis is what the text of an error says.
type Diagnosis struct {
	// Kind is what happened: "denied", "task-role", "credentials", "clock",
	// "profile", "principal", "conflict", "exists", "chaining", "oidc", …
	Kind string `json:"kind"`

	// Rule is the rule of mantle check that finds it beforehand, "" if none does.
	Rule string `json:"rule,omitempty"`

	// Cause is what is wrong, in a sentence or two, and Cure what to do, in order.
	Cause string   `json:"cause"`
	Cure  []string `json:"cure,omitempty"`

	// Principal, Action and Resource are of a denial; Layer is the layer that the
	// text names, and Explicit says that it was a deny.
	Principal string    `json:"principal,omitempty"`
	Action    string    `json:"action,omitempty"`
	Resource  string    `json:"resource,omitempty"`
	Layer     iam.Layer `json:"layer,omitempty"`
	Explicit  bool      `json:"explicit,omitempty"`

	Role    string `json:"role,omitempty"`    // that the error is about, by name or ARN
	Encoded string `json:"encoded,omitempty"` // an encoded authorization failure message
	Address string `json:"address,omitempty"` // of the Terraform resource that the error is about
}

var (
	// frames is what terraform draws around errors, and how terminals break lines.
	frames     = regexp.MustCompile(`[\s│╷╵|]+`)
	denial     = regexp.MustCompile(`(?:User: )?(\S+) is not authorized to perform: ?([A-Za-z0-9-]+:[A-Za-z0-9*]+)`)
	onResource = regexp.MustCompile(`^ on (?:the )?resource: ?"?([^\s"]+)"?`)
	encodedMsg = regexp.MustCompile(`[Ee]ncoded authorization failure message:? *(-?[A-Za-z0-9_-]{20,})`)
	withTF     = regexp.MustCompile(`with ((?:module\.[A-Za-z0-9_.\[\]"-]+\.)?aws_[a-z0-9_]+\.[A-Za-z0-9_-]+(?:\[[^\]]+\])?)`)
)

// layers are the words of AWS for them, in "Troubleshoot access denied error
// messages" of the IAM User Guide.
var layerWords = []struct {
	words string
	layer iam.Layer
}{
	{"identity-based policy", iam.LayerIdentity}, {"resource-based policy", iam.LayerResource}, {"role trust policy", iam.LayerTrust},
	{"permissions boundary", iam.LayerBoundary}, {"session policy", iam.LayerSession}, {"service control policy", iam.LayerSCP},
	{"resource control policy", iam.LayerRCP}, {"VPC endpoint policy", iam.LayerEndpoint},
}

// ReadError reads the text of an error as AWS, its clients or Terraform print it.
// It reports false if the text says nothing that it knows.
func ReadError(text string) (*Diagnosis, bool) {
	text = strings.TrimSpace(frames.ReplaceAllString(text, " "))
	d := readError(text)
	if d == nil {
		return nil, false
	}
	if m := withTF.FindStringSubmatch(text); m != nil {
		for i := range d.Cure {
			if d.Address != "" {
				d.Cure[i] = strings.ReplaceAll(d.Cure[i], d.Address, m[1])
			}
		}
		d.Address = m[1]
	}
	return d, true
}

func readError(text string) *Diagnosis {
	if m := denial.FindStringSubmatchIndex(text); m != nil {
		return readDenial(text, m)
	}
	for _, k := range knownErrors {
		if m := k.match.FindStringSubmatch(text); m != nil {
			return k.read(m)
		}
	}
	if m := encodedMsg.FindStringSubmatch(text); m != nil {
		return &Diagnosis{Kind: "denied", Encoded: m[1], Cause: "a policy denied it; who asked for what is in the encoded message"}
	}
	for _, words := range []string{"AccessDenied", "Access Denied", "UnauthorizedOperation", "not authorized"} {
		if strings.Contains(text, words) {
			return &Diagnosis{Kind: "denied", Cause: "a policy denied it, and the message does not say who asked for what",
				Cure: []string{"ask with mantle explain PRINCIPAL ACTION RESOURCE"}}
		}
	}
	return nil
}

func readDenial(text string, m []int) *Diagnosis {
	d := &Diagnosis{Kind: "denied", Principal: strings.Trim(text[m[2]:m[3]], `"'`), Action: text[m[4]:m[5]], Resource: "*"}
	rest := text[m[1]:]
	if r := onResource.FindStringSubmatch(rest); r != nil {
		d.Resource = strings.TrimRight(r[1], `".,;`)
	}
	if e := encodedMsg.FindStringSubmatch(text); e != nil {
		d.Encoded = e[1]
	}
	d.Explicit = strings.Contains(rest, "explicit deny")
	for _, l := range layerWords {
		if strings.Contains(rest, l.words) {
			d.Layer = l.layer
			break
		}
	}
	switch {
	case d.Explicit && d.Layer != iam.LayerNone:
		d.Cause = fmt.Sprintf("a statement of the %s denies it", layerName(d.Layer))
	case d.Explicit:
		d.Cause = "a statement denies it"
	case d.Layer != iam.LayerNone:
		d.Cause = fmt.Sprintf("no %s allows it", layerName(d.Layer))
	default:
		d.Cause = "the message does not say which side refused"
	}
	if strings.EqualFold(d.Action, "iam:PassRole") {
		d.Rule = "P204"
		d.Cause += "; handing a role to a service needs iam:PassRole on that role"
	}
	return d
}

func layerName(l iam.Layer) string {
	for _, w := range layerWords {
		if w.layer == l {
			return w.words
		}
	}
	return l.String()
}

// knownErrors are texts and what they mean. The first that fits counts.
var knownErrors = []struct {
	match *regexp.Regexp
	read  func(m []string) *Diagnosis
}{
	{regexp.MustCompile(`ECS was unable to assume the role '?([^' ]+)'?`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "task-role", Rule: "T104", Role: m[1], Cause: "one text for five causes: the role is missing, its trust policy names another service, task role and execution role are swapped, whoever starts the task may not pass the role, or the role is too new"}
	}},
	{regexp.MustCompile(`Not authorized to perform sts:AssumeRoleWith(WebIdentity|SAML)`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "oidc", Rule: "K801", Action: "sts:AssumeRoleWith" + m[1], Cause: "the role's trust policy does not take this token: its provider, or a condition on its claims (sub, aud) differs",
			Cure: []string{"compare them: mantle explain oidc --token TOKEN --role ROLE"}}
	}},
	{regexp.MustCompile(`Invalid principal in policy: "?([A-Za-z]+)"?:"([^"]+)"`), func(m []string) *Diagnosis {
		d := principalDiagnosis(m[1], m[2])
		return &d
	}},
	{regexp.MustCompile(`Invalid principal in policy`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "principal", Rule: "T101", Cause: "a principal of the policy does not exist, or is misspelt",
			Cure: []string{"check every ARN of the policy: six fields, an account of 12 digits, no wildcard", "a role that was just made takes some seconds to be known: apply again"}}
	}},
	{regexp.MustCompile(`1 hour session limit for roles assumed by role chaining`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "chaining", Rule: "S601", Cause: "a role that is assumed with a role's credentials lasts 3600 seconds at most, whatever its MaxSessionDuration says",
			Cure: []string{"ask for 3600 seconds or less and renew: mantle run does", "remove duration_seconds from the profile"}}
	}},
	{regexp.MustCompile(`DurationSeconds exceeds the MaxSessionDuration`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "duration", Rule: "S601", Cause: "the session is to last longer than the role allows",
			Cure: []string{"ask for less, or raise it: aws iam update-role --role-name ROLE --max-session-duration SECONDS"}}
	}},
	{regexp.MustCompile(`'roleSessionName' failed to satisfy constraint|\[\\w\+=,\.@-\]`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "session-name", Rule: "S603", Cause: `a session name has 2 to 64 letters, digits and _+=,.@- , and nothing else`, Cure: []string{"leave out slashes and spaces"}}
	}},
	{regexp.MustCompile(`Signature (?:expired|not yet current)|RequestTimeTooSkewed|RequestExpired`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "clock", Rule: "R901", Cause: "the clock of this machine is off by more than AWS allows (5 minutes, of S3 15)",
			Cure: []string{"set it: chronyc makestep, or restart the virtual machine of Docker", "see mantle doctor"}}
	}},
	{regexp.MustCompile(`SignatureDoesNotMatch|signature we calculated does not match`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "signature", Rule: "R901", Cause: "the secret key is not that of the key id, the clock is off, or something between changed the request",
			Cure: []string{"compare the clock with a server's", "look at the keys for a character that was lost when they were copied", "leave out proxies that change headers or paths"}}
	}},
	{regexp.MustCompile(`ExpiredToken|token included in the request is expired|security token.{0,20}expired`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "expired", Rule: "S602", Cause: "the session's time is over; the role itself may be fine",
			Cure: []string{"have credentials renewed instead of exported: mantle run --role ROLE -- COMMAND", "unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN that an earlier session left behind"}}
	}},
	{regexp.MustCompile(`InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|security token included in the request is invalid|AuthFailure`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "credentials", Cause: "AWS does not know the key: it was deleted or deactivated, is of another partition or of a sandbox, or is a session's and came without its token",
			Cure: []string{"see who you are: mantle whoami", "set AWS_SESSION_TOKEN beside a key that begins with ASIA", "check that AWS_ENDPOINT_URL leads where the key is from"}}
	}},
	{regexp.MustCompile(`config profile \(([^)]*)\) could not be found`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "profile", Rule: "C501", Cause: fmt.Sprintf("this process finds no profile %q: the file is not in its home folder, or the section has the wrong form", m[1]),
			Cure: []string{"look for the file below the HOME of the user that the process runs as", fmt.Sprintf("in a file named config the section is [profile %s], in one named credentials [%s]", m[1], m[1]), "or name the file: AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE"}}
	}},
	{regexp.MustCompile(`No credentials found in credential_source referenced in profile (\S+)`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "profile", Rule: "C503", Cause: "the profile takes its credentials from the container, and the container has none: the task has no task role",
			Cure: []string{"give the task definition a taskRoleArn", "outside of ECS use mantle run --role ROLE, which serves the same endpoint"}}
	}},
	{regexp.MustCompile(`credential source "([^"]*)" referenced in profile "?([^" ]*)"? is not valid`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "profile", Rule: "C504", Cause: fmt.Sprintf("credential_source %q does not exist; upper and lower case count", m[1]),
			Cure: []string{"write EcsContainer, Ec2InstanceMetadata or Environment"}}
	}},
	{regexp.MustCompile(`contains both source_profile and credential_source`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "profile", Rule: "C504", Cause: "a profile takes its credentials from one place", Cure: []string{"remove source_profile or credential_source"}}
	}},
	{regexp.MustCompile(`You must specify a region|Missing Region in config|NoRegionError|region.{0,10}not (?:set|configured)`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "region", Rule: "C506", Cause: "no region is set; a profile that assumes a role does not take that of its source", Cure: []string{"write region = … into the profile, or set AWS_REGION"}}
	}},
	{regexp.MustCompile(`Unsupported host '?([^'. ]+(?:\.[^'. ]+)*)'?`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "endpoint", Rule: "C508", Cause: fmt.Sprintf("SDKs take container credentials over plain HTTP from loopback, 169.254.170.2, 169.254.170.23 and fd00:ec2::23 only, not from %s", m[1]),
			Cure: []string{"serve them at one of these: mantle run, or mantle agent in the same network namespace"}}
	}},
	{regexp.MustCompile(`[Uu]nable to locate credentials|NoCredentialProviders|[Nn]o valid credential sources|no EC2 IMDS role found|Could not load credentials from any providers|Failed to load credentials`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "no-credentials", Cause: "no place that the SDK looks at has credentials; the last one tried is the one that is named, not the one that was meant",
			Cure: []string{"see every place and why it was skipped: mantle whoami --chain", "on EC2 in a container: a token cannot pass a hop limit of 1"}}
	}},
	{regexp.MustCompile(`(?:\(([A-Za-z0-9+=,.@_-]+)\):.*)?DeleteConflict.*must (remove roles from instance profile|detach all policies|delete policies|delete login profile|delete access keys|remove users from group)[^.]*first`), func(m []string) *Diagnosis {
		return conflict(m[1], m[2])
	}},
	{regexp.MustCompile(`DeleteConflict`), func([]string) *Diagnosis { return conflict("", "remove roles from instance profile") }},
	{regexp.MustCompile(`(Role|User|Group|Policy|Instance Profile)(?: with name| called)? ([A-Za-z0-9+=,.@_-]+) already exists`), func(m []string) *Diagnosis { return exists(m[1], m[2]) }},
	{regexp.MustCompile(`EntityAlreadyExists`), func([]string) *Diagnosis { return exists("Role", "NAME") }},
	{regexp.MustCompile(`Invalid IAM Instance Profile (?:name|ARN)|Value \(([^)]*)\) for parameter iamInstanceProfile`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "instance-profile", Rule: "I301", Role: m[1], Cause: "there is no instance profile of this name; a role is not one, though the console makes one of the same name with it",
			Cure: []string{"name the profile: aws iam list-instance-profiles-for-role --role-name ROLE", "a profile that was just made takes some seconds to be known: apply again"}}
	}},
	{regexp.MustCompile(`cannot be assumed by (?:Lambda|AWS|principal '([^']*)')|role defined for the function cannot be assumed`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "trust", Rule: "T104", Cause: "the role's trust policy does not name the service, or the role is too new to be known everywhere",
			Cure: []string{"see its trust policy: mantle explain role ROLE", "apply again after some seconds"}}
	}},
	{regexp.MustCompile(`Cannot exceed quota for ACLSizePerRole: (\d+)`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "quota", Rule: "T117", Cause: "the trust policy has more than " + m[1] + " characters, white space not counted",
			Cure: []string{"bring principals together in one statement", "name the account and add ArnLike aws:PrincipalArn", "ask for a higher quota (Role trust policy length)"}}
	}},
	{regexp.MustCompile(`TargetNotConnectedException`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "ecs-exec", Rule: "E405", Cause: "ECS Exec does not reach the task: its role lacks the four ssmmessages actions, keys in its environment shadow the role, or it was started before Exec was enabled",
			Cure: []string{"allow ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel to the task role", "start the task anew"}}
	}},
	{regexp.MustCompile(`ResourceInitializationError`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "execution-role", Rule: "E404", Cause: "ECS could not fetch what the container needs to start: the execution role (not the task role) lacks a permission on the secret, image or log group, or there is no way there",
			Cure: []string{"see what the execution role may do: mantle explain task NAME"}}
	}},
	{regexp.MustCompile(`ecs-tasks\.amazonaws\.com.{0,80}specify a value for 'executionRoleArn'|specify a value for 'executionRoleArn'`), func([]string) *Diagnosis {
		return &Diagnosis{Kind: "execution-role", Rule: "E402", Cause: "secrets, private images and logs are fetched by ECS itself, with the execution role", Cure: []string{"give the task definition an executionRoleArn"}}
	}},
	{regexp.MustCompile(`(?:role|user) with name ([A-Za-z0-9+=,.@_-]+) cannot be found`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "missing", Role: m[1], Cause: m[1] + " does not exist in this account, or not yet", Cure: []string{"see which account you are in: mantle whoami"}}
	}},
	{regexp.MustCompile(`MalformedPolicyDocument:? ?(.*)`), func(m []string) *Diagnosis {
		return &Diagnosis{Kind: "policy", Cause: "AWS does not take the policy: " + strings.TrimSpace(m[1]), Cure: []string{"mantle check names the line"}}
	}},
}

// principalDiagnosis says what is wrong with a principal of a policy.
func principalDiagnosis(kind, value string) Diagnosis {
	d := Diagnosis{Kind: "principal", Rule: "T101", Resource: value}
	arn, err := iam.ParseARN(value)
	fields := strings.Split(value, ":")
	switch {
	case kind == "Service":
		d.Rule = "T105"
		d.Cause = fmt.Sprintf("there is no service %q", value)
		d.Cure = []string{"for tasks write ecs-tasks.amazonaws.com, for instances ec2.amazonaws.com"}
	case strings.ContainsAny(value, "*?") && value != "*":
		d.Rule = "T102"
		d.Cause = fmt.Sprintf("%q: a principal has no wildcards", value)
		d.Cure = []string{`name the account's :root, and add "Condition": {"ArnLike": {"aws:PrincipalArn": "` + value + `"}}`}
	case strings.HasPrefix(value, "AROA") || strings.HasPrefix(value, "AIDA"):
		d.Rule = "T115"
		d.Cause = value + " is the id of a role or user that was deleted"
		d.Cure = []string{"write the ARN of the one that is there now and store the policy again"}
	case err != nil:
		d.Cause = fmt.Sprintf("%q is no ARN: it takes six fields, arn:aws:iam::ACCOUNT:role/NAME", value)
		d.Cure = []string{"write the whole ARN"}
	case arn.Service != "iam" && arn.Service != "sts":
		d.Cause = fmt.Sprintf("%q: field 3, the service, is %q where iam belongs", value, arn.Service)
		if fixed := fixColons(fields); fixed != "" {
			d.Cause += ": one colon too many or too few"
			d.Cure = []string{"write " + fixed}
		}
	case len(arn.Account) != 12:
		d.Cause = fmt.Sprintf("%q: field 5, the account, is %q where 12 digits belong", value, arn.Account)
		d.Cure = []string{"write the account's id"}
	case strings.HasPrefix(arn.Resource, "role/aws-reserved/") || strings.Contains(arn.Resource, "AWSReservedSSO_"):
		d.Rule = "T121"
		d.Cause = "a role of IAM Identity Center has the path aws-reserved/sso.amazonaws.com/ with a region, and an end that changes"
		d.Cure = []string{`name the account's :root, and add "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::` + arn.Account + `:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_NAME_*"}`}
	default:
		d.Cause = fmt.Sprintf("%s does not exist, is written without its path, or is too new to be known", value)
		d.Cure = []string{"see that it is there: aws iam get-role --role-name " + lastSegment(arn.Resource), "if it was just made, apply again after some seconds"}
	}
	return d
}

// fixColons is an IAM ARN with the colons where they belong, or "".
func fixColons(fields []string) string {
	var rest []string
	for _, f := range fields {
		if f != "" && f != "arn" && f != "iam" && !strings.HasPrefix(f, "aws") {
			rest = append(rest, f)
		}
	}
	if len(rest) != 2 || len(rest[0]) != 12 {
		return ""
	}
	return "arn:aws:iam::" + rest[0] + ":" + rest[1]
}

// conflict is DeleteConflict: something still hangs on what is to go.
func conflict(name, what string) *Diagnosis {
	d := &Diagnosis{Kind: "conflict", Role: name, Cause: "IAM deletes nothing that something still hangs on, and Terraform knows only what it made itself"}
	if name == "" {
		name = "NAME"
	}
	switch what {
	case "remove roles from instance profile":
		d.Cure = []string{
			"aws iam list-instance-profiles-for-role --role-name " + name + " --query 'InstanceProfiles[].InstanceProfileName' --output text",
			"aws iam remove-role-from-instance-profile --role-name " + name + " --instance-profile-name PROFILE",
			"aws iam delete-role --role-name " + name + "    # or terraform destroy again"}
	case "detach all policies":
		d.Cure = []string{
			"aws iam list-attached-role-policies --role-name " + name + " --query 'AttachedPolicies[].PolicyArn' --output text",
			"aws iam detach-role-policy --role-name " + name + " --policy-arn ARN    # for each; force_detach_policies = true does it in Terraform",
			"aws iam delete-role --role-name " + name + "    # or terraform destroy again"}
	case "delete policies":
		d.Cure = []string{
			"aws iam list-role-policies --role-name " + name + " --query PolicyNames --output text",
			"aws iam delete-role-policy --role-name " + name + " --policy-name POLICY    # for each",
			"aws iam delete-role --role-name " + name + "    # or terraform destroy again"}
	default:
		d.Cure = []string{"it must " + what + " first; then delete again"}
	}
	return d
}

// exists is EntityAlreadyExists: Terraform is to make what is there.
func exists(kind, name string) *Diagnosis {
	d := &Diagnosis{Kind: "exists", Role: name, Cause: fmt.Sprintf("%s %s is there already, and Terraform's state does not know it: made by hand, by another state, or left by a destroy that failed", strings.ToLower(kind), name)}
	typ, del := "aws_iam_role", "delete-role --role-name"
	switch kind {
	case "User":
		typ, del = "aws_iam_user", "delete-user --user-name"
	case "Group":
		typ, del = "aws_iam_group", "delete-group --group-name"
	case "Policy":
		typ, del = "aws_iam_policy", "delete-policy --policy-arn"
	case "Instance Profile":
		typ, del = "aws_iam_instance_profile", "delete-instance-profile --instance-profile-name"
	}
	d.Address = typ + ".NAME"
	d.Cure = []string{
		"import {\n  to = " + d.Address + "\n  id = \"" + name + "\"\n}    # take it over: add this block and apply",
		"aws iam " + del + " " + name + "    # or delete it, if nobody uses it",
	}
	return d
}

// Settle fills in what the text of an error leaves open from the estate: the
// real address, and what hangs on a role.
func (a *Asker) Settle(d *Diagnosis) {
	if d.Kind != "conflict" || d.Role == "" {
		return
	}
	p, err := a.roleNamed(d.Role)
	if err != nil {
		return
	}
	var lines []string
	for _, x := range p.role.Profiles {
		lines = append(lines, "aws iam remove-role-from-instance-profile --role-name "+p.name+" --instance-profile-name "+x.Name)
	}
	for _, arn := range p.role.Attached {
		lines = append(lines, "aws iam detach-role-policy --role-name "+p.name+" --policy-arn "+arn)
	}
	for _, in := range p.role.Inline {
		lines = append(lines, "aws iam delete-role-policy --role-name "+p.name+" --policy-name "+in.Name)
	}
	if len(lines) > 0 {
		d.Cure = append(lines, "aws iam delete-role --role-name "+p.name+"    # or terraform destroy again")
	}
}
