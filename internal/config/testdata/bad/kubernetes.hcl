# want: 8:13: cri "tcp://127.0.0.1:1" is no address of a Unix socket
# hint: as in unix:///run/containerd/containerd.sock
# want: 9:5: unknown argument "nodes"
# hint: did you mean "node"?

agent {
  kubernetes {
    cri   = "tcp://127.0.0.1:1"
    nodes = "all"
  }
}
