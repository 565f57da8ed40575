package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// Instance is the EC2 instance a caller is told it is on. A field that is not
// set is not served, and not listed.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
type Instance struct {
	ID           string // "i-1234567890abcdef0"; InstanceID makes one
	Type         string // "t3.micro"
	ImageID      string // "ami-0abcdef1234567890"
	Architecture string // "x86_64", "arm64"
	AccountID    string // 12 digits

	// Region, such as "eu-west-1". With it the instance has a placement, an
	// identity document and services.
	Region string
	// AvailabilityZone is Region followed by "a" if not set: the AWS CLI takes
	// the region from it. AvailabilityZoneID is such as "euw1-az1".
	AvailabilityZone, AvailabilityZoneID string

	Hostname  string     // private DNS name
	PrivateIP netip.Addr // IPv4
	MAC       string     // "02:29:96:8f:6a:2d"

	// Launched is when the instance started, which is when the service started
	// if not set.
	Launched time.Time

	// ProfileARN and ProfileID (AIPA…) are the instance profile of iam/info;
	// if not set, one that is called like the caller's role.
	ProfileARN, ProfileID string

	// Sign signs the identity document for instance-identity/signature, as
	// EC2 does: RSA with SHA-256. If not set there is no signature.
	Sign func(ctx context.Context, document []byte) ([]byte, error)

	// Tags are served under tags/instance/. A tag whose key a path cannot spell
	// is left out, as EC2 does not accept it for metadata.
	Tags map[string]string
}

// InstanceID returns an instance id made of parts, the same for the same parts:
// the name of a host and of a workload give that workload an identity that
// survives restarts.
func InstanceID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "i-" + hex.EncodeToString(h[:])[:17]
}

const (
	identityDocument  = "dynamic/instance-identity/document"
	identitySignature = "dynamic/instance-identity/signature"
)

// leaves returns what i says as paths and values.
func (i Instance) leaves(started time.Time) map[string]string {
	t := make(map[string]string)
	set := func(path, value string) {
		if value != "" {
			t[path] = value
		}
	}
	set("meta-data/instance-id", i.ID)
	set("meta-data/instance-type", i.Type)
	set("meta-data/ami-id", i.ImageID)
	set("meta-data/hostname", i.Hostname)
	set("meta-data/local-hostname", i.Hostname)
	set("meta-data/mac", i.MAC)
	if i.PrivateIP.IsValid() {
		set("meta-data/local-ipv4", i.PrivateIP.String())
	}
	if i.ID != "" {
		set("meta-data/instance-action", "none")
		set("meta-data/instance-life-cycle", "on-demand")
	}
	if i.Region != "" {
		if i.AvailabilityZone == "" {
			i.AvailabilityZone = i.Region + "a"
		}
		if i.Launched.IsZero() {
			i.Launched = started
		}
		domain, partition := partitionOf(i.Region)
		set("meta-data/placement/region", i.Region)
		set("meta-data/placement/availability-zone", i.AvailabilityZone)
		set("meta-data/placement/availability-zone-id", i.AvailabilityZoneID)
		set("meta-data/services/domain", domain)
		set("meta-data/services/partition", partition)
		set(identityDocument, string(i.document()))
		if i.Sign != nil {
			t[identitySignature] = "" // made when it is asked for
		}
	}
	for key, value := range i.Tags {
		if key != "" && key != "." && key != ".." && !strings.ContainsFunc(key, func(c rune) bool { return c >= 0x80 || c == '/' || !pathByte(byte(c)) }) {
			t["meta-data/tags/instance/"+key] = value
		}
	}
	return t
}

// document returns the instance identity document.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
func (i Instance) document() []byte {
	b := appendField(nil, "{\n  \"accountId\" : ", i.AccountID)
	b = appendField(b, ",\n  \"architecture\" : ", i.Architecture)
	b = appendField(b, ",\n  \"availabilityZone\" : ", i.AvailabilityZone)
	b = append(b, ",\n  \"billingProducts\" : null,\n  \"devpayProductCodes\" : null,\n  \"marketplaceProductCodes\" : null"...)
	b = appendField(b, ",\n  \"imageId\" : ", i.ImageID)
	b = appendField(b, ",\n  \"instanceId\" : ", i.ID)
	b = appendField(b, ",\n  \"instanceType\" : ", i.Type)
	b = append(b, ",\n  \"kernelId\" : null,\n  \"pendingTime\" : \""...)
	b = i.Launched.UTC().AppendFormat(b, timeFormat)
	ip := ""
	if i.PrivateIP.IsValid() {
		ip = i.PrivateIP.String()
	}
	b = appendField(b, "\",\n  \"privateIp\" : ", ip)
	b = append(b, ",\n  \"ramdiskId\" : null"...)
	b = appendField(b, ",\n  \"region\" : ", i.Region)
	return append(b, ",\n  \"version\" : \"2017-09-30\"\n}"...)
}

