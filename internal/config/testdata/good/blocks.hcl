# A chain written as blocks, null for an argument that is left out, and
# workloads that only differ in one thing each.
role "far" {
  arn      = "arn:aws-us-gov:iam::111122223333:role/far"
  region   = "us-gov-west-1"
  duration = null
  via {
    arn          = "arn:aws-us-gov:iam::111122223333:role/one"
    external_id  = "one-1"
    session_name = "{workload}"
  }
  via {
    arn = "arn:aws-us-gov:iam::111122223333:role/two"
  }
}

agent {
  listen = "[::1]:0"
}

workload "a" {
  role = "far"
  match {
    uid = 0
    exe = "/usr/bin/*"
  }
}

workload "b" {
  role = "far"
  match {
    uid = 0
    exe = "/usr/local/bin/*"
  }
}

workload "c" {
  role = "far"
  match {
    user = "web"
    exe  = "/usr/bin/web"
  }
}

workload "d" {
  role = "far"
  match {
    uid  = 7
    unit = "web@*.service"
  }
}
