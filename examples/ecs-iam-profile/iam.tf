data "aws_partition" "here" {}

# The instance's ECS agent is not ECS, and it does not "pretend to be EC2":
# EC2 assumes this role for the instance and hands the keys to whatever asks
# the instance's metadata service. So the trusted service is EC2, not
# ecs.amazonaws.com.
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  name               = var.role_name
  description        = "What the container instances wear"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

# A role cannot be put on an instance; an instance profile can, and holds one
# role. The console makes it silently, under the role's name.
resource "aws_iam_instance_profile" "instance" {
  name = var.profile_name
  role = aws_iam_role.instance.name
}

# Elasticsearch finds its other nodes by their instances. The action knows no
# resources, so nothing narrower than "*" would match.
data "aws_iam_policy_document" "discovery" {
  statement {
    sid       = "FindNodes"
    actions   = ["ec2:DescribeInstances"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "discovery" {
  name        = "ec2-ecs-describe-policy"
  description = "Lets Elasticsearch nodes find one another"
  policy      = data.aws_iam_policy_document.discovery.json
}

resource "aws_iam_role_policy_attachment" "discovery" {
  role       = aws_iam_role.instance.name
  policy_arn = aws_iam_policy.discovery.arn
}

# What the ECS agent itself needs: registering, polling, pulling, logging.
# Names of managed policies are case-sensitive ("…forEC2Role").
resource "aws_iam_role_policy_attachment" "agent" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}
