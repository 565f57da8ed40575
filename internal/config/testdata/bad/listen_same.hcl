# want: 6:14: metadata and listen are the same address
# hint: give it an address of its own

agent {
  listen   = "127.0.0.1:9000"
  metadata = "127.0.0.1:9000"
}
