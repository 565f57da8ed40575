run "setup" {
  module { source = "./tests/setup" }
}

run "one_instance_for_each_subnet" {
  variables {
    name                  = "es"
    cluster_name          = run.setup.cluster_name
    instance_profile_name = run.setup.instance_profile_name
    subnet_ids            = run.setup.subnet_ids
  }
  assert {
    condition     = aws_autoscaling_group.this.desired_capacity == length(run.setup.subnet_ids)
    error_message = "${aws_autoscaling_group.this.desired_capacity} instances for ${length(run.setup.subnet_ids)} subnets"
  }
  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required" && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "the metadata service answers without a token, or too far away"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.this.user_data), "echo 'ECS_CLUSTER=es' >> /etc/ecs/ecs.config")
    error_message = "the agent is not told its cluster"
  }
}

run "no_subnet_refused" {
  command = plan
  variables {
    name                  = "es"
    cluster_name          = "es"
    instance_profile_name = "p"
    subnet_ids            = []
  }
  expect_failures = [var.subnet_ids]
}

run "arn_refused" {
  command = plan
  variables {
    name                  = "es"
    cluster_name          = "es"
    instance_profile_name = "arn:aws:iam::111122223333:instance-profile/p"
    subnet_ids            = ["subnet-1"]
  }
  expect_failures = [var.instance_profile_name]
}
