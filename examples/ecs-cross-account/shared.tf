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

# Across accounts both sides have to agree. The module makes both halves: the
# role here, which names the task role, and the task role's own policy there,
# which names this one.
module "access" {
  source      = "../../modules/cross-account-role"
  providers   = { aws.caller = aws.dev, aws.target = aws.shared }
  name        = "dynamo-access"
  description = "What the orders application of the dev account wears here"
  caller      = { arn = module.task.task_role_arn, name = module.task.task_role_name }
  external_id = var.external_id
  policies    = { orders = data.aws_iam_policy_document.orders.json }
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
