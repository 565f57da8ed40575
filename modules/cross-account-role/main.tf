data "aws_caller_identity" "caller" {
  provider = aws.caller
}

data "aws_caller_identity" "target" {
  provider = aws.target
}

# Across accounts both sides have to agree. This half is in the account that
# owns what is to be reached: a role, and whom it lets in.
module "role" {
  source               = "../assumable-role"
  providers            = { aws = aws.target }
  name                 = var.name
  path                 = var.path
  description          = coalesce(var.description, "What ${var.caller.name} of account ${data.aws_caller_identity.caller.account_id} wears here")
  principals           = [var.caller.arn]
  external_id          = var.external_id
  conditions           = var.conditions
  session_tags         = var.session_tags
  source_identity      = var.source_identity
  policies             = var.policies
  managed_policies     = var.managed_policies
  max_session_duration = var.max_session_duration
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

# This half is in the caller's account: its role may assume that one.
resource "aws_iam_role_policy" "caller" {
  provider = aws.caller
  name     = "Assume-${data.aws_caller_identity.target.account_id}-${var.name}"
  role     = var.caller.name
  policy   = module.role.caller_policy
  lifecycle {
    precondition {
      condition     = strcontains(var.caller.arn, ":${data.aws_caller_identity.caller.account_id}:")
      error_message = "${var.caller.arn} is not in account ${data.aws_caller_identity.caller.account_id}, which the provider aws.caller administers."
    }
  }
}
