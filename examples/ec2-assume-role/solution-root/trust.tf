# role2 trusts the account, so that it need not know who in it will come.
# The account then decides with its own policies: without the statement on
# role1 below, the host is refused.

data "aws_caller_identity" "me" {}

data "aws_partition" "here" {}

data "aws_iam_policy_document" "role2_trust" {
  source_policy_documents = [data.aws_iam_policy_document.ec2.json]
  statement {
    sid     = "Account"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.here.partition}:iam::${data.aws_caller_identity.me.account_id}:root"]
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
