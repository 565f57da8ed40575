# What service B needs: its bucket, and role2, which may use it. In
# production an instance of its own wears role2.

resource "aws_s3_bucket" "conf" {
  bucket        = var.bucket
  force_destroy = true
}

data "aws_iam_policy_document" "conf" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.conf.arn]
  }
  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.conf.arn}/*"]
  }
}

resource "aws_iam_instance_profile" "profile2" {
  name = "test_profile2"
  role = module.role2.role_name
}
