// Package cri asks a container runtime of Kubernetes, containerd or CRI-O, what
// runs on this host, through the Container Runtime Interface. No Docker is
// needed, and no Kubernetes either.
//
//	runtime.go    the connection, and which runtime it is
//	place.go      a container and its sandbox as a place
//	directory.go  what runs, in memory; looked at on events or every two seconds
//
// The runtime knows a pod's name, namespace, labels and addresses, and the
// first process of each container; it does not know service accounts. Where
// those matter, ask Kubernetes too ([internal/kube]).
//
// Containers that are started beside the CRI, with ctr or nerdctl, are not
// listed by it and stay unknown.
//
// https://kubernetes.io/docs/concepts/containers/cri/
package cri
