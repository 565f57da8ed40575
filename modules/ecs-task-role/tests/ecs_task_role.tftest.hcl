run "two_roles" {
  variables {
    name            = "web-task"
    execute_command = true
    secrets         = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:password::", "arn:aws:ssm:eu-west-1:111122223333:parameter/web/key"]
    policies        = { orders = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "dynamodb:GetItem", Resource = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders" }] }) }
  }
  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Principal.Service == "ecs-tasks.amazonaws.com"
    error_message = "the task role trusts ${aws_iam_role.task.assume_role_policy}"
  }
  assert {
    condition     = output.task_role_arn != output.execution_role_arn
    error_message = "one role for both: the application could read every secret"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.secrets[0].policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"
    error_message = "the policy names the JSON key: ${aws_iam_role_policy.secrets[0].policy}"
  }
}

# What IAM itself decides about the two.
run "task_decided" {
  module { source = "../ecs-iam-profile/tests/decide" }
  variables {
    role_arn = run.two_roles.task_role_arn
    allowed  = ["ssmmessages:OpenDataChannel"]
    denied   = ["ecr:GetAuthorizationToken", "secretsmanager:GetSecretValue", "iam:PassRole"]
  }
}

run "execution_decided" {
  module { source = "../ecs-iam-profile/tests/decide" }
  variables {
    role_arn = run.two_roles.execution_role_arn
    allowed  = ["ecr:GetAuthorizationToken"]
    denied   = ["dynamodb:GetItem", "ssmmessages:OpenDataChannel"]
  }
}

run "task_role_alone" {
  variables {
    name           = "sample"
    execution_role = false
  }
  assert {
    condition     = output.execution_role_arn == null
    error_message = "there is an execution role"
  }
}

run "pattern_refused" {
  command = plan
  variables {
    name    = "web-task"
    secrets = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:*"]
  }
  expect_failures = [var.secrets]
}
