package ec2

import (
	"slices"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Instance types: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html
// A type that is not here cannot be launched in the sandbox.

// size is what one size of a family has.
type size struct {
	name     string
	vcpus    int32
	memory   int64 // MiB
	networks int32 // interfaces
	ips      int32 // per interface
}

// kindFamily is a family of instance types with its sizes.
type kindFamily struct {
	name      string
	arch      types.ArchitectureType
	threads   int32 // per core
	xen       bool
	burstable bool
	old       bool
	bandwidth string
	clock     float64 // GHz
	sizes     []size
}

var (
	burstSizes = []size{{"nano", 2, 512, 2, 2}, {"micro", 2, 1024, 2, 2}, {"small", 2, 2048, 3, 4}, {"medium", 2, 4096, 3, 6},
		{"large", 2, 8192, 3, 12}, {"xlarge", 4, 16384, 4, 15}, {"2xlarge", 8, 32768, 4, 15}}
	t2Sizes = []size{{"nano", 1, 512, 2, 2}, {"micro", 1, 1024, 2, 2}, {"small", 1, 2048, 3, 4}, {"medium", 2, 4096, 3, 6},
		{"large", 2, 8192, 3, 12}, {"xlarge", 4, 16384, 3, 15}, {"2xlarge", 8, 32768, 3, 15}}
	generalSizes = sizes(4096)
	computeSizes = sizes(2048)
	memorySizes  = sizes(8192)

	kindTable = []kindFamily{
		{"c5", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 10 Gigabit", 3.4, computeSizes},
		{"c6g", types.ArchitectureTypeArm64, 1, false, false, false, "Up to 10 Gigabit", 2.5, computeSizes},
		{"c6i", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 12.5 Gigabit", 3.5, computeSizes},
		{"c7g", types.ArchitectureTypeArm64, 1, false, false, false, "Up to 12.5 Gigabit", 2.6, computeSizes},
		{"m1", types.ArchitectureTypeX8664, 1, true, false, true, "Low to Moderate", 2, []size{{"small", 1, 1740, 2, 4}, {"medium", 1, 3788, 2, 6}}},
		{"m4", types.ArchitectureTypeX8664, 2, true, false, false, "Moderate", 2.4, generalSizes[:4]},
		{"m5", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 10 Gigabit", 3.1, generalSizes},
		{"m5a", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 10 Gigabit", 2.5, generalSizes},
		{"m6g", types.ArchitectureTypeArm64, 1, false, false, false, "Up to 10 Gigabit", 2.5, generalSizes},
		{"m6i", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 12.5 Gigabit", 3.5, generalSizes},
		{"m7g", types.ArchitectureTypeArm64, 1, false, false, false, "Up to 12.5 Gigabit", 2.6, generalSizes},
		{"m7i", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 12.5 Gigabit", 3.2, generalSizes},
		{"r5", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 10 Gigabit", 3.1, memorySizes},
		{"r6g", types.ArchitectureTypeArm64, 1, false, false, false, "Up to 10 Gigabit", 2.5, memorySizes},
		{"r6i", types.ArchitectureTypeX8664, 2, false, false, false, "Up to 12.5 Gigabit", 3.5, memorySizes},
		{"t2", types.ArchitectureTypeX8664, 1, true, true, false, "Low to Moderate", 2.5, t2Sizes},
		{"t3", types.ArchitectureTypeX8664, 2, false, true, false, "Up to 5 Gigabit", 2.5, burstSizes},
		{"t3a", types.ArchitectureTypeX8664, 2, false, true, false, "Up to 5 Gigabit", 2.2, burstSizes},
		{"t4g", types.ArchitectureTypeArm64, 1, false, true, false, "Up to 5 Gigabit", 2.5, burstSizes},
	}
)

// sizes are large to 4xlarge with so much memory per CPU.
func sizes(perCPU int64) []size {
	return []size{{"large", 2, 2 * perCPU, 3, 10}, {"xlarge", 4, 4 * perCPU, 4, 15}, {"2xlarge", 8, 8 * perCPU, 4, 15}, {"4xlarge", 16, 16 * perCPU, 8, 30}}
}

// kind is one instance type.
type kind struct {
	kindFamily
	size
}

func (k kind) id() string { return k.kindFamily.name + "." + k.size.name }

// kindOf finds an instance type.
func kindOf(id string) (kind, bool) {
	name, s, _ := strings.Cut(id, ".")
	for _, f := range kindTable {
		if f.name != name {
			continue
		}
		for _, z := range f.sizes {
			if z.name == s {
				return kind{f, z}, true
			}
		}
	}
	return kind{}, false
}

func kinds() []kind {
	var out []kind
	for _, f := range kindTable {
		for _, z := range f.sizes {
			out = append(out, kind{f, z})
		}
	}
	sortBy(out, kind.id)
	return out
}

func (k kind) view() types.InstanceTypeInfo {
	hypervisor, ena, nvme := types.InstanceTypeHypervisorNitro, types.EnaSupportRequired, types.EbsNvmeSupportRequired
	optimized := types.EbsOptimizedSupportDefault
	if k.xen {
		hypervisor, ena, nvme = types.InstanceTypeHypervisorXen, types.EnaSupportUnsupported, types.EbsNvmeSupportUnsupported
		optimized = types.EbsOptimizedSupportUnsupported
	}
	arch := []types.ArchitectureType{k.arch}
	boot := []types.BootModeType{types.BootModeTypeLegacyBios, types.BootModeTypeUefi}
	if k.arch == types.ArchitectureTypeArm64 {
		boot = boot[1:]
	}
	if k.xen {
		boot = boot[:1]
	}
	cores := k.vcpus / k.threads
	return types.InstanceTypeInfo{
		InstanceType: types.InstanceType(k.id()), CurrentGeneration: new(!k.old), FreeTierEligible: new(k.id() == "t2.micro" || k.id() == "t3.micro"),
		BareMetal: new(false), BurstablePerformanceSupported: &k.burstable, DedicatedHostsSupported: new(!k.burstable), HibernationSupported: new(false),
		AutoRecoverySupported: new(true), InstanceStorageSupported: new(false), Hypervisor: hypervisor,
		MemoryInfo: &types.MemoryInfo{SizeInMiB: &k.memory},
		VCpuInfo: &types.VCpuInfo{DefaultVCpus: &k.vcpus, DefaultCores: &cores, DefaultThreadsPerCore: &k.threads,
			ValidCores: []int32{cores}, ValidThreadsPerCore: []int32{k.threads}},
		ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: arch, SustainedClockSpeedInGhz: &k.clock},
		NetworkInfo: &types.NetworkInfo{
			NetworkPerformance: &k.bandwidth, MaximumNetworkInterfaces: &k.networks, MaximumNetworkCards: new(int32(1)), DefaultNetworkCardIndex: new(int32(0)),
			NetworkCards:              []types.NetworkCardInfo{{NetworkCardIndex: new(int32(0)), MaximumNetworkInterfaces: &k.networks, NetworkPerformance: &k.bandwidth}},
			Ipv4AddressesPerInterface: &k.ips, Ipv6AddressesPerInterface: &k.ips, Ipv6Supported: new(true), EnaSupport: ena,
			EfaSupported: new(false), EncryptionInTransitSupported: new(false),
		},
		EbsInfo:                      &types.EbsInfo{EbsOptimizedSupport: optimized, EncryptionSupport: types.EbsEncryptionSupportSupported, NvmeSupport: nvme},
		PlacementGroupInfo:           &types.PlacementGroupInfo{SupportedStrategies: []types.PlacementGroupStrategy{types.PlacementGroupStrategyPartition, types.PlacementGroupStrategySpread}},
		SupportedBootModes:           boot,
		SupportedRootDeviceTypes:     []types.RootDeviceType{types.RootDeviceTypeEbs},
		SupportedUsageClasses:        []types.UsageClassType{types.UsageClassTypeOnDemand},
		SupportedVirtualizationTypes: []types.VirtualizationType{types.VirtualizationTypeHvm},
		NitroEnclavesSupport:         types.NitroEnclavesSupportUnsupported,
		NitroTpmSupport:              types.NitroTpmSupportUnsupported,
	}
}

var kindFields = fields[types.InstanceTypeInfo]{
	"bare-metal":                      func(k types.InstanceTypeInfo) []string { return flag(k.BareMetal) },
	"burstable-performance-supported": func(k types.InstanceTypeInfo) []string { return flag(k.BurstablePerformanceSupported) },
	"current-generation":              func(k types.InstanceTypeInfo) []string { return flag(k.CurrentGeneration) },
	"free-tier-eligible":              func(k types.InstanceTypeInfo) []string { return flag(k.FreeTierEligible) },
	"hypervisor":                      func(k types.InstanceTypeInfo) []string { return enum(k.Hypervisor) },
	"instance-storage-supported":      func(k types.InstanceTypeInfo) []string { return flag(k.InstanceStorageSupported) },
	"instance-type":                   func(k types.InstanceTypeInfo) []string { return enum(k.InstanceType) },
	"memory-info.size-in-mib":         func(k types.InstanceTypeInfo) []string { return number(k.MemoryInfo.SizeInMiB) },
	"vcpu-info.default-vcpus":         func(k types.InstanceTypeInfo) []string { return number(k.VCpuInfo.DefaultVCpus) },
	"processor-info.supported-architecture": func(k types.InstanceTypeInfo) []string {
		return each(k.ProcessorInfo.SupportedArchitectures, enum[types.ArchitectureType])
	},
	"supported-usage-class": func(k types.InstanceTypeInfo) []string {
		return each(k.SupportedUsageClasses, enum[types.UsageClassType])
	},
	"supported-root-device-type": func(k types.InstanceTypeInfo) []string {
		return each(k.SupportedRootDeviceTypes, enum[types.RootDeviceType])
	},
	"supported-virtualization-type": func(k types.InstanceTypeInfo) []string {
		return each(k.SupportedVirtualizationTypes, enum[types.VirtualizationType])
	},
	"network-info.ena-support": func(k types.InstanceTypeInfo) []string { return enum(k.NetworkInfo.EnaSupport) },
}

func (c *call) describeInstanceTypes(in *api.DescribeInstanceTypesInput) (*api.DescribeInstanceTypesOutput, error) {
	var unknown []string
	for _, t := range in.InstanceTypes {
		if _, ok := kindOf(string(t)); !ok {
			unknown = append(unknown, string(t))
		}
	}
	if len(unknown) > 0 {
		return nil, noKind(unknown)
	}
	var views []types.InstanceTypeInfo
	for _, k := range kinds() {
		if len(in.InstanceTypes) == 0 || slices.Contains(in.InstanceTypes, types.InstanceType(k.id())) {
			views = append(views, k.view())
		}
	}
	views, err := filter(views, in.Filters, kindFields, nil)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, func(k types.InstanceTypeInfo) string { return string(k.InstanceType) })
	if err != nil {
		return nil, err
	}
	return &api.DescribeInstanceTypesOutput{InstanceTypes: page, NextToken: next}, nil
}

var offeringFields = fields[types.InstanceTypeOffering]{
	"instance-type": func(o types.InstanceTypeOffering) []string { return enum(o.InstanceType) },
	"location":      func(o types.InstanceTypeOffering) []string { return str(o.Location) },
}

// describeOfferings offers every type in every zone.
func (c *call) describeOfferings(in *api.DescribeInstanceTypeOfferingsInput) (*api.DescribeInstanceTypeOfferingsOutput, error) {
	by := in.LocationType
	places := []string{c.region}
	switch by {
	case "":
		by = types.LocationTypeRegion
	case types.LocationTypeAvailabilityZone:
		places = c.zones()
	case types.LocationTypeAvailabilityZoneId:
		places = nil
		for _, z := range c.zones() {
			places = append(places, c.zoneID(z))
		}
	case types.LocationTypeRegion:
	default:
		return nil, unsupported("offerings by " + string(by))
	}
	var views []types.InstanceTypeOffering
	for _, k := range kinds() {
		for _, p := range places {
			views = append(views, types.InstanceTypeOffering{InstanceType: types.InstanceType(k.id()), Location: &p, LocationType: by})
		}
	}
	views, err := filter(views, in.Filters, offeringFields, nil)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, func(o types.InstanceTypeOffering) string { return string(o.InstanceType) + "\x00" + *o.Location })
	if err != nil {
		return nil, err
	}
	return &api.DescribeInstanceTypeOfferingsOutput{InstanceTypeOfferings: page, NextToken: next}, nil
}
