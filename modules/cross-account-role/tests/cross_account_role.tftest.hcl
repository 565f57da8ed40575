# Two accounts, by two profiles of the shared configuration.
provider "aws" {
  alias   = "caller"
  profile = "dev"
}

provider "aws" {
  alias   = "target"
  profile = "shared"
}

run "caller" {
  module { source = "../ecs-task-role" }
  providers = { aws = aws.caller }
  variables { name = "app-task" }
}

run "both_halves" {
  variables {
    name        = "dynamo-access"
    caller      = { arn = run.caller.task_role_arn, name = run.caller.task_role_name }
    external_id = "orders-7"
  }
  assert {
    condition     = output.role_arn == "arn:aws:iam::444455556666:role/dynamo-access"
    error_message = "the role is ${output.role_arn}"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.caller.policy).Statement[0].Resource == output.role_arn
    error_message = "the caller may assume ${aws_iam_role_policy.caller.policy}"
  }
  assert {
    condition     = strcontains(output.profile, "external_id = orders-7")
    error_message = "the profile lacks the external ID:\n${output.profile}"
  }
}

# As written in the publication: no account id.
run "blank_account_refused" {
  command = plan
  variables {
    name   = "dynamo-access"
    caller = { arn = "arn:aws:iam:::role/app-task", name = "app-task" }
  }
  expect_failures = [var.caller]
}

# The two providers mixed up.
run "wrong_account_refused" {
  command = plan
  variables {
    name   = "dynamo-access"
    caller = { arn = "arn:aws:iam::444455556666:role/app-task", name = "app-task" }
  }
  expect_failures = [aws_iam_role_policy.caller]
}
