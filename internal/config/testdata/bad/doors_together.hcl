# want: 15:12: the instance's credentials cannot be read while the host itself owns the address of instance metadata (interception at doors_together.hcl:19:18)
# hint: use interception = "redirect", which lets the agent itself through
# want: 20:18: real instance metadata cannot be read while the host itself owns its address
# hint: use interception = "redirect"
# want: 21:18: cache_key means nothing without cache
# hint: add cache
# want: 23:12: cri "tcp://127.0.0.1:1" is no address of a Unix socket
# hint: as in unix:///run/containerd/containerd.sock
# want: 24:12: node is empty
# hint: remove the argument or give it a value
# want: 26:18: socket has a path of 113 bytes
# hint: shorten it to 107 bytes

base {
  source = "instance"
}

agent {
  interception = "address"
  allow        = ["meta-data/placement/*"]
  cache_key    = "k"
  kubernetes {
    cri  = "tcp://127.0.0.1:1"
    node = ""
  }
  socket       = "/run/a-name-that-is-too-long-for-the-address-of-a-socket/a-name-that-is-too-long-for-the-address-of-a-socket.sock"
}
