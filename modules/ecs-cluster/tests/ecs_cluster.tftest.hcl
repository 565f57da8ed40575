run "plain" {
  variables {
    name = "es"
    tags = { team = "search" }
  }
  assert {
    condition     = output.name == "es" && endswith(output.arn, ":cluster/es")
    error_message = "the cluster is ${output.arn}"
  }
  assert {
    condition     = one([for s in aws_ecs_cluster.this.setting : s.value if s.name == "containerInsights"]) == "disabled"
    error_message = "Container Insights is not off by default"
  }
}

run "bad_setting_refused" {
  command = plan
  variables {
    name               = "es"
    container_insights = "on"
  }
  expect_failures = [var.container_insights]
}
