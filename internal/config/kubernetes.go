package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Kubernetes says how the agent learns which pods run on this node.
type Kubernetes struct {
	Where      Where  `json:"-"`
	Kubeconfig string `json:",omitempty"` // file; "" = the service account of the pod that the agent runs in
	Node       string `json:",omitempty"` // as in spec.nodeName; "" = the name of the host
	Audience   string `json:",omitempty"` // of tokens; "" = EKS Pod Identity's
	CRI        string `json:",omitempty"` // unix:// address of the container runtime; "" = not asked
}

func kubernetesBlock() block[Kubernetes] {
	text := func(name, want, def, doc string, set func(*decoder, *Kubernetes, item)) field[Kubernetes] {
		return field[Kubernetes]{name: name, want: want, def: def, doc: doc,
			set: func(d *decoder, k *Kubernetes, v value) {
				if it, ok := d.filled(v); ok {
					set(d, k, it)
				}
			}}
	}
	return block[Kubernetes]{
		name:  "kubernetes",
		where: func(k *Kubernetes) *Where { return &k.Where },
		fields: []field[Kubernetes]{
			text("kubeconfig", "path", "the service account of the pod that the agent runs in", "A kubeconfig file that leads to the API server.",
				func(d *decoder, k *Kubernetes, it item) { k.Kubeconfig = d.path(it.text) }),
			text("node", "string", "the name of the host", "The node whose pods are served, as in `spec.nodeName`; in a DaemonSet `env(\"NODE_NAME\")`, which its manifest fills in.",
				func(d *decoder, k *Kubernetes, it item) { k.Node = it.text }),
			text("audience", "string", "`pods.eks.amazonaws.com`", "Whom the tokens that pods present at the Pod Identity endpoint have to be made for.",
				func(d *decoder, k *Kubernetes, it item) { k.Audience = it.text }),
			text("cri", "unix:///PATH", "none", "The socket of the node's container runtime, such as `unix:///run/containerd/containerd.sock`. It knows a container the moment it starts, and says which process is its first.",
				func(d *decoder, k *Kubernetes, it item) {
					if path, ok := strings.CutPrefix(it.text, "unix://"); !ok || !strings.HasPrefix(path, "/") {
						d.add(it.at, "as in unix:///run/containerd/containerd.sock", "cri %s is no address of a Unix socket", quote(it.text))
						return
					}
					k.CRI = it.text
				}),
		},
	}
}

// agentChildren are the blocks inside the agent block.
func agentChildren() []child[Agent] {
	return []child[Agent]{
		{block: kubernetesBlock(), doc: "The node of a Kubernetes cluster that this host is: `pod` blocks match its pods, and the Pod Identity endpoint takes their tokens.",
			set: func(d *decoder, a *Agent, b *hcl.Block) {
				a.Kubernetes = &Kubernetes{}
				decode(d, kubernetesBlock(), b.Body, start(b), a.Kubernetes)
			}},
	}
}
