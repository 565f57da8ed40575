data "aws_partition" "here" {}

data "aws_region" "here" {}

data "aws_caller_identity" "me" {}

# ECS acts for every account of AWS; the conditions keep it to tasks of this
# one. It names no cluster or task in aws:SourceArn, only region and account.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Tasks"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.me.account_id]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.here.partition}:ecs:${data.aws_region.here.name}:${data.aws_caller_identity.me.account_id}:*"]
    }
  }
}

# The task role: what the application may do.

resource "aws_iam_role" "task" {
  name                 = var.name
  path                 = var.path
  description          = coalesce(var.description, "What the containers of ${var.name} wear")
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.task.name
  policy   = each.value
}

resource "aws_iam_role_policy_attachment" "task" {
  for_each   = var.managed_policies
  role       = aws_iam_role.task.name
  policy_arn = startswith(each.value, "arn:") ? each.value : "arn:${data.aws_partition.here.partition}:iam::aws:policy/${each.value}"
}

# ECS Exec: the four channels of Session Manager. They know no resources.
data "aws_iam_policy_document" "exec" {
  statement {
    sid = "Exec"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "exec" {
  count  = var.execute_command ? 1 : 0
  name   = "ExecuteCommand"
  role   = aws_iam_role.task.name
  policy = data.aws_iam_policy_document.exec.json
}

# The execution role: what ECS itself does before the application starts,
# pulling the image, writing logs, fetching secrets. The application never sees
# it. It is a role of its own, or the application could read every secret that
# the agent can.

resource "aws_iam_role" "execution" {
  count                = var.execution_role ? 1 : 0
  name                 = "${var.name}-execution"
  path                 = var.path
  description          = "What ECS wears to start ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "execution" {
  count      = var.execution_role ? 1 : 0
  role       = aws_iam_role.execution[0].name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

locals {
  # A secret may be named with a JSON key, a version stage and a version id
  # behind it (arn:…:secret:NAME:KEY:STAGE:ID); policies name the secret.
  secrets    = distinct([for arn in var.secrets : join(":", slice(split(":", arn), 0, 7)) if strcontains(arn, ":secretsmanager:")])
  parameters = [for arn in var.secrets : arn if strcontains(arn, ":ssm:")]
}

data "aws_iam_policy_document" "secrets" {
  count = var.execution_role && length(var.secrets) > 0 ? 1 : 0
  dynamic "statement" {
    for_each = length(local.secrets) > 0 ? [1] : []
    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.secrets
    }
  }
  dynamic "statement" {
    for_each = length(local.parameters) > 0 ? [1] : []
    content {
      sid       = "Parameters"
      actions   = ["ssm:GetParameters"]
      resources = local.parameters
    }
  }
  dynamic "statement" {
    for_each = length(var.secret_keys) > 0 ? [1] : []
    content {
      sid       = "Keys"
      actions   = ["kms:Decrypt"]
      resources = var.secret_keys
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  count  = var.execution_role && length(var.secrets) > 0 ? 1 : 0
  name   = "Secrets"
  role   = aws_iam_role.execution[0].name
  policy = data.aws_iam_policy_document.secrets[0].json
}
