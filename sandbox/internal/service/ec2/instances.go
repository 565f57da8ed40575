package ec2

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// afterlife is how long a terminated instance is still shown.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html
const afterlife = time.Hour

// vanished tells whether an instance has been terminated too long ago to be
// shown.
func (c *call) vanished(i instanceRow) bool {
	return i.State == types.InstanceStateNameTerminated && c.now.Sub(i.Ended) > afterlife
}

// sweep removes the instances that have vanished.
func (c *call) sweep() {
	for key, i := range instances.Range(c.tx, c.scope()) {
		if c.vanished(i) {
			instances.Delete(c.tx, key)
			c.forget(i.ID)
		}
	}
}

// instance finds the instance that a parameter names.
func (c *call) instance(id *string) (instanceRow, error) {
	if aws.ToString(id) == "" {
		return instanceRow{}, lacking("InstanceId")
	}
	if err := instanceNoun.checkID(*id); err != nil {
		return instanceRow{}, err
	}
	i, ok := get(c, instances, *id)
	if !ok || c.vanished(i) {
		return instanceRow{}, instanceNoun.gone(*id)
	}
	return i, nil
}

// each finds the instances of a list; one that is missing fails the call.
func (c *call) instancesOf(ids []string) ([]instanceRow, error) {
	if len(ids) == 0 {
		return nil, lacking("InstanceId")
	}
	var out []instanceRow
	var missing []string
	for _, id := range ids {
		if err := instanceNoun.checkID(id); err != nil {
			return nil, err
		}
		i, ok := get(c, instances, id)
		if !ok || c.vanished(i) {
			missing = append(missing, id)
			continue
		}
		if !slices.ContainsFunc(out, func(o instanceRow) bool { return o.ID == id }) {
			out = append(out, i)
		}
	}
	switch len(missing) {
	case 0:
		return out, nil
	case 1:
		return nil, instanceNoun.gone(missing[0])
	}
	return nil, wire.Fail("InvalidInstanceID.NotFound", 400, "The instance IDs '%s' do not exist", strings.Join(missing, ", "))
}

// stateCodes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html
var stateCodes = map[types.InstanceStateName]int32{
	types.InstanceStateNamePending: 0, types.InstanceStateNameRunning: 16, types.InstanceStateNameShuttingDown: 32,
	types.InstanceStateNameTerminated: 48, types.InstanceStateNameStopping: 64, types.InstanceStateNameStopped: 80,
}

func stateView(s types.InstanceStateName) *types.InstanceState {
	return &types.InstanceState{Code: new(stateCodes[s]), Name: s}
}

// internalName is the private DNS name.
// https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
func (c *call) internalName(i instanceRow) string {
	domain := c.region + ".compute.internal"
	if c.region == "us-east-1" {
		domain = "ec2.internal"
	}
	if i.HostnameType == types.HostnameTypeResourceName {
		return i.ID + "." + domain
	}
	return "ip-" + strings.ReplaceAll(i.Interface.IP, ".", "-") + "." + domain
}

// publicName is the public DNS name, if the VPC gives names.
func (c *call) publicName(i instanceRow) string {
	v, _ := get(c, vpcs, i.VPC)
	if i.PublicIP == "" || !v.DNSHostnames {
		return ""
	}
	domain := c.region + ".compute"
	if c.region == "us-east-1" {
		domain = "compute-1"
	}
	return "ec2-" + strings.ReplaceAll(i.PublicIP, ".", "-") + "." + domain + ".amazonaws.com"
}

func (c *call) groupNames(ids []string) []types.GroupIdentifier {
	out := []types.GroupIdentifier{}
	for _, id := range ids {
		g, _ := get(c, groups, id)
		out = append(out, types.GroupIdentifier{GroupId: &id, GroupName: optional(g.Name)})
	}
	return out
}

