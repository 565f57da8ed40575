package cri

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

// Labels that the kubelet gives to sandboxes and containers,
// https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/types/labels.go.
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelUID       = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
	kubernetes     = "io.kubernetes."
)

// sandbox is a pod sandbox as far as it matters.
type sandbox struct {
	pod         *broker.Pod // without a container; nil if no kubelet made it
	hostNetwork bool
	addresses   []netip.Addr
	pid         int // of the process that holds the namespaces, 0 if there is none
}

// sandboxOf reads what a runtime says of a sandbox.
func sandboxOf(s *cri.PodSandboxStatus, info map[string]string) *sandbox {
	out := &sandbox{
		hostNetwork: s.GetLinux().GetNamespaces().GetOptions().GetNetwork() == cri.NamespaceMode_NODE,
		pid:         pidOf(info),
	}
	labels := s.GetLabels()
	// The metadata is what the CRI requires of every caller; the labels are the
	// kubelet's alone, and say that there is a pod.
	if uid := labels[labelUID]; uid != "" {
		own := maps.Clone(labels)
		maps.DeleteFunc(own, func(k, _ string) bool { return strings.HasPrefix(k, kubernetes) })
		out.pod = &broker.Pod{UID: uid, Namespace: labels[labelNamespace], Name: labels[labelPod], Labels: own}
	}
	if out.hostNetwork {
		return out
	}
	add := func(ip string) {
		if a, err := netip.ParseAddr(ip); err == nil {
			if a = a.Unmap().WithZone(""); !slices.Contains(out.addresses, a) {
				out.addresses = append(out.addresses, a)
			}
		}
	}
	add(s.GetNetwork().GetIp())
	for _, ip := range s.GetNetwork().GetAdditionalIps() {
		add(ip.GetIp())
	}
	return out
}

// pidOf reads the first process out of what a runtime says when it is asked to
// be verbose. containerd and CRI-O both write {"pid": N} there; the CRI leaves
// it open, so 0 stands for "not told".
func pidOf(info map[string]string) int {
	var v struct {
		PID int `json:"pid"`
	}
	if json.Unmarshal([]byte(info["info"]), &v) != nil || v.PID < 0 {
		return 0
	}
	return v.PID
}

// placeOf is a running container.
func placeOf(runtime string, c *cri.Container, box *sandbox, pid int) host.Place {
	labels := maps.Clone(c.GetLabels())
	name := labels[labelContainer]
	if name == "" {
		name = c.GetMetadata().GetName()
	}
	maps.DeleteFunc(labels, func(k, _ string) bool { return strings.HasPrefix(k, kubernetes) })
	image := c.GetImage().GetUserSpecifiedImage() // as it was asked for; older runtimes do not say
	if image == "" {
		image = c.GetImage().GetImage()
	}
	p := host.Place{
		Container: &broker.Container{Runtime: runtime, ID: c.GetId(), Name: name, Image: image, Labels: labels},
		PID:       pid,
		// A container of the CRI is started once; its next start has another id.
		Generation:  c.GetId() + "@" + strconv.FormatInt(c.GetCreatedAt(), 10),
		HostNetwork: box.hostNetwork,
		Addresses:   box.addresses,
	}
	if box.pod != nil {
		pod := *box.pod
		pod.Container = name
		p.Pod = &pod
	}
	return p
}
