package iam

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Service-linked roles: https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html

// linked is what a service calls its role.
type linked struct {
	role   string // the end of AWSServiceRoleFor…
	policy string // the managed policy it gets; empty if the sandbox has none
	suffix bool   // whether a custom suffix is allowed
}

// linkedRoles are the services whose roles the sandbox can make, by service
// principal.
var linkedRoles = map[string]linked{
	"ecs.amazonaws.com":                              {role: "ECS", policy: "AmazonECSServiceRolePolicy"},
	"autoscaling.amazonaws.com":                      {role: "AutoScaling", suffix: true},
	"spot.amazonaws.com":                             {role: "EC2Spot"},
	"spotfleet.amazonaws.com":                        {role: "EC2SpotFleet"},
	"elasticloadbalancing.amazonaws.com":             {role: "ElasticLoadBalancing"},
	"rds.amazonaws.com":                              {role: "RDS"},
	"eks.amazonaws.com":                              {role: "AmazonEKS"},
	"eks-nodegroup.amazonaws.com":                    {role: "AmazonEKSNodegroup"},
	"replication.ecr.amazonaws.com":                  {role: "ECRReplication"},
	"replication.dynamodb.amazonaws.com":             {role: "DynamoDBReplication"},
	"ecs.application-autoscaling.amazonaws.com":      {role: "ApplicationAutoScaling_ECSService"},
	"dynamodb.application-autoscaling.amazonaws.com": {role: "ApplicationAutoScaling_DynamoDBTable"},
	"ssm.amazonaws.com":                              {role: "AmazonSSM"},
	"organizations.amazonaws.com":                    {role: "Organizations"},
}

const linkedPath = "/aws-service-role/"

// linkedName is the name of a service's role; ok is false for a service that
// has none.
func linkedName(in *api.CreateServiceLinkedRoleInput) (l linked, name string, ok bool) {
	l, ok = linkedRoles[aws.ToString(in.AWSServiceName)]
	name = "AWSServiceRoleFor" + l.role
	if s := aws.ToString(in.CustomSuffix); s != "" {
		name += "_" + s
	}
	return l, name, ok
}

func (c *call) mayCreateServiceLinkedRole(in *api.CreateServiceLinkedRoleInput) ([]service.Check, error) {
	var bad inputs
	bad.length("aWSServiceName", in.AWSServiceName, 1, 128)
	if in.CustomSuffix != nil {
		bad.name("customSuffix", in.CustomSuffix, maxName)
	}
	if err := bad.result(); err != nil {
		return nil, err
	}
	_, name, ok := linkedName(in)
	if !ok {
		name = "*"
	}
	return c.one(c.arn(c.account(), roleKind, linkedPath+*in.AWSServiceName+"/", name), kv(keyService, *in.AWSServiceName)), nil
}

func (c *call) createServiceLinkedRole(in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	var bad inputs
	bad.description(in.Description)
	if err := bad.result(); err != nil {
		return nil, err
	}
	l, name, ok := linkedName(in)
	switch {
	case !ok:
		return nil, invalidInput("Service name %s is not valid: the sandbox has no service-linked role for it.", *in.AWSServiceName)
	case in.CustomSuffix != nil && *in.CustomSuffix != "" && !l.suffix:
		return nil, invalidInput("Custom suffix is not allowed for %s", *in.AWSServiceName)
	case names.Has(c.tx, nameKey(c.account(), roleKind, name)):
		return nil, invalidInput("Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	e := &entity{
		Kind: roleKind, ID: c.NewID("AROA", c.account()), Account: c.account(),
		Path: linkedPath + *in.AWSServiceName + "/", Name: name, Created: c.now(),
		Description: aws.ToString(in.Description), MaxSession: defaultSessionSecs, Service: *in.AWSServiceName,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + *in.AWSServiceName + `"},"Action":"sts:AssumeRole"}]}`,
	}
	if l.policy != "" {
		c.link(e, "arn:"+c.partition+":iam::aws:policy"+linkedPath+l.policy)
	}
	c.add(e)
	return &api.CreateServiceLinkedRoleOutput{Role: new(c.roleView(e, true))}, nil
}

// deletionRow is a deletion that was asked for; the sandbox deletes at once.
type deletionRow struct {
	ARN  string    `json:"arn"`
	When time.Time `json:"when"`
}

func (c *call) deleteServiceLinkedRole(in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	found, err := c.named(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	if found.Service == "" {
		return nil, noSuchEntity("The role with name %s cannot be found.", found.Name) // it is no service-linked role
	}
	e := found.clone()
	for _, arn := range e.Attached {
		attachments.Delete(c.tx, attachKey(e.Account, arn, attached, e.ID))
	}
	for _, id := range e.Profiles {
		if p, ok := profiles.Get(c.tx, id); ok {
			p = p.clone()
			p.Role = ""
			profiles.Put(c.tx, p.ID, p)
		}
	}
	c.clearBoundary(e)
	c.remove(e)
	task := "task" + linkedPath + e.Service + "/" + e.Name + "/" + newUUID()
	deletions.Put(c.tx, c.account()+"/"+task, &deletionRow{ARN: c.entityARN(e), When: c.now()})
	return &api.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, nil
}

// mayGetDeletionStatus asks at the role that the task names:
// task/aws-service-role/SERVICE/ROLE/UUID.
func (c *call) mayGetDeletionStatus(in *api.GetServiceLinkedRoleDeletionStatusInput) ([]service.Check, error) {
	var bad inputs
	bad.length("deletionTaskId", in.DeletionTaskId, 1, 1000)
	if err := bad.result(); err != nil {
		return nil, err
	}
	if parts := strings.Split(*in.DeletionTaskId, "/"); len(parts) == 5 {
		return c.one(c.arn(c.account(), roleKind, linkedPath+parts[2]+"/", parts[3])), nil
	}
	return nil, invalidInput("The specified value for deletionTaskId is invalid: %s", *in.DeletionTaskId)
}

func (c *call) getServiceLinkedRoleDeletionStatus(in *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	if !deletions.Has(c.tx, c.account()+"/"+*in.DeletionTaskId) {
		return nil, noSuchEntity("Deletion task %s cannot be found.", *in.DeletionTaskId)
	}
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}, nil
}
