package ecs

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// filled are the containers of a definition with what ECS fills in. Clients
// that compare a definition with what they sent, Terraform among them, know
// these values.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
func filled(in *api.RegisterTaskDefinitionInput) []types.ContainerDefinition {
	out := slices.Clone(in.ContainerDefinitions)
	for i := range out {
		x := &out[i]
		if x.Essential == nil {
			x.Essential = new(true)
		}
		x.Environment = orEmpty(x.Environment)
		x.MountPoints = orEmpty(x.MountPoints)
		x.VolumesFrom = orEmpty(x.VolumesFrom)
		x.SystemControls = orEmpty(x.SystemControls)
		x.PortMappings = append([]types.PortMapping{}, x.PortMappings...)
		for j := range x.PortMappings {
			fillPort(&x.PortMappings[j], in.NetworkMode)
		}
		if x.HealthCheck != nil {
			h := *x.HealthCheck
			h.Interval = cmp.Or(h.Interval, aws.Int32(30))
			h.Timeout = cmp.Or(h.Timeout, aws.Int32(5))
			h.Retries = cmp.Or(h.Retries, aws.Int32(3))
			x.HealthCheck = &h
		}
	}
	return out
}

func fillPort(p *types.PortMapping, mode types.NetworkMode) {
	if p.Protocol == "" {
		p.Protocol = types.TransportProtocolTcp
	}
	if p.HostPort != nil || p.ContainerPortRange != nil {
		return
	}
	if mode == types.NetworkModeAwsvpc || mode == types.NetworkModeHost {
		p.HostPort = p.ContainerPort // the container has the network's own ports
	} else {
		p.HostPort = aws.Int32(0) // the host's choice
	}
}

// cpuUnits reads an amount of CPU: units, of which 1024 are a processor, or
// a number of processors as in ".25 vCPU".
func cpuUnits(s string) (int32, bool) {
	return amount(s, "vcpu", 1024)
}

// mebibytes reads an amount of memory: MiB, or GiB as in "0.5GB".
func mebibytes(s string) (int32, bool) {
	return amount(s, "gb", 1024)
}

func amount(s, unit string, factor float64) (int32, bool) {
	s = strings.TrimSpace(s)
	text, scaled := strings.CutSuffix(strings.ToLower(s), unit)
	if !scaled {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 1 {
			return 0, false
		}
		return int32(n), true
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(f > 0) || f*factor > math.MaxInt32 {
		return 0, false
	}
	return int32(f * factor), true
}
