# The roles of a host's workloads, made from its mantle.hcl.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "profiles" {
  description = "Profiles of the shared AWS configuration that administer the accounts, by account id."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["111122223333", "444455556666"], keys(var.profiles))) == 0
    error_message = "Name a profile for each of 111122223333, 444455556666."
  }
}

provider "aws" {
  profile             = var.profiles["111122223333"]
  region              = "eu-west-1"
  allowed_account_ids = ["111122223333"]
}

provider "aws" {
  alias               = "a444455556666"
  profile             = var.profiles["444455556666"]
  region              = "eu-west-1"
  allowed_account_ids = ["444455556666"]
}

module "host_roles" {
  source = "../modules/host-roles"
  name   = "devbox"
  roles = {
    "fixed" = {
      source_identity = true
      # policies = { … } # what the workload may do
    }
    "gamma" = {
      external_id = "gamma-7c1e"
      # policies = { … } # what the workload may do
    }
    "jump" = {
      external_id = "j-1"
      # policies = { … } # what the workload may do
    }
    "alpha" = {
      path = "/services/"
      # policies = { … } # what the workload may do
    }
  }
  targets = {
    "audit" = {
      arn             = "arn:aws:iam::444455556666:role/audit"
      session_tags    = true
      source_identity = true
    }
    "reports" = {
      arn         = "arn:aws:iam::444455556666:role/reports"
      external_id = "r-2"
    }
  }
}

module "audit" {
  source          = "../modules/assumable-role"
  providers       = { aws = aws.a444455556666 }
  name            = "audit"
  principals      = [module.host_roles.host_role_arn]
  session_tags    = true
  source_identity = true
  # policies = { … } # what the workload may do
}

module "reports" {
  source       = "../modules/assumable-role"
  providers    = { aws = aws.a444455556666 }
  name         = "reports"
  principals   = [module.host_roles.host_role_arn, module.host_roles.role_arns["jump"]]
  conditions   = [{ test = "StringEquals", variable = "sts:ExternalId", values = ["r-1", "r-2"] }]
  session_tags = true
  # policies = { … } # what the workload may do
}

resource "aws_iam_role_policy" "jump_to_reports" {
  name   = "Assume-444455556666-reports"
  role   = reverse(split("/", module.host_roles.role_arns["jump"]))[0]
  policy = module.reports.caller_policy
}

output "host_role_arn" {
  description = "The host's role."
  value       = module.host_roles.host_role_arn
}

output "instance_profile_name" {
  description = "The instance profile to launch the host with."
  value       = module.host_roles.instance_profile_name
}
