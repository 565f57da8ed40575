# The task role: what this task may do, and no other task on the instance.

data "aws_partition" "here" {}

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "task_trust" {
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
      values   = [data.aws_caller_identity.me.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "aws-nodejs-sample-task"
  description        = "What the sample wears"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

resource "aws_iam_role_policy_attachment" "task" {
  count      = var.policy_file == null ? 1 : 0
  role       = aws_iam_role.task.name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/AmazonS3FullAccess"
}

resource "aws_iam_role_policy" "task" {
  count  = var.policy_file == null ? 0 : 1
  name   = "sample"
  role   = aws_iam_role.task.name
  policy = file(var.policy_file)
}

resource "aws_ecr_repository" "sample" {
  name                 = "aws-nodejs-sample"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
}

resource "aws_ecs_task_definition" "sample" {
  family        = "aws-nodejs-sample"
  task_role_arn = aws_iam_role.task.arn
  container_definitions = jsonencode([merge({
    name      = "sample-app"
    image     = "${aws_ecr_repository.sample.repository_url}:${var.image_tag}"
    memory    = 200
    cpu       = 10
    essential = true
  }, var.command == null ? {} : { command = var.command })])
}
