# The role and the instance profile of the container instances. The agent on
# an instance is not ECS, and it does not "pretend to be EC2": EC2 assumes the
# role for the instance and hands the keys to whatever asks the instance's
# metadata service. So the module's trust policy lets in ec2.amazonaws.com and
# not ecs.amazonaws.com.
module "profile" {
  source           = "../../modules/ecs-iam-profile"
  name             = var.role_name
  profile_name     = var.profile_name
  managed_policies = { discovery = aws_iam_policy.discovery.arn }
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
