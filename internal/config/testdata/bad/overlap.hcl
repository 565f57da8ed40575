# want: 24:3: a process can fit workload "two" and workload "one" (overlap.hcl:16:3)
# hint: the agent would refuse it: narrow one of them
# want: 32:3: a process can fit workload "three" and workload "one" (overlap.hcl:16:3)
# hint: the agent would refuse it: say which uid or user workload "three" runs as
# want: 32:3: a process can fit workload "three" and workload "two" (overlap.hcl:24:3)
# hint: the agent would refuse it: say which uid or user workload "three" runs as
# want: 56:3: a process can fit workload "again" and workload "named" (overlap.hcl:48:3)
# hint: the agent would refuse it: narrow one of them

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "one" {
  role = "a"
  match {
    uid = 1001
    exe = "/usr/bin/foo*"
  }
}

workload "two" {
  role = "a"
  match {
    uid = 1001
    exe = "/usr/bin/*d"
  }
}

workload "three" {
  role = "a"
  match {
    unit = "three.service"
  }
}

workload "apart" {
  role = "a"
  match {
    uid = 1001
    exe = "/usr/bin/bar"
    unit = "apart.service"
  }
}

workload "named" {
  role = "a"
  match {
    user = "web"
    unit = "web@*.service"
  }
}

workload "again" {
  role = "a"
  match {
    user = "web"
    unit = "web@1.service"
  }
}
