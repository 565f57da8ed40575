run "defaults" {
  assert {
    condition     = output.instance_profile_name == "ecs-instance-profile" && endswith(output.role_arn, ":role/ec2-ecs-instance-role")
    error_message = "${output.instance_profile_name} holds ${output.role_arn}"
  }
}

# What the container instances may do, as IAM itself decides it.
run "decided" {
  module { source = "./tests/decide" }
  variables {
    role_arn = run.defaults.role_arn
    allowed  = ["ecs:RegisterContainerInstance", "ecr:GetAuthorizationToken"]
    denied   = ["ec2:DescribeInstances", "s3:ListAllMyBuckets", "iam:PassRole"]
  }
}

run "discovery" {
  variables {
    discovery = true
  }
}

run "discovery_decided" {
  module { source = "./tests/decide" }
  variables {
    role_arn = run.discovery.role_arn
    allowed  = ["ec2:DescribeInstances", "ecs:RegisterContainerInstance"]
    denied   = ["ec2:RunInstances"]
  }
}
