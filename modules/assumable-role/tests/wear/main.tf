# Puts a role on and says who it is then.

variable "role_arn" {
  type = string
}

provider "aws" {
  assume_role {
    role_arn     = var.role_arn
    session_name = "test"
  }
}

data "aws_caller_identity" "me" {}

output "arn" {
  value = data.aws_caller_identity.me.arn
}
