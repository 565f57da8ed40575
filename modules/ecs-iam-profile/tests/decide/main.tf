# Asks IAM what a role may do, and fails unless it is what the test says.

variable "role_arn" {
  type = string
}

variable "allowed" {
  type = list(string)
}

variable "denied" {
  type = list(string)
}

data "aws_iam_principal_policy_simulation" "each" {
  for_each          = toset(concat(var.allowed, var.denied))
  policy_source_arn = var.role_arn
  action_names      = [each.key]
}

output "outcomes" {
  value = { for action, simulation in data.aws_iam_principal_policy_simulation.each : action => simulation.all_allowed }
  precondition {
    condition = alltrue(concat(
      [for action in var.allowed : data.aws_iam_principal_policy_simulation.each[action].all_allowed],
      [for action in var.denied : !data.aws_iam_principal_policy_simulation.each[action].all_allowed],
    ))
    error_message = "IAM says ${jsonencode({ for action, simulation in data.aws_iam_principal_policy_simulation.each : action => simulation.all_allowed })}."
  }
}
