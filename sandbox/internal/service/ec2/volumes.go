package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Volumes live and die with their instance.
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html

// planVolumes joins the image's root device with the devices of the call.
func (c *call) planVolumes(p *plan) error {
	root := volumeRow{Device: p.image.Root, Size: p.image.Size, Type: p.image.Type, Snapshot: snapshotOf(p.image.ID)}
	list := []volumeRow{root}
	for _, m := range p.in.BlockDeviceMappings {
		name := aws.ToString(m.DeviceName)
		switch {
		case name == "":
			return lacking("DeviceName")
		case aws.ToString(m.VirtualName) != "":
			return unsupported("instance store volumes")
		}
		i := slices.IndexFunc(list, func(v volumeRow) bool { return v.Device == name })
		if m.NoDevice != nil {
			if i == 0 {
				return invalid("The root device %s cannot be left out", name)
			}
			continue
		}
		if i < 0 {
			i = len(list)
			list = append(list, volumeRow{Device: name, Type: types.VolumeTypeGp2})
		}
		if m.Ebs != nil {
			list[i].set(m.Ebs)
		}
		if list[i].Size == 0 {
			return wire.Fail("MissingParameter", 400, "The request must contain the parameter size or snapshotId")
		}
	}
	for i := range list {
		if err := list[i].performance(); err != nil {
			return err
		}
	}
	if list[0].Size < p.image.Size {
		return wire.Fail("InvalidBlockDeviceMapping", 400, "Volume of size %dGB is smaller than snapshot '%s', expect size>= %dGB", list[0].Size, root.Snapshot, p.image.Size)
	}
	p.proto.Volumes = list
	return nil
}

func (v *volumeRow) set(e *types.EbsBlockDevice) {
	if e.VolumeSize != nil {
		v.Size = *e.VolumeSize
	}
	if e.VolumeType != "" {
		v.Type = e.VolumeType
	}
	if e.SnapshotId != nil {
		v.Snapshot = *e.SnapshotId
	}
	v.IOPS, v.Throughput = aws.ToInt32(e.Iops), aws.ToInt32(e.Throughput)
	v.Encrypted = aws.ToBool(e.Encrypted)
	v.KMSKey = aws.ToString(e.KmsKeyId)
	v.Keep = e.DeleteOnTermination != nil && !*e.DeleteOnTermination
}

// performance fills in what the volume type gives.
func (v *volumeRow) performance() error {
	if v.Size < 1 || v.Size > 16384 {
		return invalid("Volume of %dGiB is not between 1 and 16384 GiB", v.Size)
	}
	switch v.Type {
	case types.VolumeTypeGp3:
		if v.IOPS == 0 {
			v.IOPS = 3000
		}
		if v.Throughput == 0 {
			v.Throughput = 125
		}
		return nil
	case types.VolumeTypeIo1, types.VolumeTypeIo2:
		if v.IOPS == 0 {
			return lacking("iops")
		}
	case types.VolumeTypeGp2:
		if v.IOPS != 0 {
			return combination("The parameter iops is not supported for gp2 volumes.")
		}
		v.IOPS = min(max(100, 3*v.Size), 16000)
	case types.VolumeTypeSt1, types.VolumeTypeSc1, types.VolumeTypeStandard:
		if v.IOPS != 0 {
			return combination("The parameter iops is not supported for %s volumes.", v.Type)
		}
	default:
		return invalid("Unknown volume type %s", v.Type)
	}
	if v.Throughput != 0 {
		return combination("The parameter throughput is not supported for %s volumes.", v.Type)
	}
	return nil
}

// instanceOf finds the living instance for which is holds.
func (c *call) instanceOf(is func(instanceRow) bool) (instanceRow, bool) {
	for _, i := range instances.Range(c.tx, c.scope()) {
		if i.State != types.InstanceStateNameTerminated && is(i) {
			return i, true
		}
	}
	return instanceRow{}, false
}

