# The profile is another team's, with a state of its own.
data "terraform_remote_state" "profile" {
  backend = var.profile_state.backend
  config  = var.profile_state.config
}

data "aws_ami" "ecs" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-ecs-hvm-2023.*-kernel-6.1-x86_64"]
  }
}

resource "aws_instance" "node" {
  for_each               = aws_subnet.private
  ami                    = data.aws_ami.ecs.id
  instance_type          = "t3.small"
  subnet_id              = each.value.id
  iam_instance_profile   = data.terraform_remote_state.profile.outputs.instance_profile_name
  vpc_security_group_ids = [aws_security_group.node.id]
  # Session tokens only. Their answers may travel two hops, so that a
  # container in bridge mode gets them too.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }
  user_data = <<-EOT
    #!/bin/sh
    echo ECS_CLUSTER=${aws_ecs_cluster.this.name} >> /etc/ecs/ecs.config
  EOT
  tags      = { Name = "${var.name}-${each.key}" }
}
