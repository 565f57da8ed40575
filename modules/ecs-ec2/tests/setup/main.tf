# What a group of container instances needs around it.

data "aws_availability_zones" "here" {
  state = "available"
}

resource "aws_vpc" "this" {
  cidr_block = "10.30.0.0/16"
}

resource "aws_subnet" "private" {
  count             = 2
  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
  availability_zone = data.aws_availability_zones.here.names[count.index]
}

module "cluster" {
  source = "../../../ecs-cluster"
  name   = "es"
}

module "profile" {
  source = "../../../ecs-iam-profile"
}

output "subnet_ids" {
  value = aws_subnet.private[*].id
}

output "cluster_name" {
  value = module.cluster.name
}

output "instance_profile_name" {
  value = module.profile.instance_profile_name
}
