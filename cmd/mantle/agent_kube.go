package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/cri"
	places "github.com/mantle-iam/mantle/internal/host"
	"github.com/mantle-iam/mantle/internal/kube"
)

// reviewed verifies tokens of pods by the cluster that the configuration of the
// moment names.
type reviewed struct{ now atomic.Pointer[kube.Reviewer] }

// Review verifies one token.
func (r *reviewed) Review(ctx context.Context, token string, from netip.Addr) (broker.Pod, error) {
	if by := r.now.Load(); by != nil {
		return by.Review(ctx, token, from)
	}
	return broker.Pod{}, errors.New("the configuration names no cluster any more")
}

// cluster are the directories of a node: the API server's pods and, if it is to
// be asked, the container runtime.
func (d *directories) cluster(cfg *config.Config) []source {
	k := cfg.Agent.Kubernetes
	if k == nil {
		d.reviewed.now.Store(nil)
		for _, w := range cfg.Workloads {
			if len(w.Match) > 0 && w.Match[0].Kind == config.KindPod {
				return []source{{"kubernetes", func() (places.Directory, error) {
					return nil, usagef("%s: workload %q is described by a pod block, and nothing says which cluster this host is a node of", w.Where.Position, w.Name).withHint("add a kubernetes block to the agent block")
				}}}
			}
		}
		return nil
	}
	list := []source{{fmt.Sprintf("kubernetes %q %q %q", k.Kubeconfig, k.Node, k.Audience), func() (places.Directory, error) {
		pods, by, err := d.pods(k)
		if err != nil {
			return nil, fmt.Errorf("%s: kubernetes: %w", k.Where.Position, err)
		}
		d.reviewed.now.Store(by)
		return pods, nil
	}}}
	if k.CRI != "" {
		list = append(list, source{"cri " + k.CRI, func() (places.Directory, error) {
			return cri.New(k.CRI, cri.Options{Log: d.log})
		}})
	}
	return list
}

// pods are those of this node, and what verifies their tokens.
func (d *directories) pods(k *config.Kubernetes) (*kube.Pods, *kube.Reviewer, error) {
	var at kube.Cluster
	var err error
	if k.Kubeconfig != "" {
		at, err = kube.ReadKubeconfig(k.Kubeconfig)
	} else {
		at, err = kube.InCluster(d.get("KUBERNETES_SERVICE_HOST"), d.get("KUBERNETES_SERVICE_PORT"), kube.AccountFolder)
	}
	if err != nil {
		return nil, nil, err
	}
	client, err := kube.NewClient(at, "mantle")
	if err != nil {
		return nil, nil, err
	}
	node := k.Node
	if node == "" {
		if node, err = os.Hostname(); err != nil {
			return nil, nil, err
		}
	}
	pods, err := kube.NewPods(client, kube.Options{Node: node, Log: d.log})
	if err != nil {
		return nil, nil, err
	}
	return pods, kube.NewReviewer(client, pods, kube.ReviewerOptions{Audience: k.Audience}), nil
}