func (c *call) instanceView(i instanceRow) types.Instance {
	k, _ := kindOf(i.Type)
	hypervisor := types.HypervisorTypeXen
	monitoring := types.MonitoringStateDisabled
	if i.Monitoring {
		monitoring = types.MonitoringStateEnabled
	}
	v := types.Instance{
		InstanceId: &i.ID, ImageId: &i.Image, InstanceType: types.InstanceType(i.Type), State: stateView(i.State), AmiLaunchIndex: &i.Index,
		ClientToken: optional(i.ClientToken), KeyName: optional(i.Key), LaunchTime: &i.Launched, Architecture: i.Architecture,
		Placement:  &types.Placement{AvailabilityZone: &i.Zone, AvailabilityZoneId: new(c.zoneID(i.Zone)), Tenancy: i.Tenancy, GroupName: new("")},
		Monitoring: &types.Monitoring{State: monitoring}, EbsOptimized: &i.EBSOptimized, EnaSupport: new(true),
		Hypervisor: hypervisor, VirtualizationType: types.VirtualizationTypeHvm, RootDeviceType: types.DeviceTypeEbs, RootDeviceName: &i.RootDevice,
		PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"), UsageOperationUpdateTime: &i.Launched,
		CpuOptions:                       &types.CpuOptions{CoreCount: new(k.vcpus / max(k.threads, 1)), ThreadsPerCore: &k.threads},
		CapacityReservationSpecification: &types.CapacityReservationSpecificationResponse{CapacityReservationPreference: types.CapacityReservationPreferenceOpen},
		HibernationOptions:               &types.HibernationOptions{Configured: new(false)},
		EnclaveOptions:                   &types.EnclaveOptions{Enabled: new(false)},
		MaintenanceOptions:               &types.InstanceMaintenanceOptions{AutoRecovery: types.InstanceAutoRecoveryStateDefault},
		MetadataOptions:                  i.Metadata.view(types.InstanceMetadataOptionsStateApplied),
		CurrentInstanceBootMode:          types.InstanceBootModeValuesLegacyBios,
		Tags:                             c.tags(i.ID),
		StateTransitionReason:            new(""),
		PrivateDnsName:                   new(""), PublicDnsName: new(""),
	}
	if i.Profile != nil {
		v.IamInstanceProfile = &types.IamInstanceProfile{Arn: &i.Profile.ARN, Id: &i.Profile.ID}
	}
	if !i.Ended.IsZero() && i.State != types.InstanceStateNameRunning {
		v.StateTransitionReason = new("User initiated (" + i.Ended.Format("2006-01-02 15:04:05") + " GMT)")
		v.StateReason = &types.StateReason{Code: new("Client.UserInitiatedShutdown"), Message: new("Client.UserInitiatedShutdown: User initiated shutdown")}
	}
	if i.State == types.InstanceStateNameTerminated {
		// Its network is gone, and so are its volumes.
		v.BlockDeviceMappings, v.NetworkInterfaces, v.SecurityGroups = []types.InstanceBlockDeviceMapping{}, []types.InstanceNetworkInterface{}, []types.GroupIdentifier{}
		v.IamInstanceProfile = nil
		return v
	}
	v.VpcId, v.SubnetId, v.PrivateIpAddress, v.PublicIpAddress = &i.VPC, &i.Subnet, &i.Interface.IP, optional(i.PublicIP)
	v.PrivateDnsName, v.PublicDnsName = new(c.internalName(i)), new(c.publicName(i))
	v.PrivateDnsNameOptions = &types.PrivateDnsNameOptionsResponse{HostnameType: i.HostnameType, EnableResourceNameDnsARecord: &i.ResourceNameA, EnableResourceNameDnsAAAARecord: new(false)}
	v.SourceDestCheck = new(!i.Interface.NoCheck)
	v.SecurityGroups = c.groupNames(i.Groups)
	v.BlockDeviceMappings = i.mappings()
	v.NetworkInterfaces = []types.InstanceNetworkInterface{c.attachedInterface(i)}
	return v
}

