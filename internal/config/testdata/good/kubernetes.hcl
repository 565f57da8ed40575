# An agent on a node of Kubernetes, with EKS's six session tags.
agent {
  pod_identity = "127.0.0.1:0"

  kubernetes {
    node       = env("NODE_NAME", "node-1")
    kubeconfig = "kubelet.conf"
    audience   = "mantle.example"
    cri        = "unix:///run/containerd/containerd.sock"
  }
}

role "web" {
  arn = "arn:aws:iam::111122223333:role/web"
  tags = {
    eks-cluster-arn            = "arn:aws:eks:eu-west-1:111122223333:cluster/shop"
    eks-cluster-name           = "shop"
    kubernetes-namespace       = "{namespace}"
    kubernetes-service-account = "{service_account}"
    kubernetes-pod-name        = "{pod}"
    kubernetes-pod-uid         = "{pod_uid}"
  }
  transitive_tags = ["eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-pod-name", "kubernetes-pod-uid", "kubernetes-service-account"]
}

workload "web" {
  role = "web"
  pod {
    namespace       = "shop"
    service_account = "web"
  }
}
