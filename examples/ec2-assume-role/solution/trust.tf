# role2 lets role1 in by its ARN. In the same account that is enough by
# itself; role1 says so too, so that reading either of them tells the story.

data "aws_iam_policy_document" "role2_trust" {
  source_policy_documents = [data.aws_iam_policy_document.ec2.json]
  statement {
    sid     = "Host"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.role1.arn]
    }
  }
}

resource "aws_iam_role" "role2" {
  name               = "test_profile2_role"
  description        = "What service B wears"
  assume_role_policy = data.aws_iam_policy_document.role2_trust.json
}

data "aws_iam_policy_document" "assume" {
  statement {
    sid       = "WearRole2"
    actions   = ["sts:AssumeRole"]
    resources = [aws_iam_role.role2.arn]
  }
}

resource "aws_iam_role_policy" "assume" {
  name   = "AssumeRole2"
  role   = aws_iam_role.role1.name
  policy = data.aws_iam_policy_document.assume.json
}
