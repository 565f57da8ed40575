# The dev account: the task, and the role that it wears. All that the role
# may do is assume the one in the other account (shared.tf).
module "task" {
  source         = "../../modules/ecs-task-role"
  providers      = { aws = aws.dev }
  name           = "app-task"
  description    = "What the orders application wears at home"
  execution_role = false
}

module "workers" {
  source    = "../../modules/ecs-cluster"
  providers = { aws = aws.dev }
  name      = "default"
}

resource "aws_ecs_task_definition" "app" {
  provider      = aws.dev
  family        = "app"
  task_role_arn = module.task.task_role_arn
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
