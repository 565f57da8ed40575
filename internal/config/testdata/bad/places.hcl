# want: 53:12: docker "tcp://127.0.0.1:2375" is no Unix socket of this host
# hint: as in "unix:///var/run/docker.sock"
# want: 54:12: podman "run/podman.sock" is no Unix socket of this host
# hint: as in "unix:///var/run/docker.sock"
# want: 59:18: session_name has the unknown placeholder {containr}
# hint: did you mean {container}? placeholders are {cluster}, {compose_project}, {container}, {exe}, {family}, {host}, {image}, {instance_id}, {namespace}, {pod}, {pod_uid}, {service}, {service_account}, {task}, {uid}, {unit}, {workload}
# want: 68:3: workload "two-kinds" is described by both match and container
# hint: make a workload of each
# want: 75:3: container is empty: it would fit nobody
# hint: set name, image, compose_project, compose_service, labels or runtime, or remove the block
# want: 77:14: labels is empty
# hint: remove the argument or give it a value
# want: 83:3: task is empty: it would fit nobody
# hint: set cluster, family or container, or remove the block
# want: 88:3: pod is empty: it would fit nobody
# hint: set namespace, service_account, name or labels, or remove the block
# want: 91:10: "anybody's pod" is no name for a workload
# hint: use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first
# want: 93:3: pod has no namespace
# hint: add namespace: whoever may create pods in another namespace chooses all the rest
# want: 101:15: name "/words" has a slash
# hint: write only the name, as in web
# want: 102:15: image "team/**" has **
# hint: * stands for anything but /
# want: 103:17: label "a*" has a wildcard in its name
# hint: only the value may be a pattern
# want: 103:29: a label has no name
# want: 104:15: "dockr" is no runtime
# hint: did you mean "docker"?
# want: 111:13: 4294967295 is no group id: it is 0 to 4294967294
# want: 112:13: match has both gid and group
# hint: keep one of them
# want: 131:3: a process can fit workload "also-web" and workload "two-kinds" (places.hcl:68:3)
# hint: the agent would refuse it: narrow one of them
# want: 131:3: a process can fit workload "also-web" and workload "web" (places.hcl:123:3)
# hint: the agent would refuse it: narrow one of them
# want: 146:3: a process can fit workload "also-task" and workload "task" (places.hcl:139:3)
# hint: the agent would refuse it: narrow one of them
# want: 153:3: a process can fit workload "pod" and workload "anybody's pod" (places.hcl:93:3)
# hint: the agent would refuse it: narrow one of them
# want: 161:3: a process can fit workload "also-pod" and workload "anybody's pod" (places.hcl:93:3)
# hint: the agent would refuse it: narrow one of them
# want: 161:3: a process can fit workload "also-pod" and workload "pod" (places.hcl:153:3)
# hint: the agent would refuse it: narrow one of them
# want: 169:3: a process can fit workload "staff" and workload "groups" (places.hcl:110:3)
# hint: the agent would refuse it: say which uid or user workload "staff" runs as
# want: 177:3: a process can fit workload "also-staff" and workload "groups" (places.hcl:110:3)
# hint: the agent would refuse it: say which uid or user workload "also-staff" runs as
# want: 177:3: a process can fit workload "also-staff" and workload "staff" (places.hcl:169:3)
# hint: the agent would refuse it: narrow one of them

agent {
  docker = "tcp://127.0.0.1:2375"
  podman = "run/podman.sock"
}

role "a" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "{containr}"
}

workload "two-kinds" {
  role = "a"
  match {
    uid = 7
    gid = 7
  }
  container {
    name = "two"
  }
}

workload "empty" {
  role = "a"
  container {}
  container {
    labels = {}
  }
}

workload "no-task" {
  role = "a"
  task {}
}

workload "no-pod" {
  role = "a"
  pod {}
}

workload "anybody's pod" {
  role = "a"
  pod {
    service_account = "orders"
  }
}

workload "words" {
  role = "a"
  container {
    name    = "/words"
    image   = "team/**"
    labels  = { "a*" = "b", "" = "c" }
    runtime = "dockr"
  }
}

workload "groups" {
  role = "a"
  match {
    gid   = 4294967295
    group = "staff"
    uid   = 8
  }
}

workload "web" {
  role = "a"
  container {
    name   = "web-1"
    labels = { tier = "front" }
  }
  container {
    name = "web-*"
    labels = { tier = "back" }
  }
}

workload "also-web" {
  role = "a"
  container {
    image  = "web:1"
    labels = { tier = "b*" }
  }
}

workload "task" {
  role = "a"
  task {
    family = "orders"
  }
}

workload "also-task" {
  role = "a"
  task {
    cluster = "prod"
  }
}

workload "pod" {
  role = "a"
  pod {
    namespace = "shop"
    labels    = { app = "x" }
  }
}

workload "also-pod" {
  role = "a"
  pod {
    namespace       = "shop*"
    service_account = "orders"
  }
}

workload "staff" {
  role = "a"
  match {
    group = "staff"
    unit  = "a.service"
  }
}

workload "also-staff" {
  role = "a"
  match {
    group = "staff"
    unit  = "*.service"
  }
}
