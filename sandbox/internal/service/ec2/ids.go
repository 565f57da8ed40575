package ec2

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// newID makes a resource id: prefix and 17 hexadecimal digits, the first of
// which AWS keeps at 0.
func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return prefix + "-0" + hex.EncodeToString(b[:])
}

// derivedID makes the id of a resource that every sandbox has alike.
func derivedID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(prefix + "\x00" + strings.Join(parts, "\x00")))
	return prefix + "-0" + hex.EncodeToString(sum[:8])
}

// noun describes a kind of resource: how its ids begin, what its ARNs call
// it, and how EC2 words that one is missing.
type noun struct {
	prefix, arn string
	// code is the part of error codes before ".NotFound".
	code string
	// missing is the text of a NotFound error, with %s for the id.
	missing string
}

var (
	vpcNoun       = noun{"vpc", "vpc", "InvalidVpcID", "The vpc ID '%s' does not exist"}
	subnetNoun    = noun{"subnet", "subnet", "InvalidSubnetID", "The subnet ID '%s' does not exist"}
	tableNoun     = noun{"rtb", "route-table", "InvalidRouteTableID", "The routeTable ID '%s' does not exist"}
	gatewayNoun   = noun{"igw", "internet-gateway", "InvalidInternetGatewayID", "The internetGateway ID '%s' does not exist"}
	groupNoun     = noun{"sg", "security-group", "InvalidGroup", "The security group '%s' does not exist"}
	ruleNoun      = noun{"sgr", "security-group-rule", "InvalidSecurityGroupRuleId", "The security group rule ID '%s' does not exist"}
	aclNoun       = noun{"acl", "network-acl", "InvalidNetworkAclID", "The networkAcl ID '%s' does not exist"}
	keyNoun       = noun{"key", "key-pair", "InvalidKeyPair", "The key pair '%s' does not exist"}
	templateNoun  = noun{"lt", "launch-template", "InvalidLaunchTemplateId", "The specified launch template, with template ID %s, does not exist."}
	instanceNoun  = noun{"i", "instance", "InvalidInstanceID", "The instance ID '%s' does not exist"}
	interfaceNoun = noun{"eni", "network-interface", "InvalidNetworkInterfaceID", "The networkInterface ID '%s' does not exist"}
	volumeNoun    = noun{"vol", "volume", "InvalidVolume", "The volume '%s' does not exist."}
	imageNoun     = noun{"ami", "image", "InvalidAMIID", "The image id '[%s]' does not exist"}

	// nouns are the kinds that can be tagged.
	nouns = []noun{vpcNoun, subnetNoun, tableNoun, gatewayNoun, groupNoun, ruleNoun, aclNoun, keyNoun, templateNoun, instanceNoun, interfaceNoun, volumeNoun, imageNoun}
)

// gone is the error for an id that names nothing.
func (n noun) gone(id string) *wire.Error {
	return wire.Fail(n.code+".NotFound", 400, n.missing, id)
}

// checkID refuses what cannot be an id of the kind.
func (n noun) checkID(id string) *wire.Error {
	hex, ok := strings.CutPrefix(id, n.prefix+"-")
	if ok && (len(hex) == 8 || len(hex) == 17) && strings.Trim(hex, "0123456789abcdef") == "" {
		return nil
	}
	switch n.prefix {
	case "i", "ami", "rtb", "vol", "lt":
		return wire.Fail(n.code+".Malformed", 400, "Invalid id: %q", id)
	case "eni", "sg":
		return wire.Fail(strings.TrimSuffix(n.code, "ID")+"Id.Malformed", 400, "Invalid id: %q (expecting \"%s-...\")", id, n.prefix)
	}
	return n.gone(id)
}

// nounOf tells which kind of resource an id names.
func nounOf(id string) (noun, bool) {
	prefix, _, ok := strings.Cut(id, "-")
	for _, n := range nouns {
		if ok && n.prefix == prefix {
			return n, true
		}
	}
	return noun{}, false
}
