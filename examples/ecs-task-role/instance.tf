# The instance role: what the ECS agent needs, and nothing of what the tasks
# need.
module "instance" {
  source       = "../../modules/ecs-iam-profile"
  name         = "ecsInstanceRole"
  profile_name = "ecsInstanceRole"
}

module "cluster" {
  source = "../../modules/ecs-cluster"
  name   = "default"
}
