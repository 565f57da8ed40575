agent {
  interception = "redirect"
  metrics      = "127.0.0.1:9419"
}

role "web" {
  arn = "arn:aws:iam::111122223333:role/web"
}

workload "web" {
  role = role.web
  container {
    compose_service = "web"
  }
}
