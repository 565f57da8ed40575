package ec2

import (
	"encoding/base64"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

func boolean(b bool) *types.AttributeBooleanValue { return &types.AttributeBooleanValue{Value: &b} }

// decoded is what base64 text stands for; it was checked when it came.
func decoded(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}

func text(s string) *types.AttributeValue { return &types.AttributeValue{Value: &s} }

func (c *call) describeAttribute(in *api.DescribeInstanceAttributeInput) (*api.DescribeInstanceAttributeOutput, error) {
	i, err := c.instance(in.InstanceId)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceAttributeOutput{InstanceId: &i.ID}
	switch in.Attribute {
	case types.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = boolean(i.KeepTermination)
	case types.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = boolean(i.KeepStop)
	case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = text(string(i.Shutdown))
	case types.InstanceAttributeNameUserData:
		// Without user data the element is there and empty.
		out.UserData = &types.AttributeValue{Value: optional(i.UserData)}
	case types.InstanceAttributeNameInstanceType:
		out.InstanceType = text(i.Type)
	case types.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = boolean(i.EBSOptimized)
	case types.InstanceAttributeNameEnaSupport:
		out.EnaSupport = boolean(true)
	case types.InstanceAttributeNameSourceDestCheck:
		out.SourceDestCheck = boolean(!i.Interface.NoCheck)
	case types.InstanceAttributeNameRootDeviceName:
		out.RootDeviceName = text(i.RootDevice)
	case types.InstanceAttributeNameGroupSet:
		out.Groups = c.groupNames(i.Groups)
	case types.InstanceAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = i.mappings()
	case types.InstanceAttributeNameKernel, types.InstanceAttributeNameRamdisk, types.InstanceAttributeNameProductCodes,
		types.InstanceAttributeNameSriovNetSupport, types.InstanceAttributeNameEnclaveOptions:
		// Attributes that no instance of the sandbox has.
	default:
		return nil, invalid("Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}

// setting is one attribute that a ModifyInstanceAttribute sets.
type setting struct {
	name, value string
	set         func(*instanceRow) error
	// stopped is true for attributes of which a running instance cannot be
	// rid.
	stopped bool
}

// settings lists the attributes that a call sets. There must be one, and
// only one.
func (c *call) setting(in *api.ModifyInstanceAttributeInput) (setting, error) {
	var found []setting
	flag := func(name string, v *types.AttributeBooleanValue, stopped bool, set func(*instanceRow, bool)) {
		if v != nil && v.Value != nil {
			b := *v.Value
			found = append(found, setting{name, strconv.FormatBool(b), func(i *instanceRow) error { set(i, b); return nil }, stopped})
		}
	}
	disableTermination, disableStop, check, optimized := in.DisableApiTermination, in.DisableApiStop, in.SourceDestCheck, in.EbsOptimized
	kindOfInstance, shutdown := in.InstanceType, in.InstanceInitiatedShutdownBehavior
	var userData *string
	if in.UserData != nil {
		userData = new(base64.StdEncoding.EncodeToString(in.UserData.Value))
	}
	// The other form names the attribute beside its value.
	if in.Attribute != "" && in.Value != nil {
		b := &types.AttributeBooleanValue{Value: new(*in.Value == "true")}
		switch in.Attribute {
		case types.InstanceAttributeNameDisableApiTermination:
			disableTermination = b
		case types.InstanceAttributeNameDisableApiStop:
			disableStop = b
		case types.InstanceAttributeNameSourceDestCheck:
			check = b
		case types.InstanceAttributeNameEbsOptimized:
			optimized = b
		case types.InstanceAttributeNameInstanceType:
			kindOfInstance = text(*in.Value)
		case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
			shutdown = text(*in.Value)
		case types.InstanceAttributeNameUserData:
			userData = in.Value
		default:
			return setting{}, unsupported("changing the attribute " + string(in.Attribute))
		}
	}
	flag("DisableApiTermination", disableTermination, false, func(i *instanceRow, b bool) { i.KeepTermination = b })
	flag("DisableApiStop", disableStop, false, func(i *instanceRow, b bool) { i.KeepStop = b })
	flag("SourceDestCheck", check, false, func(i *instanceRow, b bool) { i.Interface.NoCheck = !b })
	flag("EbsOptimized", optimized, true, func(i *instanceRow, b bool) { i.EBSOptimized = b })
	if kindOfInstance != nil {
		name := aws.ToString(kindOfInstance.Value)
		found = append(found, setting{"InstanceType", name, func(i *instanceRow) error { return i.become(name) }, true})
	}
	if shutdown != nil {
		b := types.ShutdownBehavior(aws.ToString(shutdown.Value))
		found = append(found, setting{"InstanceInitiatedShutdownBehavior", string(b), func(i *instanceRow) error {
			if b != types.ShutdownBehaviorStop && b != types.ShutdownBehaviorTerminate {
				return invalid("Invalid value '%s' for instanceInitiatedShutdownBehavior", b)
			}
			i.Shutdown = b
			return nil
		}, false})
	}
	if userData != nil {
		found = append(found, setting{"UserData", "", func(i *instanceRow) error {
			raw, err := base64.StdEncoding.DecodeString(*userData)
			if err != nil {
				return invalid("Invalid BASE64 encoding of user data.")
			}
			if len(raw) > 16384 {
				return invalid("User data is limited to 16384 bytes")
			}
			i.UserData = *userData
			return nil
		}, true})
	}
	if len(in.Groups) > 0 {
		found = append(found, setting{"GroupSet", "", func(i *instanceRow) error { return c.regroup(i, in.Groups) }, false})
	}
	if len(in.BlockDeviceMappings) > 0 {
		found = append(found, setting{"BlockDeviceMapping", "", func(i *instanceRow) error { return i.keepVolumes(in.BlockDeviceMappings) }, false})
	}
	switch {
	case in.EnaSupport != nil, in.EnclaveOptions != nil, in.Kernel != nil, in.Ramdisk != nil, in.SriovNetSupport != nil:
		return setting{}, unsupported("changing ENA support, enclaves, kernel, RAM disk or SR-IOV of an instance")
	case len(found) == 0:
		return setting{}, wire.Fail("InvalidParameterCombination", 400, "No attributes specified.")
	case len(found) > 1:
		return setting{}, combination("Fields for multiple attribute types specified: %s, %s", found[0].name, found[1].name)
	}
	return found[0], nil
}

// become changes the instance type.
func (i *instanceRow) become(name string) error {
	k, ok := kindOf(name)
	if !ok {
		return invalid("Invalid value '%s' for InstanceType.", name)
	}
	if types.ArchitectureValues(k.arch) != i.Architecture {
		return invalid("The architecture '%s' of the specified instance type does not match the architecture '%s' of the instance.", k.arch, i.Architecture)
	}
	i.Type = name
	if i.Credits == "" && k.burstable {
		i.Credits = "unlimited"
	} else if !k.burstable {
		i.Credits = ""
	}
	return nil
}

// regroup changes the security groups.
func (c *call) regroup(i *instanceRow, ids []string) error {
	i.Groups = nil
	for _, id := range ids {
		g, err := c.group(&id, nil)
		if err != nil {
			return err
		}
		if g.VPC != i.VPC {
			return wire.Fail("InvalidGroup.NotFound", 400, "You have specified two resources that belong to different networks.")
		}
		i.Groups = append(i.Groups, g.ID)
	}
	return nil
}

// keepVolumes changes whether volumes go with the instance.
func (i *instanceRow) keepVolumes(list []types.InstanceBlockDeviceMappingSpecification) error {
	rows := append([]volumeRow(nil), i.Volumes...)
	for _, m := range list {
		found := false
		for n := range rows {
			if rows[n].Device == aws.ToString(m.DeviceName) {
				found = true
				if m.Ebs != nil && m.Ebs.DeleteOnTermination != nil {
					rows[n].Keep = !*m.Ebs.DeleteOnTermination
				}
			}
		}
		if !found {
			return wire.Fail("InvalidInstanceAttributeValue", 400, "No device is currently mapped at %s", aws.ToString(m.DeviceName))
		}
	}
	i.Volumes = rows
	return nil
}

func (c *call) mayModifyAttribute(in *api.ModifyInstanceAttributeInput) ([]service.Check, error) {
	s, err := c.setting(in)
	if err != nil {
		return nil, err
	}
	keys := []service.KV{kv("ec2:Attribute", s.name)}
	if s.value != "" {
		keys = append(keys, kv("ec2:Attribute/"+s.name, s.value))
	}
	out := []service.Check{c.check(instanceNoun, aws.ToString(in.InstanceId), keys...)}
	for _, id := range in.Groups {
		out = append(out, c.check(groupNoun, id))
	}
	return out, nil
}

func (c *call) modifyAttribute(in *api.ModifyInstanceAttributeInput) (*api.ModifyInstanceAttributeOutput, error) {
	s, err := c.setting(in)
	if err != nil {
		return nil, err
	}
	i, err := c.instance(in.InstanceId)
	if err != nil {
		return nil, err
	}
	if s.stopped && i.State != types.InstanceStateNameStopped {
		return nil, wire.Fail("IncorrectInstanceState", 400, "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	if err := s.set(&i); err != nil {
		return nil, err
	}
	c.put(i)
	return &api.ModifyInstanceAttributeOutput{}, nil
}

var creditFields = fields[types.InstanceCreditSpecification]{
	"instance-id": func(s types.InstanceCreditSpecification) []string { return str(s.InstanceId) },
}

func (c *call) describeCredits(in *api.DescribeInstanceCreditSpecificationsInput) (*api.DescribeInstanceCreditSpecificationsOutput, error) {
	var views []types.InstanceCreditSpecification
	for _, i := range all(c, instances) {
		if i.Credits != "" && i.State != types.InstanceStateNameTerminated {
			views = append(views, types.InstanceCreditSpecification{InstanceId: &i.ID, CpuCredits: &i.Credits})
		}
	}
	id := func(s types.InstanceCreditSpecification) string { return *s.InstanceId }
	views, err := pick(views, in.InstanceIds, instanceNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, creditFields, nil); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeInstanceCreditSpecificationsOutput{InstanceCreditSpecifications: page, NextToken: next}, nil
}
