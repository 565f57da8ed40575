data "aws_ami" "ecs" {
  count       = var.ami_id == null ? 1 : 0
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-ecs-hvm-2023.*-kernel-6.1-x86_64"]
  }
}

# The agent's settings. Tasks get credentials of their own roles, in host
# network mode too; with awsvpc they cannot reach the instance's metadata, and
# so not the instance's role.
locals {
  agent = merge({
    ECS_CLUSTER                           = var.cluster_name
    ECS_ENABLE_TASK_IAM_ROLE              = "true"
    ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST = "true"
    ECS_AWSVPC_BLOCK_IMDS                 = "true"
  }, var.agent_settings)
}

resource "aws_launch_template" "this" {
  name_prefix            = "${var.name}-"
  image_id               = coalesce(var.ami_id, one(data.aws_ami.ecs[*].id))
  instance_type          = var.instance_type
  key_name               = var.key_name
  vpc_security_group_ids = var.security_group_ids
  update_default_version = true
  iam_instance_profile {
    name = var.instance_profile_name
  }
  # Session tokens only. With a hop limit of 1 no container in bridge mode gets
  # one, and that is right: it has a task role, or mantle's agent, to ask.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.metadata_hop_limit
  }
  user_data = base64encode(join("\n", concat(
    ["#!/bin/sh"],
    [for name, value in local.agent : "echo '${name}=${value}' >> /etc/ecs/ecs.config"],
    var.user_data == null ? [] : [var.user_data],
    [""],
  )))
  tag_specifications {
    resource_type = "instance"
    tags          = merge({ Name = var.name }, var.tags)
  }
  tags = var.tags
}

resource "aws_autoscaling_group" "this" {
  name_prefix         = "${var.name}-"
  vpc_zone_identifier = var.subnet_ids
  min_size            = var.min_size
  max_size            = coalesce(var.max_size, length(var.subnet_ids))
  desired_capacity    = coalesce(var.desired_capacity, length(var.subnet_ids))
  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }
  # ECS managed scaling looks for this tag.
  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }
}
