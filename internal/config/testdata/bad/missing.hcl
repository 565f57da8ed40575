# want: 10:1: this role has no arn
# hint: add arn = …   # role ARN
# want: 12:1: this workload has no role
# hint: add role = …   # name of a role, or `role.NAME`
# want: 17:3: this account has no id
# hint: add id = …   # string of 12 digits
# want: 20:6: role has no name
# hint: write role "name" { … }

role "a" {}

workload "w" {
  command = ["true"]
}

sandbox {
  account "dev" {}
}

role {
  arn = "arn:aws:iam::111122223333:role/a"
}