// volume finds a volume and its instance.
func (c *call) volume(id string) (instanceRow, volumeRow) {
	for _, i := range instances.Range(c.tx, c.scope()) {
		for _, v := range i.Volumes {
			if v.ID == id && i.State != types.InstanceStateNameTerminated {
				return i, v
			}
		}
	}
	return instanceRow{}, volumeRow{}
}

func (c *call) volumeView(i instanceRow, v volumeRow) types.Volume {
	view := types.Volume{
		VolumeId: &v.ID, Size: &v.Size, VolumeType: v.Type, State: types.VolumeStateInUse, CreateTime: &v.Created,
		AvailabilityZone: &i.Zone, AvailabilityZoneId: new(c.zoneID(i.Zone)), Encrypted: &v.Encrypted, KmsKeyId: optional(v.KMSKey), SnapshotId: new(v.Snapshot),
		MultiAttachEnabled: new(false), Tags: c.tags(v.ID),
		Attachments: []types.VolumeAttachment{{
			VolumeId: &v.ID, InstanceId: &i.ID, Device: &v.Device, State: types.VolumeAttachmentStateAttached,
			AttachTime: &v.Created, DeleteOnTermination: new(!v.Keep),
		}},
	}
	if v.IOPS != 0 {
		view.Iops = &v.IOPS
	}
	if v.Throughput != 0 {
		view.Throughput = &v.Throughput
	}
	return view
}

func attachment(value func(types.VolumeAttachment) []string) func(types.Volume) []string {
	return func(v types.Volume) []string { return each(v.Attachments, value) }
}

var volumeFields = fields[types.Volume]{
	"attachment.delete-on-termination": attachment(func(a types.VolumeAttachment) []string { return flag(a.DeleteOnTermination) }),
	"attachment.device":                attachment(func(a types.VolumeAttachment) []string { return str(a.Device) }),
	"attachment.instance-id":           attachment(func(a types.VolumeAttachment) []string { return str(a.InstanceId) }),
	"attachment.status":                attachment(func(a types.VolumeAttachment) []string { return enum(a.State) }),
	"availability-zone":                func(v types.Volume) []string { return str(v.AvailabilityZone) },
	"encrypted":                        func(v types.Volume) []string { return flag(v.Encrypted) },
	"size":                             func(v types.Volume) []string { return number(v.Size) },
	"snapshot-id":                      func(v types.Volume) []string { return str(v.SnapshotId) },
	"status":                           func(v types.Volume) []string { return enum(v.State) },
	"volume-id":                        func(v types.Volume) []string { return str(v.VolumeId) },
	"volume-type":                      func(v types.Volume) []string { return enum(v.VolumeType) },
}

func (c *call) describeVolumes(in *api.DescribeVolumesInput) (*api.DescribeVolumesOutput, error) {
	var views []types.Volume
	for _, i := range all(c, instances) {
		if i.State == types.InstanceStateNameTerminated {
			continue
		}
		for _, v := range i.Volumes {
			views = append(views, c.volumeView(i, v))
		}
	}
	id := func(v types.Volume) string { return *v.VolumeId }
	sortBy(views, id)
	views, err := pick(views, in.VolumeIds, volumeNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, volumeFields, func(v types.Volume) []types.Tag { return v.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeVolumesOutput{Volumes: page, NextToken: next}, nil
}

// mappings is how instances show their volumes.
func (i instanceRow) mappings() []types.InstanceBlockDeviceMapping {
	out := []types.InstanceBlockDeviceMapping{}
	for _, v := range i.Volumes {
		out = append(out, types.InstanceBlockDeviceMapping{DeviceName: &v.Device, Ebs: &types.EbsInstanceBlockDevice{
			VolumeId: &v.ID, Status: types.AttachmentStatusAttached, AttachTime: &v.Created, DeleteOnTermination: new(!v.Keep),
		}})
	}
	return out
}

// mac is a locally administered address made of an interface's id.
func mac(eni string) string {
	digits := strings.TrimPrefix(eni, "eni-")[1:]
	parts := []string{"02"}
	for i := range 5 {
		parts = append(parts, digits[2*i:2*i+2])
	}
	return strings.Join(parts, ":")
}