// partitionOf returns the DNS suffix and the name of the partition of a region.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
func partitionOf(region string) (domain, partition string) {
	for _, p := range [...]struct{ prefix, domain, partition string }{
		{"cn-", "amazonaws.com.cn", "aws-cn"},
		{"us-gov-", "amazonaws.com", "aws-us-gov"},
		{"us-isob-", "sc2s.sgov.gov", "aws-iso-b"},
		{"us-isof-", "csp.hci.ic.gov", "aws-iso-f"},
		{"us-iso-", "c2s.ic.gov", "aws-iso"},
		{"eu-isoe-", "cloud.adc-e.uk", "aws-iso-e"},
		{"eusc-", "amazonaws.eu", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.domain, p.partition
		}
	}
	return "amazonaws.com", "aws"
}

// appendInfo appends iam/info for an instance profile.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
func appendInfo(b []byte, profile, id string, updated time.Time) []byte {
	b = append(b, "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \""...)
	b = updated.UTC().AppendFormat(b, timeFormat)
	b = appendField(b, "\",\n  \"InstanceProfileArn\" : ", profile)
	b = appendField(b, ",\n  \"InstanceProfileId\" : ", id)
	return append(b, "\n}"...)
}

// profileID returns an id for an instance profile that no account holds: its
// role is lent, not attached. It is shaped as AWS's are and always the same.
func profileID(arn string) string {
	h := sha256.Sum256([]byte(arn))
	return "AIPA" + base32.StdEncoding.EncodeToString(h[:])[:17]
}

// serveInstance answers what does not depend on the caller's role; rest is the
// path after the version.
func (m *IMDS) serveInstance(w http.ResponseWriter, r *http.Request, who broker.Caller, unknown error, path, rest string) {
	if m.upstream(w, r, who, unknown, rest) {
		return
	}
	var i Instance
	if m.opt.Instance != nil && unknown == nil {
		i = m.opt.Instance(who)
	}
	leaves := i.leaves(m.started)
	if leaf := strings.TrimSuffix(rest, "/"); leaf == identitySignature && i.Sign != nil {
		signature, err := i.Sign(r.Context(), []byte(leaves[identityDocument]))
		if err != nil {
			m.fail(w, r, who, imdsError(http.StatusServiceUnavailable, "the identity document was not signed: %v", err))
			return
		}
		m.text(w, lines64(signature))
		return
	} else if value, ok := leaves[leaf]; ok {
		m.text(w, value)
		return
	}
	names := children(leaves, rest)
	switch rest {
	case "", "meta-data", "meta-data/":
		if rest == "" {
			// The first listing has no slashes after its names.
			for j, n := range names {
				names[j] = strings.TrimSuffix(n, "/")
			}
			names = append(names, "meta-data")
		} else if unknown == nil {
			if role, _, _ := m.role(r, who); role != "" {
				names = append(names, "iam/")
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	default:
		if len(names) == 0 {
			m.fail(w, r, who, noPath())
			return
		}
	}
	if rest != "" && !strings.HasSuffix(rest, "/") {
		m.redirect(w, path)
		return
	}
	m.text(w, strings.Join(names, "\n"))
}

// lines64 writes bytes in base64, in lines of 64 as EC2 does.
func lines64(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(text) > 64 {
		out.WriteString(text[:64] + "\n")
		text = text[64:]
	}
	return out.String() + text
}

// children returns the names in the directory dir, sorted; directories among
// them end in a slash.
func children(leaves map[string]string, dir string) []string {
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	names := make(map[string]bool)
	for path := range leaves {
		if rest, ok := strings.CutPrefix(path, dir); ok {
			name, _, more := strings.Cut(rest, "/")
			if more {
				name += "/"
			}
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
