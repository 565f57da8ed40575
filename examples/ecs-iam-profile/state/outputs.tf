locals {
  backend = {
    bucket         = aws_s3_bucket.state.id
    dynamodb_table = aws_dynamodb_table.lock.name
    region         = data.aws_region.here.name
  }
}

output "backend" {
  description = "A backend block for each configuration, to be written to its backend_override.tf."
  value = {
    for name in ["profile", "nodes"] : name => <<-EOT
      terraform {
        backend "s3" {
          bucket         = "${local.backend.bucket}"
          dynamodb_table = "${local.backend.dynamodb_table}"
          encrypt        = true
          key            = "${name}.tfstate"
          region         = "${local.backend.region}"
        }
      }
    EOT
  }
}

output "profile_state" {
  description = "Where the nodes find the profile's state: the value of their variable profile_state."
  value = {
    backend = "s3"
    config = {
      bucket = local.backend.bucket
      key    = "profile.tfstate"
      region = local.backend.region
    }
  }
}
