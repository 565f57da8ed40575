package ecs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// compatibilities are the launch types that a definition can run on, in the
// order in which ECS shows them.
func compatibilities(d *types.TaskDefinition) []types.Compatibility {
	if d.NetworkMode != types.NetworkModeAwsvpc {
		return []types.Compatibility{types.CompatibilityExternal, types.CompatibilityEc2}
	}
	out := []types.Compatibility{types.CompatibilityEc2}
	fargate := validateFargate(&api.RegisterTaskDefinitionInput{
		NetworkMode: d.NetworkMode, Cpu: d.Cpu, Memory: d.Memory, ExecutionRoleArn: d.ExecutionRoleArn,
		ContainerDefinitions: d.ContainerDefinitions, Volumes: d.Volumes,
	})
	if fargate == nil {
		out = append(out, types.CompatibilityFargate)
	}
	return out
}

// abilities are the attributes that a container instance must have to run a
// definition: those that follow from roles, networking, logging and secrets.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html
func abilities(d *types.TaskDefinition) []types.Attribute {
	var names []string
	need := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range d.ContainerDefinitions {
		x := &d.ContainerDefinitions[i]
		need("com.amazonaws.ecs.capability.docker-remote-api.1.18")
		if aws.ToBool(x.Privileged) {
			need("com.amazonaws.ecs.capability.privileged-container")
		}
		if isECR(*x.Image) {
			need("com.amazonaws.ecs.capability.ecr-auth")
			need("com.amazonaws.ecs.capability.docker-remote-api.1.19")
			if d.ExecutionRoleArn != nil {
				need("ecs.capability.execution-role-ecr-pull")
			}
		}
		if x.MemoryReservation != nil {
			need("com.amazonaws.ecs.capability.docker-remote-api.1.21")
		}
		if x.LogConfiguration != nil {
			need("com.amazonaws.ecs.capability.logging-driver." + string(x.LogConfiguration.LogDriver))
			if x.LogConfiguration.LogDriver == types.LogDriverAwslogs && d.ExecutionRoleArn != nil {
				need("ecs.capability.execution-role-awslogs")
			}
		}
		for _, s := range x.Secrets {
			need("ecs.capability.secrets." + secretStore(aws.ToString(s.ValueFrom)) + ".environment-variables")
		}
	}
	if d.TaskRoleArn != nil {
		need("com.amazonaws.ecs.capability.docker-remote-api.1.17")
		if d.NetworkMode == types.NetworkModeHost {
			need("com.amazonaws.ecs.capability.task-iam-role-network-host")
		} else {
			need("com.amazonaws.ecs.capability.task-iam-role")
		}
	}
	if d.NetworkMode == types.NetworkModeAwsvpc {
		need("ecs.capability.task-eni")
	}
	slices.Sort(names)
	out := []types.Attribute{}
	for _, n := range names {
		out = append(out, types.Attribute{Name: &n})
	}
	return out
}

// secretStore is where a secret lies: Secrets Manager, or the Parameter
// Store, which may be named without an ARN.
func secretStore(from string) string {
	if d, err := parseService(from); err == nil && d == "secretsmanager" {
		return "asm"
	}
	return "ssm"
}
