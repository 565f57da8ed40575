data "aws_partition" "here" {}

# EC2 assumes the role for the instance and hands the keys to whatever asks
# the instance's metadata service. EC2 sends no aws:SourceArn when it does so:
# a condition on one would lock every instance out.
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "EC2"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.path
  description          = var.description
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

# A role cannot be put on an instance; an instance profile can, and holds one
# role. The console makes it without a word, under the role's name.
resource "aws_iam_instance_profile" "this" {
  name = coalesce(var.profile_name, var.name)
  path = var.path
  role = aws_iam_role.this.name
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  for_each = var.policies
  name     = each.key
  role     = aws_iam_role.this.name
  policy   = each.value
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = var.managed_policies
  role       = aws_iam_role.this.name
  policy_arn = startswith(each.value, "arn:") ? each.value : "arn:${data.aws_partition.here.partition}:iam::aws:policy/${each.value}"
}

data "aws_iam_policy_document" "assume" {
  count = length(var.may_assume) > 0 ? 1 : 0
  statement {
    sid       = "WearRoles"
    actions   = ["sts:AssumeRole"]
    resources = var.may_assume
  }
}

resource "aws_iam_role_policy" "assume" {
  count  = length(var.may_assume) > 0 ? 1 : 0
  name   = "AssumeRoles"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.assume[0].json
}
