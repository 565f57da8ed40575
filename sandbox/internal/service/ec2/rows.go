package ec2

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// The tables. Keys are ACCOUNT/REGION/ID. Rows are values or slices that are
// replaced as a whole, never changed in place.
var (
	settled      = store.NewTable[bool]("ec2.settled") // the region has got its default VPC
	vpcs         = store.NewTable[vpcRow]("ec2.vpc")
	subnets      = store.NewTable[subnetRow]("ec2.subnet")
	routeTables  = store.NewTable[routeTableRow]("ec2.route-table")
	gateways     = store.NewTable[gatewayRow]("ec2.internet-gateway")
	groups       = store.NewTable[groupRow]("ec2.security-group")
	keyPairs     = store.NewTable[keyPairRow]("ec2.key-pair")
	templates    = store.NewTable[templateRow]("ec2.launch-template")
	versions     = store.NewTable[versionRow]("ec2.launch-template-version") // …/ID/00000001
	instances    = store.NewTable[instanceRow]("ec2.instance")
	tagTable     = store.NewTable[[]tag]("ec2.tags") // by the id of any resource
	clientTokens = store.NewTable[tokenRow]("ec2.client-token")
)

// tag is one tag of a resource.
type tag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

type vpcRow struct {
	ID, CIDR                             string
	CIDRAssociation                      string
	Tenancy                              types.Tenancy
	Default                              bool `json:",omitzero"`
	DNSSupport, DNSHostnames, NAUMetrics bool
	NetworkACL, DHCPOptions              string
}

type subnetRow struct {
	ID, VPC, Zone, CIDR   string
	Default               bool `json:",omitzero"`
	MapPublicIP           bool `json:",omitzero"`
	DNS64                 bool `json:",omitzero"`
	ResourceNameA         bool `json:",omitzero"`
	ResourceNameAAAA      bool `json:",omitzero"`
	HostnameType          types.HostnameType
	NetworkACLAssociation string
}

type routeTableRow struct {
	ID, VPC      string
	Routes       []types.Route
	Associations []associationRow `json:",omitzero"`
}

// associationRow is a route table's association with a subnet or a gateway,
// or its being the main one of its VPC.
type associationRow struct {
	ID              string
	Subnet, Gateway string `json:",omitzero"`
	Main            bool   `json:",omitzero"`
}

type gatewayRow struct {
	ID  string
	VPC string `json:",omitzero"`
}

type groupRow struct {
	ID, Name, Description, VPC string
	Rules                      []ruleRow
}

// ruleRow is one rule of a security group: one protocol and port range, one
// peer.
type ruleRow struct {
	ID                       string
	Egress                   bool `json:",omitzero"`
	Protocol                 string
	From, To                 *int32 `json:",omitzero"`
	CIDR4, CIDR6, PrefixList string `json:",omitzero"`
	Group, GroupOwner        string `json:",omitzero"`
	Description              string `json:",omitzero"`
}

type keyPairRow struct {
	ID, Name, Fingerprint string
	Type                  types.KeyType
	PublicKey             string
	Created               time.Time
}

type templateRow struct {
	ID, Name, CreatedBy string
	Created             time.Time
	Default, Latest     int64
}

type versionRow struct {
	Number      int64
	Description string `json:",omitzero"`
	CreatedBy   string
	Created     time.Time
	Data        types.ResponseLaunchTemplateData
}

// tokenRow remembers what a client token was used for.
type tokenRow struct {
	Request string // digest of the parameters
	IDs     []string
	Used    time.Time
}

// instanceRow is an instance with its devices.
type instanceRow struct {
	ID, Reservation     string
	Index               int32 `json:",omitzero"`
	Image, Type         string
	Architecture        types.ArchitectureValues
	Key                 string `json:",omitzero"`
	ClientToken         string `json:",omitzero"`
	State               types.InstanceStateName
	Launched            time.Time
	Ended               time.Time `json:",omitzero"` // when it was stopped or terminated
	Starts              int       `json:",omitzero"` // how often it was started again
	VPC, Subnet, Zone   string
	Groups              []string
	Interface           interfaceRow
	PublicIP            string `json:",omitzero"`
	PublicAddress       bool   `json:",omitzero"` // gets a public address whenever it starts
	Tenancy             types.Tenancy
	Monitoring          bool `json:",omitzero"`
	EBSOptimized        bool `json:",omitzero"`
	KeepTermination     bool `json:",omitzero"` // disableApiTermination
	KeepStop            bool `json:",omitzero"` // disableApiStop
	Shutdown            types.ShutdownBehavior
	UserData            string `json:",omitzero"` // base64, as it came
	Credits             string `json:",omitzero"`
	Metadata            metadataRow
	Profile             *profileRow `json:",omitzero"`
	Volumes             []volumeRow
	RootDevice          string
	HostnameType        types.HostnameType
	ResourceNameA       bool   `json:",omitzero"`
	Template, TemplateV string `json:",omitzero"`
}

// metadataRow are the options of the instance's metadata service.
type metadataRow struct {
	Tokens   types.HttpTokensState
	Hops     int32
	Endpoint types.InstanceMetadataEndpointState
	IPv6     types.InstanceMetadataProtocolState
	Tags     types.InstanceMetadataTagsState
}

// profileRow is the association of an instance with an instance profile.
type profileRow struct {
	Association, ARN, Name, ID string
	Since                      time.Time
}

// interfaceRow is the instance's primary network interface.
type interfaceRow struct {
	ID, Attachment, IP, MAC string
	Description             string `json:",omitzero"`
	NoCheck                 bool   `json:",omitzero"` // sourceDestCheck is off
	Keep                    bool   `json:",omitzero"` // deleteOnTermination is off
}

type volumeRow struct {
	ID, Device string
	Size       int32
	Type       types.VolumeType
	IOPS       int32  `json:",omitzero"`
	Throughput int32  `json:",omitzero"`
	Encrypted  bool   `json:",omitzero"`
	KMSKey     string `json:",omitzero"`
	Snapshot   string `json:",omitzero"`
	Keep       bool   `json:",omitzero"` // deleteOnTermination is off
	Created    time.Time
}
