# /etc/mantle/mantle.hcl of every container instance.

base {
  source = "instance" # the role of the instance, which the roles below trust
}

agent {
  # Tasks with a task role of ECS keep it: 169.254.170.2 is left to the ECS agent.
  # What would have read the role of the instance comes here.
  interception = "redirect"
  intercept    = ["metadata"]
  metrics      = "127.0.0.1:9419"
}

role "reports" {
  arn = "arn:aws:iam::111122223333:role/reports"
}

workload "reports" {
  role = role.reports
  task {
    family = "reports"
  }
}