// An item is an instance with what only its reservation shows.
type item struct {
	types.Instance
	row instanceRow
}

var instanceFields = fields[item]{
	"architecture":                   func(i item) []string { return enum(i.Architecture) },
	"availability-zone":              func(i item) []string { return str(i.Placement.AvailabilityZone) },
	"client-token":                   func(i item) []string { return str(i.ClientToken) },
	"dns-name":                       func(i item) []string { return str(i.PublicDnsName) },
	"group-id":                       func(i item) []string { return i.row.Groups },
	"instance.group-id":              func(i item) []string { return i.row.Groups },
	"group-name":                     groupNamesOf,
	"instance.group-name":            groupNamesOf,
	"hypervisor":                     func(i item) []string { return enum(i.Hypervisor) },
	"image-id":                       func(i item) []string { return str(i.ImageId) },
	"instance-id":                    func(i item) []string { return str(i.InstanceId) },
	"instance-state-code":            func(i item) []string { return number(i.State.Code) },
	"instance-state-name":            func(i item) []string { return enum(i.State.Name) },
	"instance-type":                  func(i item) []string { return enum(i.InstanceType) },
	"ip-address":                     func(i item) []string { return str(i.PublicIpAddress) },
	"key-name":                       func(i item) []string { return str(i.KeyName) },
	"launch-index":                   func(i item) []string { return number(i.AmiLaunchIndex) },
	"launch-time":                    func(i item) []string { return []string{i.LaunchTime.Format("2006-01-02T15:04:05.000Z")} },
	"monitoring-state":               func(i item) []string { return enum(i.Monitoring.State) },
	"private-dns-name":               func(i item) []string { return str(i.PrivateDnsName) },
	"private-ip-address":             func(i item) []string { return str(i.PrivateIpAddress) },
	"reservation-id":                 func(i item) []string { return []string{i.row.Reservation} },
	"root-device-name":               func(i item) []string { return str(i.RootDeviceName) },
	"root-device-type":               func(i item) []string { return enum(i.RootDeviceType) },
	"source-dest-check":              func(i item) []string { return flag(i.SourceDestCheck) },
	"subnet-id":                      func(i item) []string { return str(i.SubnetId) },
	"network-interface.subnet-id":    func(i item) []string { return str(i.SubnetId) },
	"network-interface.vpc-id":       func(i item) []string { return str(i.VpcId) },
	"tenancy":                        func(i item) []string { return enum(i.Placement.Tenancy) },
	"virtualization-type":            func(i item) []string { return enum(i.VirtualizationType) },
	"vpc-id":                         func(i item) []string { return str(i.VpcId) },
	"metadata-options.http-tokens":   func(i item) []string { return enum(i.MetadataOptions.HttpTokens) },
	"metadata-options.http-endpoint": func(i item) []string { return enum(i.MetadataOptions.HttpEndpoint) },
	"metadata-options.http-put-response-hop-limit": func(i item) []string { return number(i.MetadataOptions.HttpPutResponseHopLimit) },
	"metadata-options.instance-metadata-tags":      func(i item) []string { return enum(i.MetadataOptions.InstanceMetadataTags) },
	"iam-instance-profile.arn": func(i item) []string {
		if i.IamInstanceProfile == nil {
			return nil
		}
		return str(i.IamInstanceProfile.Arn)
	},
	"iam-instance-profile.id": func(i item) []string {
		if i.IamInstanceProfile == nil {
			return nil
		}
		return str(i.IamInstanceProfile.Id)
	},
	"iam-instance-profile.name": func(i item) []string {
		if i.row.Profile == nil {
			return nil
		}
		return []string{i.row.Profile.Name}
	},
}

func groupNamesOf(i item) []string {
	return each(i.SecurityGroups, func(g types.GroupIdentifier) []string { return str(g.GroupName) })
}

func itemTags(i item) []types.Tag { return i.Tags }

