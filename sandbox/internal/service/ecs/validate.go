package ecs

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What ECS refuses to register.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html

// maxContainers bounds the containers of a definition.
const maxContainers = 10

// minMemory is the least memory of a container, in MiB.
const minMemory = 6

// validate checks a definition whose family and roles are known to be good.
func validate(in *api.RegisterTaskDefinitionInput) error {
	switch n := len(in.ContainerDefinitions); {
	case n == 0:
		return clientError("Container list cannot be empty.")
	case n > maxContainers:
		return clientError("Container list cannot have more than %d elements.", maxContainers)
	}
	if _, ok := cpuUnits(aws.ToString(in.Cpu)); in.Cpu != nil && !ok {
		return clientError("Invalid 'cpu' setting for task.")
	}
	if _, ok := mebibytes(aws.ToString(in.Memory)); in.Memory != nil && !ok {
		return clientError("Invalid 'memory' setting for task.")
	}
	volumes := map[string]bool{}
	for _, v := range in.Volumes {
		name := aws.ToString(v.Name)
		if !validName(name) {
			return clientError("Volume.name contains invalid characters.")
		}
		if volumes[name] {
			return clientError("Volume name should be unique: %s", name)
		}
		volumes[name] = true
	}
	names := map[string]bool{}
	essential := false
	for i := range in.ContainerDefinitions {
		x := &in.ContainerDefinitions[i]
		if err := validateContainer(in, x, volumes); err != nil {
			return err
		}
		if names[*x.Name] {
			return clientError("Container names in a task definition must be unique: %s", *x.Name)
		}
		names[*x.Name] = true
		essential = essential || x.Essential == nil || *x.Essential
	}
	if !essential {
		return clientError("At least one container must be marked as essential.")
	}
	for i := range in.ContainerDefinitions {
		if err := validateOthers(&in.ContainerDefinitions[i], names); err != nil {
			return err
		}
	}
	if slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) {
		return validateFargate(in)
	}
	return nil
}

