# The implicit role comes with the machine. All it may do is rise.

data "aws_iam_policy_document" "implicit_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "implicit" {
  name               = "implicit_role"
  description        = "Comes with the machine; may only assume expansive_role"
  assume_role_policy = data.aws_iam_policy_document.implicit_trust.json
}

# Role and instance profile are two things: only the profile can be put on a
# machine.
resource "aws_iam_instance_profile" "implicit" {
  name = "implicit_profile"
  role = aws_iam_role.implicit.name
}

data "aws_iam_policy_document" "rise" {
  statement {
    sid       = "AssumeOneRole"
    actions   = ["sts:AssumeRole"]
    resources = [aws_iam_role.expansive.arn]
  }
}

resource "aws_iam_role_policy" "rise" {
  name   = "AssumeExpansiveRole"
  role   = aws_iam_role.implicit.name
  policy = data.aws_iam_policy_document.rise.json
}

# The expansive role trusts the implicit one and nobody else.

data "aws_iam_policy_document" "expansive_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.implicit.arn]
    }
  }
}

resource "aws_iam_role" "expansive" {
  name               = "expansive_role"
  description        = "Put on for one job at a time"
  assume_role_policy = data.aws_iam_policy_document.expansive_trust.json
}

data "aws_iam_policy_document" "expansive" {
  statement {
    sid       = "Job"
    actions   = var.may
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "expansive" {
  name   = "Job"
  role   = aws_iam_role.expansive.name
  policy = data.aws_iam_policy_document.expansive.json
}
