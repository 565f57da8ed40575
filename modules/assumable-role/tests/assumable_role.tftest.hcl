run "caller" {
  module { source = "../instance-role" }
  variables { name = "host" }
}

run "both_halves" {
  variables {
    name         = "data-reader"
    principals   = [run.caller.role_arn]
    external_id  = "data-7"
    session_tags = true
    caller_roles = { host = run.caller.role_name }
    policies     = { read = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::data/*" }] }) }
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["sts:ExternalId"] == "data-7"
    error_message = "no external ID asked for: ${aws_iam_role.this.assume_role_policy}"
  }
  assert {
    condition     = toset(jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Action) == toset(["sts:AssumeRole", "sts:TagSession"])
    error_message = "tags are not let in: ${aws_iam_role.this.assume_role_policy}"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.caller["host"].policy).Statement[0].Sid == "WearDataReader" && jsondecode(aws_iam_role_policy.caller["host"].policy).Statement[0].Resource == output.role_arn
    error_message = "the caller's half is ${aws_iam_role_policy.caller["host"].policy}"
  }
}

# The host may really put the role on: a provider that wears it says who it is.
run "account_trusted" {
  variables {
    name       = "account-reader"
    principals = ["arn:aws:iam::111122223333:root"]
  }
}

run "worn" {
  module { source = "./tests/wear" }
  variables { role_arn = run.account_trusted.role_arn }
  assert {
    condition     = endswith(output.arn, ":assumed-role/account-reader/test")
    error_message = "the provider is ${output.arn}"
  }
}

run "typo_refused" {
  command = plan
  variables {
    name       = "data-reader"
    principals = ["arn:aws::iam::111122223333:root"]
  }
  expect_failures = [var.principals]
}

run "wildcard_refused" {
  command = plan
  variables {
    name       = "data-reader"
    principals = ["arn:aws:iam::111122223333:role/*"]
  }
  expect_failures = [var.principals]
}

run "nobody_refused" {
  command = plan
  variables { name = "data-reader" }
  expect_failures = [aws_iam_role.this]
}
