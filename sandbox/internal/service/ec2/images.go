package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Images. The sandbox has a catalogue of made-up public images under the
// names and owners that people search for, so that lookups of the newest
// Amazon Linux, ECS-optimised or Ubuntu image find one. Any other well-formed
// image id is taken for an image as well: configurations name ids of AWS's.

// imageRow is an image.
type imageRow struct {
	ID, Name, Description string
	Owner, Alias          string
	Architecture          types.ArchitectureValues
	Created               string
	Root                  string
	Size                  int32
	Type                  types.VolumeType
	// IMDSv2 is true for images whose instances want session tokens at the
	// metadata service from the start.
	IMDSv2 bool
}

// release is one published version of an image: what stands for VERSION and
// DATE in its name.
type release struct{ version, date string }

// family is a series of images. Its name holds VERSION, DATE (20260105) and
// ARCH.
type family struct {
	name, description string
	owner, alias      string
	root              string
	size              int32
	volume            types.VolumeType
	imdsv2            bool
	arch              []types.ArchitectureValues
	archName          map[types.ArchitectureValues]string
	releases          []release
}

const (
	amazonLinux = "137112412989"
	amazonECS   = "591542846629"
	canonical   = "099720109477"
)

var (
	bothArch = []types.ArchitectureValues{types.ArchitectureValuesX8664, types.ArchitectureValuesArm64}
	gnuArch  = map[types.ArchitectureValues]string{types.ArchitectureValuesX8664: "x86_64", types.ArchitectureValuesArm64: "arm64"}
	debArch  = map[types.ArchitectureValues]string{types.ArchitectureValuesX8664: "amd64", types.ArchitectureValuesArm64: "arm64"}

	families = []family{
		{"al2023-ami-2023.VERSION.DATE.0-kernel-6.1-ARCH", "Amazon Linux 2023 AMI 2023.VERSION.DATE.0 ARCH HVM kernel-6.1",
			amazonLinux, "amazon", "/dev/xvda", 8, types.VolumeTypeGp3, true, bothArch, gnuArch, []release{{"9", "20251117"}, {"10", "20260105"}}},
		{"al2023-ami-minimal-2023.VERSION.DATE.0-kernel-6.1-ARCH", "Amazon Linux 2023 AMI 2023.VERSION.DATE.0 ARCH Minimal HVM kernel-6.1",
			amazonLinux, "amazon", "/dev/xvda", 2, types.VolumeTypeGp3, true, bothArch, gnuArch, []release{{"10", "20260105"}}},
		{"amzn2-ami-hvm-2.0.DATE.VERSION-ARCH-gp2", "Amazon Linux 2 AMI 2.0.DATE.VERSION ARCH HVM gp2",
			amazonLinux, "amazon", "/dev/xvda", 8, types.VolumeTypeGp2, false, bothArch, gnuArch, []release{{"0", "20251110"}, {"1", "20260109"}}},
		{"amzn2-ami-kernel-5.10-hvm-2.0.DATE.VERSION-ARCH-gp2", "Amazon Linux 2 Kernel 5.10 AMI 2.0.DATE.VERSION ARCH HVM gp2",
			amazonLinux, "amazon", "/dev/xvda", 8, types.VolumeTypeGp2, false, bothArch, gnuArch, []release{{"0", "20251110"}, {"1", "20260109"}}},
		{"al2023-ami-ecs-hvm-2023.0.DATE-kernel-6.1-ARCH", "Amazon Linux AMI 2023.0.DATE ARCH ECS HVM EBS",
			amazonECS, "amazon", "/dev/xvda", 30, types.VolumeTypeGp3, true, bothArch, gnuArch, []release{{"", "20251205"}, {"", "20260112"}}},
		{"amzn2-ami-ecs-hvm-2.0.DATE-x86_64-ebs", "Amazon Linux AMI 2.0.DATE x86_64 ECS HVM GP2",
			amazonECS, "amazon", "/dev/xvda", 30, types.VolumeTypeGp2, false, bothArch[:1], gnuArch, []release{{"", "20251205"}, {"", "20260112"}}},
		{"ubuntu/images/hvm-ssd/ubuntu-focal-20.04-ARCH-server-DATE", "Canonical, Ubuntu, 20.04 LTS, ARCH focal image build on DATE",
			canonical, "", "/dev/sda1", 8, types.VolumeTypeGp2, false, bothArch, debArch, []release{{"", "20250508"}}},
		{"ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-ARCH-server-DATE", "Canonical, Ubuntu, 22.04 LTS, ARCH jammy image build on DATE",
			canonical, "", "/dev/sda1", 8, types.VolumeTypeGp2, false, bothArch, debArch, []release{{"", "20251122"}, {"", "20260108"}}},
		{"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-ARCH-server-DATE", "Canonical, Ubuntu, 24.04, ARCH noble image build on DATE",
			canonical, "", "/dev/sda1", 8, types.VolumeTypeGp3, true, bothArch, debArch, []release{{"", "20251122"}, {"", "20260108"}}},
	}
)

