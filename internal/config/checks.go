package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/iam"
)

var (
	nameRE    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	accountRE = regexp.MustCompile(`^[0-9]{12}$`)
	regionRE  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+){1,2}-[0-9]{1,2}$`)
	envRE     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

	// Role names and paths: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	roleRE = regexp.MustCompile(`^role/([!-~]*/)?[A-Za-z0-9_+=,.@-]{1,64}$`)

	// Parameters of AssumeRole: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	sessionRE  = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]*$`)
	externalRE = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]*$`)
	tagRE      = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
	accessKeyRE = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z2-7]{16}\b`)
)

// partitions are those of https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
var partitions = [...]string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}

// arn checks the parts that the ARN of every IAM entity has.
func (d *decoder) arn(what string, it item, account func(string) bool) (iam.ARN, bool) {
	arn, err := iam.ParseARN(it.text)
	const shape = "as in arn:aws:iam::111122223333:role/name"
	switch {
	case err != nil:
		d.add(it.at, shape, "%s is no ARN: %s", what, quote(it.text))
	case arn.Partition == "aws" && arn.Service == "" && strings.HasPrefix(it.text, "arn:aws::iam:"):
		fixed := "arn:aws:iam::" + strings.TrimLeft(strings.TrimPrefix(it.text, "arn:aws::iam:"), ":")
		d.add(it.at, "did you mean "+quote(fixed)+"?", "%s has one colon too many before iam: %s", what, quote(it.text))
	case !slices.Contains(partitions[:], arn.Partition):
		d.add(it.at, d.suggest(arn.Partition, partitions[:], "partitions are "+strings.Join(partitions[:], ", ")), "%s has the unknown partition %s", what, quote(arn.Partition))
	case arn.Service == "sts" && strings.HasPrefix(arn.Resource, "assumed-role/"):
		role, _, _ := strings.Cut(strings.TrimPrefix(arn.Resource, "assumed-role/"), "/")
		d.add(it.at, "name the role: "+quote("arn:"+arn.Partition+":iam::"+arn.Account+":role/"+role)+", with the role's path if it has one", "%s is the ARN of a session, not of a role", what)
	case arn.Service != "iam":
		d.add(it.at, shape, "%s is an ARN of %s, not of iam", what, quote(arn.Service))
	case arn.Region != "":
		d.add(it.at, "IAM has no regions: leave the fourth part empty", "%s has a region: %s", what, quote(arn.Region))
	case !account(arn.Account):
		d.add(it.at, "", "%s has no account id of 12 digits: %s", what, quote(arn.Account))
	default:
		return arn, true
	}
	return iam.ARN{}, false
}

// roleARN checks the ARN of a role and returns it, or "" if it is none.
func (d *decoder) roleARN(what string, it item) string {
	arn, ok := d.arn(what, it, accountRE.MatchString)
	if !ok {
		return ""
	}
	kind, name, _ := strings.Cut(arn.Resource, "/")
	switch {
	case kind == "instance-profile":
		d.add(it.at, "an instance profile holds a role: name that role's ARN", "%s is the ARN of an instance profile, not of a role", what)
	case kind != "role":
		d.add(it.at, "as in arn:aws:iam::111122223333:role/name", "%s is no role: %s", what, quote(arn.Resource))
	case !roleRE.MatchString(arn.Resource) || len(arn.Resource) > len("role")+512+64:
		d.add(it.at, "a role's name has 1 to 64 letters, digits and _+=,.@-", "%s has no sound role name: %s", what, quote(name))
	default:
		return it.text
	}
	return ""
}

// policyARNs checks managed session policies.
func (d *decoder) policyARNs(v value, role string) []string {
	items := d.list(v)
	if len(items) > 10 {
		d.add(v.at, "", "policy_arns has %d policies; STS takes at most 10", len(items))
	}
	seen := map[string]bool{}
	for _, it := range items {
		arn, ok := d.arn(v.name, it, func(a string) bool { return a == "aws" || accountRE.MatchString(a) })
		if !ok {
			continue
		}
		of, _ := iam.ParseARN(role)
		switch {
		case !strings.HasPrefix(arn.Resource, "policy/") || strings.HasSuffix(arn.Resource, "/"):
			d.add(it.at, "as in arn:aws:iam::aws:policy/ReadOnlyAccess", "policy_arns has the ARN of something else than a policy: %s", quote(arn.Resource))
		case of.Account != "" && arn.Account != "aws" && arn.Account != of.Account:
			d.add(it.at, "a session policy is one of AWS or of the role's account "+of.Account, "policy_arns has a policy of account %s", arn.Account)
		case of.Partition != "" && arn.Partition != of.Partition:
			d.add(it.at, "", "policy_arns has a policy of partition %s, the role is in %s", arn.Partition, of.Partition)
		case seen[it.text]:
			d.add(it.at, "remove it", "policy_arns has this policy twice")
		}
		seen[it.text] = true
	}
	return texts(items)
}

