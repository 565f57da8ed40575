# Workloads of every kind, none of which meets another.
agent {
  docker = "/run/docker.sock"
  podman = "unix:///run/user/1000/podman/podman.sock"
}

role "a" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "{service}-{container}"
  tags         = { kubernetes-pod-name = "{pod}", kubernetes-pod-uid = "{pod_uid}" }
}

workload "process" {
  role = "a"
  match {
    gid = 7
    exe = "/usr/bin/a"
  }
  match {
    group = "staff"
    unit  = "a.service"
  }
}

workload "another-group" {
  role = "a"
  match {
    gid = 8
    exe = "/usr/bin/*"
  }
}

workload "container" {
  role = "a"
  container {
    name   = "web-?"
    labels = { "com.example/tier" = "front*", empty = "" }
  }
  container {
    image   = "registry.example:5000/team/*:v1"
    runtime = "docker"
    name    = "registry"
  }
}

workload "compose" {
  role = "a"
  container {
    compose_project = "shop"
    compose_service = "api"
    labels          = { "com.example/tier" = "back" }
    name            = "shop-*"
  }
}

workload "task" {
  role = "a"
  task {
    cluster   = "prod"
    family    = "orders"
    container = "app"
  }
}

workload "pod" {
  role = "a"
  pod {
    namespace       = "shop"
    service_account = "orders"
  }
  pod {
    namespace = "shop"
    name      = "returns-*"
    labels    = { app = "returns" }
  }
}

workload "other-pod" {
  role = "a"
  pod {
    namespace       = "ship"
    service_account = "orders"
  }
}
