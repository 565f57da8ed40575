# The shared account: the table, and a role that may use it.

resource "aws_dynamodb_table" "orders" {
  provider     = aws.shared
  name         = "orders"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

# Across accounts both sides have to agree: this one names the task role, and
# the task role's own policy (dev.tf) names this one.
data "aws_iam_policy_document" "access_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.task.arn]
    }
    dynamic "condition" {
      for_each = var.external_id[*]
      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role" "access" {
  provider           = aws.shared
  name               = "dynamo-access"
  description        = "What the orders application of the dev account wears here"
  assume_role_policy = data.aws_iam_policy_document.access_trust.json
}

# The ARN of a table has a region and an account: "arn:aws:dynamodb:::table/…"
# matches no table.
data "aws_iam_policy_document" "orders" {
  statement {
    sid       = "Orders"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan"]
    resources = [aws_dynamodb_table.orders.arn]
  }
}

resource "aws_iam_role_policy" "orders" {
  provider = aws.shared
  name     = "orders"
  role     = aws_iam_role.access.name
  policy   = data.aws_iam_policy_document.orders.json
}
