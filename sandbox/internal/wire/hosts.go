package wire

import (
	"net"
	"strings"
)

// domains are the domains of the endpoints of AWS's services, by partition,
// IPv4 and dual stack: "dnsSuffix" and "dualStackDnsSuffix" of the partitions
// that the AWS SDKs carry
// (https://docs.aws.amazon.com/general/latest/gr/rande.html).
var domains = []string{
	"amazonaws.com", "api.aws", // aws, aws-us-gov
	"amazonaws.com.cn", "api.amazonwebservices.com.cn", // aws-cn
	"amazonaws.eu", "api.amazonwebservices.eu", // aws-eusc
	"c2s.ic.gov", "api.aws.ic.gov", // aws-iso
	"sc2s.sgov.gov", "api.aws.scloud", // aws-iso-b
	"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", // aws-iso-e
	"csp.hci.ic.gov", "api.aws.hci.ic.gov", // aws-iso-f
}

// hostName is a host without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// awsLabels cuts the domain off a host name of AWS.
func awsLabels(host string) (labels []string, ok bool) {
	for _, d := range domains {
		if base, ok := strings.CutSuffix(host, "."+d); ok {
			return strings.Split(base, "."), true
		}
	}
	return nil, false
}

// s3Server finds where in a host name, without its domain, the name of an S3
// server begins: s3, s3.REGION, s3.dualstack.REGION, and in AWS's domains
// s3-REGION, s3-fips.REGION and their like. What is before it is a bucket,
// which may look like a server itself; so the last one counts. It is -1 if
// there is none.
func s3Server(labels []string, aws bool) int {
	for i := len(labels) - 1; i >= 0; i-- {
		if labels[i] != "s3" && !(aws && strings.HasPrefix(labels[i], "s3-")) {
			continue
		}
		if rest := labels[i+1:]; len(rest) <= 1 || len(rest) == 2 && rest[0] == "dualstack" {
			return i
		}
	}
	return -1
}

// serviceOfHost names the service whose endpoint a host name is; empty if the
// name does not say. Names of AWS's domains always do: what is before the
// region is the service, be it one that nobody has a model of.
func serviceOfHost(host string) string {
	host = hostName(host)
	labels, aws := awsLabels(host)
	if !aws {
		if strings.Contains(host, ".s3.") {
			return "s3"
		}
		for _, s := range signatures {
			if strings.HasPrefix(host, s.host) {
				return s.service
			}
		}
		return ""
	}
	if s3Server(labels, true) >= 0 {
		return "s3"
	}
	if n := len(labels) - 1; n > 0 && isRegion(labels[n]) {
		labels = labels[:n]
	}
	name := strings.TrimSuffix(strings.Join(labels, "."), "-fips")
	for _, s := range signatures {
		if name+"." == s.host {
			return s.service
		}
	}
	if strings.HasSuffix(name, ".ddb") { // ACCOUNT.ddb.REGION
		return "dynamodb"
	}
	return name
}

// isRegion tells whether a label is a region's name: it ends in -DIGIT.
func isRegion(label string) bool {
	n := len(label)
	return n > 2 && label[n-2] == '-' && label[n-1] >= '0' && label[n-1] <= '9'
}
