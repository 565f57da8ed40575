data "aws_availability_zones" "here" {
  state = "available"
}

locals {
  zones = toset(slice(data.aws_availability_zones.here.names, 0, var.zones))
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_subnet" "private" {
  for_each          = local.zones
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, index(data.aws_availability_zones.here.names, each.key))
  tags              = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_security_group" "node" {
  name        = "${var.name}-node"
  description = "Elasticsearch nodes talk to one another"
  vpc_id      = aws_vpc.this.id
  ingress {
    description = "HTTP and transport, from the network"
    from_port   = 9200
    to_port     = 9300
    protocol    = "tcp"
    cidr_blocks = [var.cidr]
  }
  egress {
    description = "everything"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
