# want: 10:3: unknown argument "sesion_name"
# hint: did you mean "session_name"?
# want: 13:1: unknown block "worklod"
# hint: did you mean "workload"?
# want: 18:3: unknown argument "lisen"
# hint: did you mean "listen"?

role "a" {
  arn       = "arn:aws:iam::111122223333:role/a"
  sesion_name = "x1"
}

worklod "b" {
  role = "a"
}

agent {
  lisen = "127.0.0.1:0"
}
