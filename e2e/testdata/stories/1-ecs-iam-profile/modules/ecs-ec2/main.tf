resource "aws_security_group" "node" {
  name   = "${var.project}-${var.env}-node"
  vpc_id = var.vpc_id
  ingress {
    from_port   = 9200
    to_port     = 9300
    protocol    = "tcp"
    cidr_blocks = ["10.20.0.0/16"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_launch_template" "node" {
  name_prefix   = "${var.project}-${var.env}-"
  image_id      = var.ami
  instance_type = "t3.small"
  iam_instance_profile {
    name = var.instance_profile
  }
  vpc_security_group_ids = [aws_security_group.node.id]
  user_data = base64encode(<<-EOT
    #!/bin/sh
    echo ECS_CLUSTER=${var.cluster_name} >> /etc/ecs/ecs.config
  EOT
  )
}

# one plain instance in every private subnet
resource "aws_instance" "node" {
  count                  = length(var.subnets)
  ami                    = var.ami
  instance_type          = "t3.small"
  subnet_id              = var.subnets[count.index]
  iam_instance_profile   = var.instance_profile
  vpc_security_group_ids = [aws_security_group.node.id]
  tags                   = { Name = "${var.project}-${var.env}-${count.index}" }
}

resource "aws_autoscaling_group" "node" {
  count               = var.with_asg ? 1 : 0
  name                = "${var.project}-${var.env}-asg"
  min_size            = 0
  max_size            = 2
  desired_capacity    = 0
  vpc_zone_identifier = var.subnets
  launch_template {
    id      = aws_launch_template.node.id
    version = "$Latest"
  }
}