// items are the instances that can be seen.
func (c *call) items() []item {
	var out []item
	for _, i := range all(c, instances) {
		if !c.vanished(i) {
			out = append(out, item{c.instanceView(i), i})
		}
	}
	return out
}

func itemID(i item) string { return *i.InstanceId }

func (c *call) describeInstances(in *api.DescribeInstancesInput) (*api.DescribeInstancesOutput, error) {
	if len(in.InstanceIds) > 0 {
		if in.MaxResults != nil {
			return nil, combination("The parameter instancesSet cannot be used with the parameter maxResults")
		}
		if _, err := c.instancesOf(in.InstanceIds); err != nil {
			return nil, err
		}
	}
	items, err := pick(c.items(), in.InstanceIds, instanceNoun, itemID)
	if err != nil {
		return nil, err
	}
	if items, err = filter(items, in.Filters, instanceFields, itemTags); err != nil {
		return nil, err
	}
	page, next, err := paginate(items, in.MaxResults, in.NextToken, itemID)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstancesOutput{Reservations: []types.Reservation{}, NextToken: next}
	for _, i := range page {
		n := slices.IndexFunc(out.Reservations, func(r types.Reservation) bool { return *r.ReservationId == i.row.Reservation })
		if n < 0 {
			n = len(out.Reservations)
			out.Reservations = append(out.Reservations, types.Reservation{ReservationId: &i.row.Reservation, OwnerId: &c.account, Groups: []types.GroupIdentifier{}})
		}
		out.Reservations[n].Instances = append(out.Reservations[n].Instances, i.Instance)
	}
	for _, r := range out.Reservations {
		slices.SortFunc(r.Instances, func(a, b types.Instance) int { return cmp.Compare(*a.AmiLaunchIndex, *b.AmiLaunchIndex) })
	}
	return out, nil
}

var statusFields = fields[item]{
	"availability-zone":            instanceFields["availability-zone"],
	"instance-state-code":          instanceFields["instance-state-code"],
	"instance-state-name":          instanceFields["instance-state-name"],
	"instance-status.status":       statusOf,
	"system-status.status":         statusOf,
	"instance-status.reachability": reachabilityOf,
	"system-status.reachability":   reachabilityOf,
}

func statusOf(i item) []string {
	if i.row.State == types.InstanceStateNameRunning {
		return []string{"ok"}
	}
	return []string{"not-applicable"}
}

func reachabilityOf(i item) []string {
	if i.row.State == types.InstanceStateNameRunning {
		return []string{"passed"}
	}
	return nil
}

// describeStatus shows running instances, or all if asked to.
func (c *call) describeStatus(in *api.DescribeInstanceStatusInput) (*api.DescribeInstanceStatusOutput, error) {
	items, err := pick(c.items(), in.InstanceIds, instanceNoun, itemID)
	if err != nil {
		return nil, err
	}
	if !aws.ToBool(in.IncludeAllInstances) {
		items = slices.DeleteFunc(items, func(i item) bool { return i.row.State != types.InstanceStateNameRunning })
	}
	if items, err = filter(items, in.Filters, statusFields, itemTags); err != nil {
		return nil, err
	}
	page, next, err := paginate(items, in.MaxResults, in.NextToken, itemID)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeInstanceStatusOutput{InstanceStatuses: []types.InstanceStatus{}, NextToken: next}
	for _, i := range page {
		sum := &types.InstanceStatusSummary{Status: types.SummaryStatus(statusOf(i)[0])}
		if i.row.State == types.InstanceStateNameRunning {
			sum.Details = []types.InstanceStatusDetails{{Name: types.StatusNameReachability, Status: types.StatusTypePassed}}
		}
		out.InstanceStatuses = append(out.InstanceStatuses, types.InstanceStatus{
			InstanceId: i.InstanceId, AvailabilityZone: i.Placement.AvailabilityZone, InstanceState: i.State, InstanceStatus: sum, SystemStatus: sum,
		})
	}
	return out, nil
}

