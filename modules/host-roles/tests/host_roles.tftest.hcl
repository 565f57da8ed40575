run "host_and_roles" {
  variables {
    name = "devbox"
    roles = {
      alpha = { path = "/services/" }
      gamma = { external_id = "gamma-7c1e", session_tags = true }
      deep  = { via = "alpha" }
    }
    targets = { shared = { arn = "arn:aws:iam::444455556666:role/dynamo-access", external_id = "orders-7", source_identity = true } }
  }
  assert {
    condition     = output.role_arns["alpha"] == "arn:aws:iam::111122223333:role/services/alpha" && output.instance_profile_name == "devbox"
    error_message = "made ${jsonencode(output.role_arns)} and ${output.instance_profile_name}"
  }
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.host.policy).Statement : s.Resource if s.Sid == "WearRoles"])) == toset([
      output.role_arns["alpha"], output.role_arns["gamma"], "arn:aws:iam::444455556666:role/dynamo-access",
    ])
    error_message = "the host may assume ${aws_iam_role_policy.host.policy}"
  }
  assert {
    condition     = jsondecode(output.target_trust["shared"]).Statement[0].Principal.AWS == output.host_role_arn
    error_message = "the target would trust ${output.target_trust["shared"]}"
  }
}

run "long_chain_refused" {
  command = plan
  variables {
    roles = {
      one   = {}
      two   = { via = "one" }
      three = { via = "two" }
    }
  }
  expect_failures = [var.roles]
}

run "nothing_refused" {
  command         = plan
  expect_failures = [aws_iam_role_policy.host]
}