func (d *decoder) region(v value) string {
	it, ok := d.filled(v)
	if !ok {
		return ""
	}
	if !regionRE.MatchString(it.text) {
		hint := "as in eu-west-1"
		if zone := it.text[:max(0, len(it.text)-1)]; regionRE.MatchString(zone) && it.text[len(it.text)-1] >= 'a' {
			hint = "that looks like an availability zone; its region is " + zone
		}
		d.add(it.at, hint, "%s is no region", quote(it.text))
		return ""
	}
	return it.text
}

func (d *decoder) externalID(v value) string {
	it, ok := d.text(v)
	if n := len(it.text); ok && (n < 2 || n > 1224 || !externalRE.MatchString(it.text)) {
		d.add(it.at, "", "%s %s: STS takes 2 to 1224 letters, digits and _+=,.@:/-", v.name, quote(it.text))
	}
	return it.text
}

// limits are how long a text may be.
type limits struct{ min, max int }

// nameLimits are those of RoleSessionName and SourceIdentity.
var nameLimits = limits{broker.MinName, broker.MaxName}

// sessionName checks a template for a session name or a source identity: its
// placeholders, and what stands around them.
func (d *decoder) sessionName(v value, lim limits) string {
	it, ok := d.text(v)
	if !ok {
		return ""
	}
	fixed, ok := d.template(v.name, it)
	if !ok {
		return it.text
	}
	if bad := strings.IndexFunc(fixed, func(r rune) bool { return !sessionRE.MatchString(string(r)) }); bad >= 0 {
		d.add(it.at, "it has letters, digits and _+=,.@-", "%s %s has %q, which STS does not take", v.name, quote(it.text), []rune(fixed[bad:])[0])
	} else if n := len(fixed); n > lim.max || n < lim.min && fixed == it.text {
		d.add(it.at, "", "%s has %d characters without its placeholders; STS takes %d to %d", v.name, n, lim.min, lim.max)
	}
	return it.text
}

var placeholderRE = regexp.MustCompile(`\{[^{}]*\}`)

// template checks the placeholders of a text and returns what stands around
// them.
func (d *decoder) template(what string, it item) (string, bool) {
	known := broker.Placeholders()
	for _, p := range placeholderRE.FindAllString(it.text, -1) {
		if name := p[1 : len(p)-1]; !slices.Contains(known, name) {
			hint := "placeholders are {" + strings.Join(known, "}, {") + "}"
			if near := nearest(name, known); near != "" {
				hint = "did you mean {" + near + "}? " + hint
			}
			d.add(it.at, hint, "%s has the unknown placeholder %s", what, p)
			return "", false
		}
	}
	if err := broker.CheckTemplate(it.text); err != nil {
		d.add(it.at, "placeholders are {"+strings.Join(known, "}, {")+"}", "%s: %s", what, err)
		return "", false
	}
	return placeholderRE.ReplaceAllString(it.text, ""), true
}

func (d *decoder) tags(v value) map[string]string {
	pairs := d.dict(v)
	if len(pairs) > 50 {
		d.add(v.at, "", "there are %d tags; STS takes at most 50", len(pairs))
	}
	out := map[string]string{}
	lower := map[string]string{}
	for _, p := range pairs {
		n := len([]rune(p.key))
		switch other, twice := lower[strings.ToLower(p.key)]; {
		case n < 1 || n > 128 || !tagRE.MatchString(p.key):
			d.add(p.keyAt, "", "a tag key has 1 to 128 letters, digits, blanks and _.:/=+-@; this is %s", quote(p.key))
		case strings.HasPrefix(strings.ToLower(p.key), "aws:"):
			d.add(p.keyAt, "", "tag key %s: the prefix aws: is reserved", quote(p.key))
		case twice:
			d.add(p.keyAt, "STS does not tell upper and lower case apart in tag keys", "tags has both %s and %s", quote(other), quote(p.key))
		}
		lower[strings.ToLower(p.key)] = p.key
		out[p.key] = p.value.text
		if fixed, ok := d.template("tag "+quote(p.key), p.value); !ok {
			continue
		} else if len([]rune(fixed)) > 256 || !tagRE.MatchString(fixed) {
			d.add(p.value.at, "", "the value of tag %s must have at most 256 letters, digits, blanks and _.:/=+-@", quote(p.key))
		}
	}
	return out
}

func (d *decoder) transitive(v value, tags map[string]string) []string {
	items := d.list(v)
	var keys []string
	for k := range tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	seen := map[string]bool{}
	for _, it := range items {
		same := func(k string) bool { return strings.EqualFold(k, it.text) }
		if !slices.ContainsFunc(keys, same) {
			d.add(it.at, d.suggest(it.text, keys, "add it to tags: only a tag that is set can be passed on"), "transitive_tags: there is no tag %s", quote(it.text))
		} else if seen[strings.ToLower(it.text)] {
			d.add(it.at, "remove it", "transitive_tags has %s twice", quote(it.text))
		}
		seen[strings.ToLower(it.text)] = true
	}
	return texts(items)
}

