# want: 9:14: listen opens the port to every network of the machine
# hint: write 127.0.0.1:9000, or add allow_remote = true if that is meant
# want: 10:14: metadata opens the port to every network of the machine
# hint: write 127.0.0.1:9001, or add allow_remote = true if that is meant
# want: 14:12: listen can be reached from other machines: 192.0.2.1
# hint: write 127.0.0.1:4566, or add allow_remote = true if that is meant

agent {
  listen   = "0.0.0.0:9000"
  metadata = ":9001"
}

sandbox {
  listen = "192.0.2.1:4566"
  account "dev" {
    id = "111122223333"
  }
}
