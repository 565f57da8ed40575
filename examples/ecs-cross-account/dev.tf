# The dev account: the task, and the role that it wears.

data "aws_iam_policy_document" "task_trust" {
  provider = aws.dev
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    # Only for tasks of this account: the service acts for all of AWS.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.dev.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  provider           = aws.dev
  name               = "app-task"
  description        = "What the orders application wears at home"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

# One action on one role: "sts:*" would also hand out federation tokens.
data "aws_iam_policy_document" "cross" {
  provider = aws.dev
  statement {
    sid       = "CrossOver"
    actions   = ["sts:AssumeRole"]
    resources = [aws_iam_role.access.arn]
  }
}

resource "aws_iam_role_policy" "cross" {
  provider = aws.dev
  name     = "cross-over"
  role     = aws_iam_role.task.name
  policy   = data.aws_iam_policy_document.cross.json
}

resource "aws_ecs_cluster" "workers" {
  provider = aws.dev
  name     = "default"
}

resource "aws_ecs_task_definition" "app" {
  provider      = aws.dev
  family        = "app"
  task_role_arn = aws_iam_role.task.arn
  network_mode  = "bridge"
  volume {
    name      = "aws-profile"
    host_path = var.profile_folder
  }
  container_definitions = jsonencode([merge({
    name        = "app"
    image       = var.image
    memory      = 128
    cpu         = 10
    essential   = true
    mountPoints = [{ sourceVolume = "aws-profile", containerPath = "${var.home}/.aws", readOnly = true }]
    # SDKs look below HOME. An image whose user has another home would look
    # for the profile elsewhere.
    environment = [
      { name = "AWS_PROFILE", value = "crossAccount" },
      { name = "HOME", value = var.home },
    ]
  }, var.command == null ? {} : { command = var.command })])
}
