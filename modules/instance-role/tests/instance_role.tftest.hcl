# A role that EC2 alone may assume, in a profile of the same name.
run "plain" {
  variables {
    name       = "web"
    may_assume = ["arn:aws:iam::444455556666:role/reader"]
    policies   = { look = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "ec2:DescribeInstances", Resource = "*" }] }) }
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Service == "ec2.amazonaws.com"
    error_message = "the role trusts ${aws_iam_role.this.assume_role_policy}"
  }
  assert {
    condition     = output.profile_name == "web" && aws_iam_instance_profile.this.role == output.role_name
    error_message = "the profile ${output.profile_name} holds ${aws_iam_instance_profile.this.role}"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.assume[0].policy).Statement[0].Resource == "arn:aws:iam::444455556666:role/reader"
    error_message = "the role may assume ${aws_iam_role_policy.assume[0].policy}"
  }
}

run "managed" {
  variables {
    name             = "agent"
    profile_name     = "agent-profile"
    path             = "/hosts/"
    managed_policies = { agent = "service-role/AmazonEC2ContainerServiceforEC2Role" }
  }
  assert {
    condition     = aws_iam_role_policy_attachment.this["agent"].policy_arn == "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
    error_message = "the policy of AWS is attached by its whole ARN"
  }
  assert {
    condition     = endswith(output.role_arn, ":role/hosts/agent") && endswith(output.profile_arn, ":instance-profile/hosts/agent-profile")
    error_message = "${output.role_arn} and ${output.profile_arn} are not below /hosts/"
  }
}

run "wildcard_refused" {
  command = plan
  variables {
    name       = "web"
    may_assume = ["arn:aws:iam::444455556666:role/*"]
  }
  expect_failures = [var.may_assume]
}

run "bad_name_refused" {
  command = plan
  variables { name = "no spaces" }
  expect_failures = [var.name]
}
