package docker

import (
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

// Labels that the ECS agent gives to the containers of a task.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
const (
	ecsTask      = "com.amazonaws.ecs.task-arn"
	ecsCluster   = "com.amazonaws.ecs.cluster"
	ecsFamily    = "com.amazonaws.ecs.task-definition-family"
	ecsRevision  = "com.amazonaws.ecs.task-definition-version"
	ecsContainer = "com.amazonaws.ecs.container-name"
)

// Labels that the kubelet has its containers given.
const (
	podUID       = "io.kubernetes.pod.uid"
	podName      = "io.kubernetes.pod.name"
	podNamespace = "io.kubernetes.pod.namespace"
	podContainer = "io.kubernetes.container.name"
)

// placeOf reads what the engine says of a container; false if it does not run.
func (d *Directory) placeOf(c *container.InspectResponse) (place, bool) {
	if c.State == nil || !c.State.Running || c.State.Pid <= 0 || c.ID == "" {
		return place{}, false
	}
	var image string
	var labels map[string]string
	if c.Config != nil {
		image, labels = c.Config.Image, c.Config.Labels
	}
	p := place{Place: host.Place{
		Container: &broker.Container{
			Runtime: d.opt.Name, ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: image, Labels: labels,
		},
		Task:       taskOf(labels),
		Pod:        podOf(labels),
		PID:        c.State.Pid,
		Generation: c.ID + "@" + c.State.StartedAt,
	}}
	if c.HostConfig != nil {
		p.HostNetwork = c.HostConfig.NetworkMode.IsHost()
		if c.HostConfig.NetworkMode.IsContainer() {
			p.joins = c.HostConfig.NetworkMode.ConnectedContainer()
		}
	}
	if c.NetworkSettings != nil && !p.HostNetwork && p.joins == "" {
		for _, n := range c.NetworkSettings.Networks {
			if n == nil {
				continue
			}
			for _, a := range []netip.Addr{n.IPAddress, n.GlobalIPv6Address} {
				if a.IsValid() && !a.IsUnspecified() {
					p.Addresses = append(p.Addresses, a.Unmap().WithZone(""))
				}
			}
		}
	}
	return p, true
}

// taskOf is the task that the labels name, nil if they name none.
func taskOf(labels map[string]string) *broker.Task {
	arn := labels[ecsTask]
	if arn == "" {
		return nil
	}
	// The agent knows its cluster by name or by ARN, as it was configured.
	cluster := labels[ecsCluster]
	return &broker.Task{
		ARN:     arn,
		Cluster: cluster[strings.LastIndexByte(cluster, '/')+1:],
		Family:  labels[ecsFamily], Revision: labels[ecsRevision], Container: labels[ecsContainer],
	}
}

// podOf is the pod that the labels name, nil if they name none. Its service
// account and its own labels are not among them: Kubernetes has to be asked.
func podOf(labels map[string]string) *broker.Pod {
	if labels[podUID] == "" {
		return nil
	}
	return &broker.Pod{UID: labels[podUID], Namespace: labels[podNamespace], Name: labels[podName], Container: labels[podContainer]}
}
