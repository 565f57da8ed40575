data "aws_partition" "here" {}

locals {
  # The calls that the trust policy lets in. A caller that sends tags or a
  # source identity needs the action that goes with it, on both sides.
  actions = concat(
    ["sts:AssumeRole"],
    var.session_tags ? ["sts:TagSession"] : [],
    var.source_identity ? ["sts:SetSourceIdentity"] : [],
  )
}

data "aws_iam_policy_document" "trust" {
  dynamic "statement" {
    for_each = length(var.principals) > 0 ? [1] : []
    content {
      sid     = "Principals"
      actions = local.actions
      principals {
        type        = "AWS"
        identifiers = var.principals
      }
      dynamic "condition" {
        for_each = var.external_id[*]
        content {
          test     = "StringEquals"
          variable = "sts:ExternalId"
          values   = [condition.value]
        }
      }
      dynamic "condition" {
        for_each = var.conditions
        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
  dynamic "statement" {
    for_each = length(var.services) > 0 ? [1] : []
    content {
      sid     = "Services"
      actions = ["sts:AssumeRole"]
      principals {
        type        = "Service"
        identifiers = var.services
      }
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.path
  description          = var.description
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = var.max_session_duration
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  lifecycle {
    precondition {
      condition     = length(var.principals) + length(var.services) > 0
      error_message = "Nobody could assume the role: name principals or services."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.this.name
  policy   = each.value
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = var.managed_policies
  role       = aws_iam_role.this.name
  policy_arn = startswith(each.value, "arn:") ? each.value : "arn:${data.aws_partition.here.partition}:iam::aws:policy/${each.value}"
}

# The caller's half. Within an account a trust policy that names the caller is
# enough; one that names the account (…:root), or a caller of another account,
# needs this half too.
data "aws_iam_policy_document" "caller" {
  statement {
    sid       = "Wear${replace(title(replace(var.name, "/[^A-Za-z0-9]+/", " ")), " ", "")}"
    actions   = local.actions
    resources = [aws_iam_role.this.arn]
  }
}

resource "aws_iam_role_policy" "caller" {
  for_each = var.caller_roles
  name     = "Assume-${var.name}"
  role     = each.value
  policy   = data.aws_iam_policy_document.caller.json
}
