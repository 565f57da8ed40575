// Package kube asks a Kubernetes cluster two things: which pods run on this
// node, and whose a service account token is.
//
//	cluster.go     where the API server is and who we are to it: in a pod, or by
//	               a kubeconfig file
//	client.go      one request, and what the API server says when it refuses
//	pod.go         what is kept of a pod, and the places it makes
//	watch.go       list, then watch: bookmarks, 410 Gone, broken connections
//	directory.go   the pods in memory, by container and by address
//	review.go      TokenReview, once per token and minute
//
// It speaks HTTP and JSON itself. client-go knows every kind that Kubernetes
// has, and this package reads a dozen fields of one and creates another; see
// "Kubernetes" in docs/design.md for what the difference costs.
//
// # What the answer is worth
//
// A container's id comes from the kernel, and the API server says which pod
// has it. An address is the word of the network plugin, as the kubelet reports
// it, seconds late: it counts only while exactly one pod of this node claims
// it, and only while the API server is heard (see [Options.Blind]).
package kube