func validateContainer(in *api.RegisterTaskDefinitionInput, x *types.ContainerDefinition, volumes map[string]bool) error {
	name, image := aws.ToString(x.Name), aws.ToString(x.Image)
	switch {
	case name == "":
		return clientError("Container.name should not be null or empty.")
	case !validName(name):
		return clientError("Container.name contains invalid characters.")
	case image == "":
		return clientError("Container.image should not be null or empty.")
	case len(image) > maxName || strings.ContainsAny(image, " \t\r\n"):
		return clientError("Container.image contains invalid characters.")
	case x.Cpu < 0:
		return clientError("Invalid setting for container '%s'. 'cpu' must not be negative.", name)
	}
	if x.Memory == nil && x.MemoryReservation == nil && in.Memory == nil {
		return clientError("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", name)
	}
	for _, m := range []*int32{x.Memory, x.MemoryReservation} {
		if m != nil && *m < minMemory {
			return clientError("Invalid setting for container '%s'. 'memory' must be at least %d.", name, minMemory)
		}
	}
	if x.Memory != nil && x.MemoryReservation != nil && *x.MemoryReservation > *x.Memory {
		return clientError("Invalid setting for container '%s'. 'memoryReservation' must not be greater than 'memory'.", name)
	}
	if limit, ok := mebibytes(aws.ToString(in.Memory)); ok && aws.ToInt32(x.Memory) > limit {
		return clientError("Invalid setting for container '%s'. 'memory' must not be greater than that of the task.", name)
	}
	for _, m := range x.MountPoints {
		if v := aws.ToString(m.SourceVolume); !volumes[v] {
			return clientError("Unknown volume '%s'.", v)
		}
	}
	for _, p := range x.PortMappings {
		port, host := aws.ToInt32(p.ContainerPort), p.HostPort
		if p.ContainerPortRange == nil && (port < 1 || port > 65535) || host != nil && (*host < 0 || *host > 65535) {
			return clientError("Invalid port mapping in container '%s'. Ports must be between 1 and 65535.", name)
		}
		if own := in.NetworkMode == types.NetworkModeAwsvpc || in.NetworkMode == types.NetworkModeHost; own && host != nil && *host != port {
			return clientError("When networkMode=%s, the host ports and container ports in port mappings must match.", in.NetworkMode)
		}
	}
	if in.NetworkMode == types.NetworkModeNone && len(x.PortMappings) > 0 {
		return clientError("When networkMode=none, port mappings are not allowed.")
	}
	if len(x.Links) > 0 && in.NetworkMode != "" && in.NetworkMode != types.NetworkModeBridge {
		return clientError("Links are not supported when networkMode=%s.", in.NetworkMode)
	}
	if len(x.Secrets) > 0 && aws.ToString(in.ExecutionRoleArn) == "" {
		return clientError("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
	}
	return nil
}

// validateOthers checks what a container says of the other ones.
func validateOthers(x *types.ContainerDefinition, names map[string]bool) error {
	for _, l := range x.Links {
		to, _, _ := strings.Cut(l, ":")
		if !names[to] {
			return clientError("Container '%s' links to the unknown container '%s'.", *x.Name, to)
		}
	}
	for _, v := range x.VolumesFrom {
		if from := aws.ToString(v.SourceContainer); !names[from] {
			return clientError("Container '%s' mounts volumes of the unknown container '%s'.", *x.Name, from)
		}
	}
	for _, d := range x.DependsOn {
		if on := aws.ToString(d.ContainerName); !names[on] || on == *x.Name {
			return clientError("Container '%s' cannot depend on container '%s'.", *x.Name, on)
		}
	}
	return nil
}

// fargateMemory is the memory, in MiB, that each amount of CPU can have on
// Fargate: from, to, step. A step of 0 doubles.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
func fargateMemory(cpu int32) (from, to, step int32) {
	const g = 1024
	switch cpu {
	case 256:
		return 512, 2 * g, 0
	case 512:
		return 1 * g, 4 * g, g
	case 1024:
		return 2 * g, 8 * g, g
	case 2048:
		return 4 * g, 16 * g, g
	case 4096:
		return 8 * g, 30 * g, g
	case 8192:
		return 16 * g, 60 * g, 4 * g
	case 16384:
		return 32 * g, 120 * g, 8 * g
	}
	return 1, 0, 1
}

// fitsFargate tells whether Fargate has tasks of this size.
func fitsFargate(cpu, memory int32) bool {
	from, to, step := fargateMemory(cpu)
	switch {
	case memory < from || memory > to:
		return false
	case step == 0:
		for m := from; m <= to; m *= 2 {
			if m == memory {
				return true
			}
		}
		return false
	}
	return (memory-from)%step == 0
}

// validateFargate checks a definition that requires Fargate.
func validateFargate(in *api.RegisterTaskDefinitionInput) error {
	if in.NetworkMode != types.NetworkModeAwsvpc {
		return clientError("Fargate only supports network mode ‘awsvpc’.")
	}
	cpu, ok := cpuUnits(aws.ToString(in.Cpu))
	if !ok {
		return clientError("Fargate requires that 'cpu' be defined at the task level.")
	}
	memory, ok := mebibytes(aws.ToString(in.Memory))
	if !ok {
		return clientError("Fargate requires that 'memory' be defined at the task level.")
	}
	if !fitsFargate(cpu, memory) {
		return clientError("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", cpu, memory)
	}
	for i := range in.ContainerDefinitions {
		x := &in.ContainerDefinitions[i]
		switch role := aws.ToString(in.ExecutionRoleArn); {
		case aws.ToBool(x.Privileged):
			return clientError("Privileged containers are not supported on Fargate.")
		case role == "" && isECR(*x.Image):
			return clientError("Fargate requires task definition to have execution role ARN to support ECR images.")
		case role == "" && x.LogConfiguration != nil && x.LogConfiguration.LogDriver == types.LogDriverAwslogs:
			return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
	}
	for _, v := range in.Volumes {
		if v.Host != nil && aws.ToString(v.Host.SourcePath) != "" {
			return clientError("host.sourcePath should not be set for volumes in Fargate.")
		}
	}
	return nil
}
