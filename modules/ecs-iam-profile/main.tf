# Elasticsearch and its like find their other nodes by their instances. The
# action knows no resources, so nothing narrower than "*" would match.
data "aws_iam_policy_document" "discovery" {
  statement {
    sid       = "FindNodes"
    actions   = ["ec2:DescribeInstances"]
    resources = ["*"]
  }
}

# The instance's ECS agent is not ECS, and it does not "pretend to be EC2":
# EC2 assumes this role for the instance. So the trusted service is EC2.
# What the agent itself needs (registering, polling, pulling, logging) is in a
# policy of AWS, whose name is case-sensitive ("…forEC2Role").
module "role" {
  source               = "../instance-role"
  name                 = var.name
  profile_name         = var.profile_name
  path                 = var.path
  description          = "What the container instances wear"
  managed_policies     = merge({ agent = "service-role/AmazonEC2ContainerServiceforEC2Role" }, var.managed_policies)
  policies             = merge(var.discovery ? { FindNodes = data.aws_iam_policy_document.discovery.json } : {}, var.policies)
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}
