data "aws_caller_identity" "me" {}

data "aws_region" "here" {}

locals {
  name = coalesce(var.name, "terraform-state-${data.aws_caller_identity.me.account_id}")
}

# Everybody who reads a state reads its secrets, so nothing of it is public
# and every version is kept.
resource "aws_s3_bucket" "state" {
  bucket        = local.name
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_dynamodb_table" "lock" {
  name         = local.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"
  attribute {
    name = "LockID"
    type = "S"
  }
}
