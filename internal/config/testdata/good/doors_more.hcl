base {
  source     = "process"
  command    = ["/usr/local/bin/vend", "--role", "mantle"]
  region     = "us-gov-west-1"
  fips       = true
  dual_stack = true
}

agent {
  pod_identity = "127.0.0.1:0"
  kubernetes {
    kubeconfig = "/etc/kubernetes/kubelet.conf"
    node       = "ip-10-0-7-10.eu-west-1.compute.internal"
    audience   = "sts.example.com"
    cri        = "unix:///run/containerd/containerd.sock"
  }
}
