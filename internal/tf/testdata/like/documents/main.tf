# Policy documents in every spelling, held to the JSON that the provider made.
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

data "aws_iam_policy_document" "plain" {
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:Abort*"]
    resources = ["arn:aws:s3:::b/*", "arn:aws:s3:::a/&{aws:username}/*"]
  }
}

data "aws_iam_policy_document" "all" {
  version   = "2008-10-17"
  policy_id = "everything"
  statement {
    sid           = "Deny"
    effect        = "Deny"
    not_actions   = ["iam:*"]
    not_resources = ["*"]
    not_principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::111122223333:role/b", "arn:aws:iam::111122223333:role/a"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["eu-west-1", "eu-central-1", "eu-west-1"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/team"
      values   = ["x"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = [false]
    }
  }
  statement {
    actions   = ["sts:AssumeRole"]
    resources = []
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]
    }
    principals {
      type        = "AWS"
      identifiers = ["111122223333"]
    }
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
  statement {
    actions = ["s3:*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
  statement {
    actions = ["s3:*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

data "aws_iam_policy_document" "base" {
  statement {
    sid       = "One"
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
  statement {
    sid       = "Two"
    actions   = ["s3:PutObject"]
    resources = ["*"]
  }
  statement {
    actions   = ["s3:ListBucket"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "more" {
  source_policy_documents = [data.aws_iam_policy_document.base.json, jsonencode({ Version = "2012-10-17", Statement = [{ Sid = "Three", Effect = "Allow", Action = ["a:A", "b:B", "ab:C"], Resource = "*", Principal = { Service = ["a.amazonaws.com", "b.amazonaws.com"] }, Condition = { Bool = { "aws:SecureTransport" = true } } }] })]
  statement {
    sid       = "Two"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::b/*"]
  }
  override_policy_documents = [data.aws_iam_policy_document.over.json]
}

data "aws_iam_policy_document" "over" {
  statement {
    sid       = "One"
    actions   = ["s3:GetObjectVersion"]
    resources = ["*"]
  }
  statement {
    actions   = ["s3:ListAllMyBuckets"]
    resources = ["*"]
  }
}

locals {
  rules = [{ id = "42", hosts = ["a", "b"] }, { id = "43", hosts = [] }]
}

data "aws_iam_policy_document" "dynamic" {
  dynamic "statement" {
    for_each = local.rules
    iterator = rule
    content {
      sid       = "Rule${rule.key}"
      actions   = ["sts:AssumeRole"]
      resources = ["*"]
      dynamic "condition" {
        for_each = toset(rule.value.hosts)
        content {
          test     = "StringLike"
          variable = "aws:${condition.value}"
          values   = [rule.value.id, condition.key]
        }
      }
    }
  }
}
