package kube

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

// object is what is read of a pod; everything else is skipped while it is
// decoded and takes no memory. Fields are those of
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		NodeName       string     `json:"nodeName"`
		ServiceAccount string     `json:"serviceAccountName"`
		HostNetwork    bool       `json:"hostNetwork"`
		Containers     []template `json:"containers"`
		Init           []template `json:"initContainers"`
		Ephemeral      []template `json:"ephemeralContainers"`
	} `json:"spec"`
	Status struct {
		Phase     string      `json:"phase"`
		IP        string      `json:"podIP"`
		IPs       []address   `json:"podIPs"`
		Running   []container `json:"containerStatuses"`
		Init      []container `json:"initContainerStatuses"`
		Ephemeral []container `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

// template is a container of a pod's spec.
type template struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

type address struct {
	IP string `json:"ip"`
}

// container is the status of one container.
type container struct {
	Name     string `json:"name"`
	ID       string `json:"containerID"` // "containerd://<id>"
	Restarts int    `json:"restartCount"`
	State    struct {
		Terminated *struct{} `json:"terminated"`
	} `json:"state"`
}

// places are the containers of the pod that run. A container that is listed
// without having ended counts as running: the kubelet reports late, and a
// process asks as soon as it starts.
func (o *object) places() []host.Place {
	if o.over() || o.Metadata.UID == "" {
		return nil
	}
	var addresses []netip.Addr
	if !o.Spec.HostNetwork {
		addresses = o.addresses()
	}
	images := map[string]string{}
	for _, list := range [][]template{o.Spec.Init, o.Spec.Containers, o.Spec.Ephemeral} {
		for _, t := range list {
			images[t.Name] = t.Image
		}
	}
	labels := maps.Clone(o.Metadata.Labels)
	var all []host.Place
	for _, list := range [][]container{o.Status.Init, o.Status.Running, o.Status.Ephemeral} {
		for _, c := range list {
			scheme, id, ok := strings.Cut(c.ID, "://")
			if !ok || id == "" || c.State.Terminated != nil {
				continue
			}
			all = append(all, host.Place{
				Container: &broker.Container{Runtime: scheme, ID: id, Name: c.Name, Image: images[c.Name]},
				Pod: &broker.Pod{UID: o.Metadata.UID, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
					ServiceAccount: o.account(), Container: c.Name, Labels: labels},
				Generation:  o.Metadata.UID + "/" + strconv.Itoa(c.Restarts) + "/" + id,
				HostNetwork: o.Spec.HostNetwork,
				Addresses:   addresses,
			})
		}
	}
	return all
}

// pod is the pod as a token's bearer is known: without a container.
func (o *object) pod() broker.Pod {
	return broker.Pod{UID: o.Metadata.UID, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		ServiceAccount: o.account(), Labels: maps.Clone(o.Metadata.Labels)}
}

// over reports whether the pod has ended. It is listed until it is deleted,
// while its address may already be another's.
func (o *object) over() bool { return o.Status.Phase == "Succeeded" || o.Status.Phase == "Failed" }

// account is the pod's service account. A static pod has none, and then the API
// server's default must not be read into it.
func (o *object) account() string { return o.Spec.ServiceAccount }

// addresses are those of the pod's network, each once.
func (o *object) addresses() []netip.Addr {
	var all []netip.Addr
	for _, ip := range append([]address{{o.Status.IP}}, o.Status.IPs...) {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			if a = a.Unmap().WithZone(""); !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}
