package autoscaling

import (
	"errors"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The permissions of the API: "Actions, resources, and condition keys for
// Amazon EC2 Auto Scaling",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html.

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

func onAll[In any](c *call, _ *In) ([]service.Check, error) {
	return []service.Check{{Action: "autoscaling:" + c.op, Resource: "*"}}, nil
}

// arn is the ARN of a group; one that does not exist has any unique id.
func (c *call) arn(name, uuid string) string {
	if uuid == "" {
		uuid = "*"
	}
	return "arn:" + c.partition + ":autoscaling:" + c.region + ":" + c.account + ":autoScalingGroup:" + uuid + ":autoScalingGroupName/" + name
}

// on is the permission for the call's action on a group.
func (c *call) on(name *string, keys ...service.KV) service.Check {
	g, _ := groups.Get(c.tx, c.key(aws.ToString(name)))
	for _, t := range g.Tags {
		keys = append(keys, kv("aws:ResourceTag/"+t.Key, t.Value), kv("autoscaling:ResourceTag/"+t.Key, t.Value))
	}
	return service.Check{Action: "autoscaling:" + c.op, Resource: c.arn(aws.ToString(name), g.UUID), Context: keys}
}

func requestTags(tags []types.Tag) (out []service.KV) {
	var all []string
	for _, t := range tags {
		if t.Key != nil {
			out = append(out, kv("aws:RequestTag/"+*t.Key, aws.ToString(t.Value)))
			all = append(all, *t.Key)
		}
	}
	if len(all) > 0 {
		out = append(out, kv("aws:TagKeys", all...))
	}
	return out
}

// sizes are the keys of a group's bounds and place.
func sizes(low, high *int32, subnets *string, template *types.LaunchTemplateSpecification) (out []service.KV) {
	if low != nil {
		out = append(out, kv("autoscaling:MinSize", strconv.Itoa(int(*low))))
	}
	if high != nil {
		out = append(out, kv("autoscaling:MaxSize", strconv.Itoa(int(*high))))
	}
	if s := aws.ToString(subnets); s != "" {
		out = append(out, kv("autoscaling:VPCZoneIdentifiers", split(s)...))
	}
	if template != nil {
		v := aws.ToString(template.Version)
		out = append(out, kv("autoscaling:LaunchTemplateVersionSpecified", strconv.FormatBool(v != "" && !strings.HasPrefix(v, "$"))))
	}
	return out
}

// launching are the permissions to launch what a template describes: Auto
// Scaling asks for them by a dry run of RunInstances as the caller.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
func (c *call) launching(spec *types.LaunchTemplateSpecification, subnet string) []service.Check {
	if spec == nil {
		return nil
	}
	checks, err := c.ec2.LaunchChecks(c.tx, c.account, c.region, reference(spec), aws.ToString(spec.Version), subnet)
	if err != nil {
		return nil // the handler says what is wrong with the template
	}
	for i := range checks {
		if checks[i].Action == "iam:PassRole" {
			ec2 := checks[i].Denied
			checks[i].Denied = func(message string) *wire.Error {
				if ec2 != nil {
					message = ec2(message).Message
				}
				return malformed(message)
			}
			continue
		}
		checks[i].Denied = func(string) *wire.Error {
			return wire.Fail("AccessDenied", 403, "You are not authorized to use launch template: %s", reference(spec))
		}
	}
	return checks
}

// malformed is the error for a launch template that cannot be launched.
func malformed(why string) *wire.Error {
	return invalid("You must use a valid fully-formed launch template. %s", why)
}

// reason is the sentence of an error of EC2.
func reason(err error) string {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

func reference(spec *types.LaunchTemplateSpecification) string {
	if spec.LaunchTemplateId != nil {
		return *spec.LaunchTemplateId
	}
	return aws.ToString(spec.LaunchTemplateName)
}

func (c *call) mayCreate(in *api.CreateAutoScalingGroupInput) ([]service.Check, error) {
	keys := append(sizes(in.MinSize, in.MaxSize, in.VPCZoneIdentifier, in.LaunchTemplate), requestTags(in.Tags)...)
	out := []service.Check{c.on(in.AutoScalingGroupName, keys...)}
	return append(out, c.launching(in.LaunchTemplate, first(in.VPCZoneIdentifier))...), nil
}

func (c *call) mayUpdate(in *api.UpdateAutoScalingGroupInput) ([]service.Check, error) {
	out := []service.Check{c.on(in.AutoScalingGroupName, sizes(in.MinSize, in.MaxSize, in.VPCZoneIdentifier, in.LaunchTemplate)...)}
	return append(out, c.launching(in.LaunchTemplate, first(in.VPCZoneIdentifier))...), nil
}

func first(subnets *string) string {
	if list := split(aws.ToString(subnets)); len(list) > 0 {
		return list[0]
	}
	return ""
}

// split reads a list of subnets.
func split(list string) (out []string) {
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (c *call) maySetDesired(in *api.SetDesiredCapacityInput) ([]service.Check, error) {
	return []service.Check{c.on(in.AutoScalingGroupName)}, nil
}

func (c *call) mayDelete(in *api.DeleteAutoScalingGroupInput) ([]service.Check, error) {
	return []service.Check{c.on(in.AutoScalingGroupName)}, nil
}

func (c *call) mayCreateTags(in *api.CreateOrUpdateTagsInput) ([]service.Check, error) {
	return c.onTagged(in.Tags), nil
}

func (c *call) mayDeleteTags(in *api.DeleteTagsInput) ([]service.Check, error) {
	return c.onTagged(in.Tags), nil
}

// onTagged checks each group that tags name, with its tags.
func (c *call) onTagged(tags []types.Tag) (out []service.Check) {
	by := map[string][]types.Tag{}
	var names []string
	for _, t := range tags {
		name := aws.ToString(t.ResourceId)
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], t)
	}
	for _, name := range names {
		out = append(out, c.on(&name, requestTags(by[name])...))
	}
	return out
}