func change(id string, from, to types.InstanceStateName) types.InstanceStateChange {
	return types.InstanceStateChange{InstanceId: &id, PreviousState: stateView(from), CurrentState: stateView(to)}
}

// put stores a changed instance.
func (c *call) put(i instanceRow) { instances.Put(c.tx, c.key(i.ID), i) }

func (c *call) terminateInstances(in *api.TerminateInstancesInput) (*api.TerminateInstancesOutput, error) {
	c.sweep()
	rows, err := c.instancesOf(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	out := &api.TerminateInstancesOutput{TerminatingInstances: []types.InstanceStateChange{}}
	for _, i := range rows {
		if i.State == types.InstanceStateNameTerminated {
			out.TerminatingInstances = append(out.TerminatingInstances, change(i.ID, i.State, i.State))
			continue
		}
		if i.KeepTermination {
			return nil, wire.Fail("OperationNotPermitted", 400, "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", i.ID)
		}
		out.TerminatingInstances = append(out.TerminatingInstances, change(i.ID, i.State, types.InstanceStateNameShuttingDown))
		c.end(i)
	}
	return out, nil
}

// end terminates an instance, and its devices with it.
func (c *call) end(i instanceRow) {
	c.forget(i.Interface.ID)
	for _, v := range i.Volumes {
		c.forget(v.ID)
	}
	i.State, i.Ended, i.PublicIP = types.InstanceStateNameTerminated, c.now, ""
	c.put(i)
}

func (c *call) stopInstances(in *api.StopInstancesInput) (*api.StopInstancesOutput, error) {
	if aws.ToBool(in.Hibernate) {
		return nil, unsupported("hibernation")
	}
	rows, err := c.instancesOf(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	out := &api.StopInstancesOutput{StoppingInstances: []types.InstanceStateChange{}}
	for _, i := range rows {
		switch {
		case i.State == types.InstanceStateNameTerminated:
			return nil, wire.Fail("IncorrectInstanceState", 400, "This instance '%s' is not in a state from which it can be stopped.", i.ID)
		case i.State == types.InstanceStateNameStopped:
			out.StoppingInstances = append(out.StoppingInstances, change(i.ID, i.State, i.State))
			continue
		case i.KeepStop:
			return nil, wire.Fail("OperationNotPermitted", 400, "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		}
		out.StoppingInstances = append(out.StoppingInstances, change(i.ID, i.State, types.InstanceStateNameStopping))
		i.State, i.Ended, i.PublicIP = types.InstanceStateNameStopped, c.now, ""
		c.put(i)
	}
	return out, nil
}

func (c *call) startInstances(in *api.StartInstancesInput) (*api.StartInstancesOutput, error) {
	rows, err := c.instancesOf(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	out := &api.StartInstancesOutput{StartingInstances: []types.InstanceStateChange{}}
	for _, i := range rows {
		switch i.State {
		case types.InstanceStateNameTerminated:
			return nil, wire.Fail("IncorrectInstanceState", 400, "The instance '%s' is not in a state from which it can be started.", i.ID)
		case types.InstanceStateNameRunning:
			out.StartingInstances = append(out.StartingInstances, change(i.ID, i.State, i.State))
			continue
		}
		out.StartingInstances = append(out.StartingInstances, change(i.ID, i.State, types.InstanceStateNamePending))
		i.State, i.Launched, i.Ended = types.InstanceStateNameRunning, c.now, time.Time{}
		i.Starts++
		i.PublicIP = publicIP(i)
		c.put(i)
	}
	return out, nil
}

func (c *call) rebootInstances(in *api.RebootInstancesInput) (*api.RebootInstancesOutput, error) {
	rows, err := c.instancesOf(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range rows {
		if i.State != types.InstanceStateNameRunning {
			return nil, wire.Fail("IncorrectState", 400, "The instance '%s' is not in a state from which it can be rebooted.", i.ID)
		}
	}
	return &api.RebootInstancesOutput{}, nil
}
