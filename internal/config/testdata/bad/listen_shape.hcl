# want: 9:14: "127.0.0.1" is no HOST:PORT
# hint: as in "127.0.0.1:9000"; port 0 takes a free one
# want: 10:14: metadata has a host that is no IP address: "db.example.com"
# hint: write an IP address, such as 127.0.0.1
# want: 14:18: listen has no sound port: "66000"
# hint: a number from 0 to 65535; 0 takes a free one

agent {
  listen   = "127.0.0.1"
  metadata = "db.example.com:80"
}

sandbox {
  listen       = "[::]:66000"
  allow_remote = true
  account "dev" {
    id = "111122223333"
  }
}