// duration reads how long a session lasts, within what AssumeRole takes.
func (d *decoder) duration(v value) time.Duration {
	bare, _ := v.v.Unmark()
	if bare.Type().FriendlyName() == "number" {
		n, _ := d.number(v)
		d.add(v.at, fmt.Sprintf("write %q", strconv.Itoa(n)+"s"), "duration is a number without a unit")
		return 0
	}
	it, ok := d.text(v)
	if !ok {
		return 0
	}
	t, err := time.ParseDuration(it.text)
	switch {
	case err != nil:
		d.add(it.at, `as in "15m", "1h" or "1h30m"`, "%s is no duration", quote(it.text))
		return 0
	case t < 15*time.Minute || t > 12*time.Hour:
		d.add(it.at, "", "duration is %s; STS takes 15m to 12h", quote(it.text))
		return 0
	case t%time.Second != 0:
		d.add(it.at, "", "duration %s is not a whole number of seconds", quote(it.text))
		return 0
	}
	return t
}

// endpointAddresses are where the endpoints of AWS are; they are link-local,
// so no router passes them on.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
var endpointAddresses = [...]netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("169.254.170.2"),
	netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23"),
}

// listen checks an address to listen on: only this machine may reach it unless
// that is allowed in so many words.
func (d *decoder) listen(v value, remote bool) string {
	it, ok := d.filled(v)
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(it.text)
	if err != nil {
		d.add(it.at, `as in "127.0.0.1:9000"; port 0 takes a free one`, "%s is no HOST:PORT", quote(it.text))
		return it.text
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		d.add(it.at, "a number from 0 to 65535; 0 takes a free one", "%s has no sound port: %s", v.name, quote(port))
	}
	if host == "localhost" {
		return it.text
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host != "" && err != nil:
		d.add(it.at, "write an IP address, such as 127.0.0.1", "%s has a host that is no IP address: %s", v.name, quote(host))
	case remote || err == nil && (ip.Unmap().IsLoopback() || slices.Contains(endpointAddresses[:], ip)):
	case host == "" || ip.IsUnspecified():
		d.add(it.at, "write 127.0.0.1:"+port+", or add allow_remote = true if that is meant", "%s opens the port to every network of the machine", v.name)
	default:
		d.add(it.at, "write 127.0.0.1:"+port+", or add allow_remote = true if that is meant", "%s can be reached from other machines: %s", v.name, host)
	}
	return it.text
}

func (d *decoder) exe(v value) string {
	it, ok := d.filled(v)
	switch {
	case !ok:
	case !strings.HasPrefix(it.text, "/"):
		d.add(it.at, "write the absolute path, as in /usr/bin/web", "exe %s is not anchored at the root", quote(it.text))
	case strings.Contains(it.text, "**"):
		d.add(it.at, "* stands for anything but /; write one for each directory", "exe %s has **", quote(it.text))
	case path.Clean(it.text) != it.text:
		d.add(it.at, "write "+path.Clean(it.text), "exe %s is not how the kernel writes a path", quote(it.text))
	}
	return it.text
}

// unitTypes are the kinds of unit that processes run in; systemd.unit(5).
var unitTypes = [...]string{".service", ".scope", ".socket", ".mount", ".swap", ".slice"}

func (d *decoder) unit(v value) string {
	it, ok := d.filled(v)
	typed := func(s string) bool { return strings.HasSuffix(it.text, s) }
	switch {
	case !ok:
	case strings.Contains(it.text, "/"):
		d.add(it.at, "write only the name, as in web.service", "unit %s is a path", quote(it.text))
	case !slices.ContainsFunc(unitTypes[:], typed) && !strings.HasSuffix(it.text, "*"):
		d.add(it.at, "did you mean "+quote(it.text+".service")+"?", "unit %s has no type", quote(it.text))
	}
	return it.text
}

// bucketName checks the name of a general purpose bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func bucketName(s string) (hint string, sound bool) {
	if len(s) < 3 || len(s) > 63 {
		return "a bucket name has 3 to 63 characters", false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' {
			return "a bucket name has lower-case letters, digits, '.' and '-'", false
		}
	}
	if strings.ContainsAny(s[:1]+s[len(s)-1:], ".-") || strings.Contains(s, "..") {
		return "a bucket name begins and ends with a letter or digit and has no two dots in a row", false
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() {
		return "a bucket name must not look like an IP address", false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(s, p) {
			return "the prefix " + p + " is reserved", false
		}
	}
	for _, p := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(s, p) {
			return "the suffix " + p + " is reserved", false
		}
	}
	return "", true
}
