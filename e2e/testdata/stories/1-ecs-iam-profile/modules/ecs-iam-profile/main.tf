data "aws_iam_policy_document" "ec2_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "ec2_ecs_instance_role" {
  name               = "ec2-ecs-instance-role"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.ec2_trust.json
}

# .id and .name of a role are the same
resource "aws_iam_instance_profile" "ec2_ecs_instance_profile" {
  name = "ecs-instance-profile"
  path = "/"
  role = aws_iam_role.ec2_ecs_instance_role.id
}

resource "aws_iam_policy" "describe" {
  name   = "ec2-ecs-describe-policy"
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": [
        { "Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": ["*"] }
      ]
    }
  EOT
}

resource "aws_iam_role_policy_attachment" "describe" {
  role       = aws_iam_role.ec2_ecs_instance_role.name
  policy_arn = aws_iam_policy.describe.arn
}

resource "aws_iam_role_policy_attachment" "ecs_for_ec2" {
  role       = aws_iam_role.ec2_ecs_instance_role.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

output "instance_profile_name" { value = aws_iam_instance_profile.ec2_ecs_instance_profile.name }
output "role_arn" { value = aws_iam_role.ec2_ecs_instance_role.arn }