// catalogue are the region's images. Ids differ by region, as in AWS.
func (c *call) catalogue() []imageRow {
	var out []imageRow
	for _, f := range families {
		for _, arch := range f.arch {
			for _, r := range f.releases {
				fill := strings.NewReplacer("VERSION", r.version, "DATE", r.date, "ARCH", f.archName[arch]).Replace
				name := fill(f.name)
				sum := sha256.Sum256([]byte(c.region + "\x00" + name))
				out = append(out, imageRow{
					ID: "ami-0" + hex.EncodeToString(sum[:8]), Name: name, Description: fill(f.description), Owner: f.owner, Alias: f.alias,
					Architecture: arch, Created: r.date[:4] + "-" + r.date[4:6] + "-" + r.date[6:] + "T12:00:00.000Z",
					Root: f.root, Size: f.size, Type: f.volume, IMDSv2: f.imdsv2,
				})
			}
		}
	}
	sortBy(out, func(m imageRow) string { return m.ID })
	return out
}

// image finds an image; one that is not in the catalogue is an Amazon Linux
// by its looks, with no architecture of its own.
func (c *call) image(id string) imageRow {
	for _, m := range c.catalogue() {
		if m.ID == id {
			return m
		}
	}
	return imageRow{
		ID: id, Name: id, Description: "an image that the sandbox knows by its id only", Owner: amazonLinux, Alias: "amazon",
		Created: "2026-01-05T12:00:00.000Z", Root: "/dev/xvda", Size: 8, Type: types.VolumeTypeGp2,
	}
}

func snapshotOf(image string) string { return "snap-" + strings.TrimPrefix(image, "ami-") }

func imageView(m imageRow) types.Image {
	v := types.Image{
		ImageId: &m.ID, Name: &m.Name, Description: &m.Description, OwnerId: &m.Owner, ImageOwnerAlias: optional(m.Alias),
		ImageLocation: new(m.Owner + "/" + m.Name), Architecture: m.Architecture, CreationDate: &m.Created, Public: new(true),
		ImageType: types.ImageTypeValuesMachine, State: types.ImageStateAvailable, Hypervisor: types.HypervisorTypeXen,
		VirtualizationType: types.VirtualizationTypeHvm, RootDeviceType: types.DeviceTypeEbs, RootDeviceName: &m.Root,
		EnaSupport: new(true), SriovNetSupport: new("simple"), PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: &m.Root, Ebs: &types.EbsBlockDevice{
			DeleteOnTermination: new(true), Encrypted: new(false), SnapshotId: new(snapshotOf(m.ID)), VolumeSize: &m.Size, VolumeType: m.Type,
		}}},
	}
	if m.Architecture == "" {
		v.Architecture = types.ArchitectureValuesX8664
	}
	if m.IMDSv2 {
		v.ImdsSupport = types.ImdsSupportValuesV20
		v.BootMode = types.BootModeValuesUefiPreferred
	}
	return v
}

var imageFields = fields[types.Image]{
	"architecture":        func(m types.Image) []string { return enum(m.Architecture) },
	"creation-date":       func(m types.Image) []string { return str(m.CreationDate) },
	"description":         func(m types.Image) []string { return str(m.Description) },
	"ena-support":         func(m types.Image) []string { return flag(m.EnaSupport) },
	"hypervisor":          func(m types.Image) []string { return enum(m.Hypervisor) },
	"image-id":            func(m types.Image) []string { return str(m.ImageId) },
	"image-type":          func(m types.Image) []string { return enum(m.ImageType) },
	"is-public":           func(m types.Image) []string { return flag(m.Public) },
	"manifest-location":   func(m types.Image) []string { return str(m.ImageLocation) },
	"name":                func(m types.Image) []string { return str(m.Name) },
	"owner-alias":         func(m types.Image) []string { return str(m.ImageOwnerAlias) },
	"owner-id":            func(m types.Image) []string { return str(m.OwnerId) },
	"platform":            func(m types.Image) []string { return enum(m.Platform) },
	"root-device-name":    func(m types.Image) []string { return str(m.RootDeviceName) },
	"root-device-type":    func(m types.Image) []string { return enum(m.RootDeviceType) },
	"state":               func(m types.Image) []string { return enum(m.State) },
	"virtualization-type": func(m types.Image) []string { return enum(m.VirtualizationType) },
	"block-device-mapping.volume-type": func(m types.Image) []string {
		return each(m.BlockDeviceMappings, func(b types.BlockDeviceMapping) []string { return enum(b.Ebs.VolumeType) })
	},
	"block-device-mapping.device-name": func(m types.Image) []string {
		return each(m.BlockDeviceMappings, func(b types.BlockDeviceMapping) []string { return str(b.DeviceName) })
	},
}

func (c *call) describeImages(in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	images := c.catalogue()
	for _, id := range in.ImageIds {
		if err := imageNoun.checkID(id); err != nil {
			return nil, err
		}
	}
	if len(in.ImageIds) > 0 {
		images = nil
		for _, id := range in.ImageIds {
			images = append(images, c.image(id))
		}
		sortBy(images, func(m imageRow) string { return m.ID })
	}
	var views []types.Image
	for _, m := range images {
		if len(in.Owners) > 0 && !slices.ContainsFunc(in.Owners, func(o string) bool {
			return o == m.Owner || o == m.Alias && o != "" || o == "self" && m.Owner == c.account
		}) {
			continue
		}
		// All images of the sandbox are public.
		if len(in.ExecutableUsers) > 0 && !slices.Contains(in.ExecutableUsers, "all") {
			continue
		}
		v := imageView(m)
		v.Tags = c.tags(m.ID)
		views = append(views, v)
	}
	views, err := filter(views, in.Filters, imageFields, func(m types.Image) []types.Tag { return m.Tags })
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, func(m types.Image) string { return aws.ToString(m.ImageId) })
	if err != nil {
		return nil, err
	}
	return &api.DescribeImagesOutput{Images: page, NextToken: next}, nil
}
