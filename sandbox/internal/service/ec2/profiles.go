package ec2

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Instance profiles on instances:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html

// findProfile finds the instance profile that a call names.
func (c *call) findProfile(spec *types.IamInstanceProfileSpecification) (Profile, error) {
	if spec == nil {
		return Profile{}, lacking("IamInstanceProfile")
	}
	name, arn := aws.ToString(spec.Name), aws.ToString(spec.Arn)
	switch {
	case name != "" && arn != "":
		return Profile{}, combination("The parameters iamInstanceProfile.name and iamInstanceProfile.arn may not be used together")
	case arn != "":
		p, ok := c.profiles.InstanceProfile(c.account, arn)
		if !ok || p.ARN != arn {
			return Profile{}, invalid("Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", arn)
		}
		return p, nil
	case name == "":
		return Profile{}, lacking("IamInstanceProfile.Name")
	}
	p, ok := c.profiles.InstanceProfile(c.account, name)
	if !ok || p.Name != name {
		return Profile{}, invalid("Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
	}
	return p, nil
}

// living finds an instance that is not terminated.
func (c *call) living(id *string) (instanceRow, error) {
	i, err := c.instance(id)
	if err != nil {
		return i, err
	}
	if i.State == types.InstanceStateNameTerminated {
		return i, wire.Fail("IncorrectInstanceState", 400, "The instance '%s' is not in the 'running' or 'stopped' states.", i.ID)
	}
	return i, nil
}

// associationOf finds an instance by the id of its profile association.
func (c *call) associationOf(id *string) (instanceRow, error) {
	i, ok := c.instanceOf(func(i instanceRow) bool { return i.Profile != nil && i.Profile.Association == aws.ToString(id) })
	if !ok {
		return i, wire.Fail("NoSuchAssociation", 400, "An invalid association-id of '%s' was given", aws.ToString(id))
	}
	return i, nil
}

// mayProfile checks the instance with its old and new profile, and passing
// the new profile's role to EC2.
func (c *call) mayProfile(instance string, spec *types.IamInstanceProfileSpecification) []service.Check {
	p, err := c.findProfile(spec)
	if err != nil {
		return []service.Check{c.check(instanceNoun, instance)}
	}
	out := []service.Check{c.check(instanceNoun, instance, kv("ec2:NewInstanceProfile", p.ARN))}
	return append(out, c.passing(p, instance)...)
}

func associationView(i instanceRow, state types.IamInstanceProfileAssociationState) *types.IamInstanceProfileAssociation {
	return &types.IamInstanceProfileAssociation{
		AssociationId: &i.Profile.Association, InstanceId: &i.ID, State: state,
		IamInstanceProfile: &types.IamInstanceProfile{Arn: &i.Profile.ARN, Id: &i.Profile.ID},
	}
}

func (c *call) mayAssociateProfile(in *api.AssociateIamInstanceProfileInput) ([]service.Check, error) {
	return c.mayProfile(aws.ToString(in.InstanceId), in.IamInstanceProfile), nil
}

func (c *call) associateProfile(in *api.AssociateIamInstanceProfileInput) (*api.AssociateIamInstanceProfileOutput, error) {
	p, err := c.findProfile(in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	i, err := c.living(in.InstanceId)
	if err != nil {
		return nil, err
	}
	if i.Profile != nil {
		return nil, wire.Fail("IncorrectState", 400, "There is an existing association for instance %s", i.ID)
	}
	c.setProfile(&i, p)
	return &api.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: associationView(i, types.IamInstanceProfileAssociationStateAssociating)}, nil
}

func (c *call) setProfile(i *instanceRow, p Profile) {
	i.Profile = &profileRow{Association: newID("iip-assoc"), ARN: p.ARN, Name: p.Name, ID: p.ID, Since: c.now}
	c.put(*i)
}

func (c *call) mayReplaceProfile(in *api.ReplaceIamInstanceProfileAssociationInput) ([]service.Check, error) {
	id := "*"
	if i, err := c.associationOf(in.AssociationId); err == nil {
		id = i.ID
	}
	return c.mayProfile(id, in.IamInstanceProfile), nil
}

// replaceProfile puts another profile in place of one; the association gets
// a new id.
func (c *call) replaceProfile(in *api.ReplaceIamInstanceProfileAssociationInput) (*api.ReplaceIamInstanceProfileAssociationOutput, error) {
	p, err := c.findProfile(in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	i, err := c.associationOf(in.AssociationId)
	if err != nil {
		return nil, err
	}
	c.setProfile(&i, p)
	return &api.ReplaceIamInstanceProfileAssociationOutput{IamInstanceProfileAssociation: associationView(i, types.IamInstanceProfileAssociationStateAssociating)}, nil
}

func (c *call) mayDisassociateProfile(in *api.DisassociateIamInstanceProfileInput) ([]service.Check, error) {
	id := "*"
	if i, err := c.associationOf(in.AssociationId); err == nil {
		id = i.ID
	}
	return []service.Check{c.check(instanceNoun, id)}, nil
}

func (c *call) disassociateProfile(in *api.DisassociateIamInstanceProfileInput) (*api.DisassociateIamInstanceProfileOutput, error) {
	i, err := c.associationOf(in.AssociationId)
	if err != nil {
		return nil, err
	}
	view := associationView(i, types.IamInstanceProfileAssociationStateDisassociating)
	i.Profile = nil
	c.put(i)
	return &api.DisassociateIamInstanceProfileOutput{IamInstanceProfileAssociation: view}, nil
}

var profileFields = fields[types.IamInstanceProfileAssociation]{
	"instance-id": func(a types.IamInstanceProfileAssociation) []string { return str(a.InstanceId) },
	"state":       func(a types.IamInstanceProfileAssociation) []string { return enum(a.State) },
}

func (c *call) describeProfiles(in *api.DescribeIamInstanceProfileAssociationsInput) (*api.DescribeIamInstanceProfileAssociationsOutput, error) {
	var views []types.IamInstanceProfileAssociation
	for _, i := range all(c, instances) {
		if i.Profile != nil && i.State != types.InstanceStateNameTerminated {
			views = append(views, *associationView(i, types.IamInstanceProfileAssociationStateAssociated))
		}
	}
	if len(in.AssociationIds) > 0 {
		views = nil
		for _, id := range in.AssociationIds {
			i, err := c.associationOf(&id)
			if err != nil {
				return nil, err
			}
			views = append(views, *associationView(i, types.IamInstanceProfileAssociationStateAssociated))
		}
	}
	id := func(a types.IamInstanceProfileAssociation) string { return *a.AssociationId }
	sortBy(views, id)
	views, err := filter(views, in.Filters, profileFields, nil)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeIamInstanceProfileAssociationsOutput{IamInstanceProfileAssociations: page, NextToken: next}, nil
}
