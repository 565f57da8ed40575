# /etc/mantle/mantle.hcl: mantle config validate says what is wrong with it.

agent {
  interception = "redirect"
  metrics      = "127.0.0.1:9419"
}

role "web" {
  arn = "arn:aws:iam::111122223333:role/web"
}

workload "web" {
  role = role.web
  match {
    unit = "web.service"
  }
}
