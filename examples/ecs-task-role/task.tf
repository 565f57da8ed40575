# The task role: what this task may do, and no other task on the instance. The
# instance's agent pulls the image with the instance's role, so that no
# execution role is needed.
module "task" {
  source           = "../../modules/ecs-task-role"
  name             = "aws-nodejs-sample-task"
  description      = "What the sample wears"
  execution_role   = false
  managed_policies = var.policy_file == null ? { s3 = "AmazonS3FullAccess" } : {}
  policies         = var.policy_file == null ? {} : { sample = file(var.policy_file) }
}

resource "aws_ecr_repository" "sample" {
  name                 = "aws-nodejs-sample"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
}

resource "aws_ecs_task_definition" "sample" {
  family        = "aws-nodejs-sample"
  task_role_arn = module.task.task_role_arn
  container_definitions = jsonencode([merge({
    name      = "sample-app"
    image     = "${aws_ecr_repository.sample.repository_url}:${var.image_tag}"
    memory    = 200
    cpu       = 10
    essential = true
  }, var.command == null ? {} : { command = var.command })])
}
