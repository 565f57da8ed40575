terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

# One provider for each account. allowed_account_ids stops an apply whose
# profiles have been mixed up.

provider "aws" {
  alias               = "dev"
  profile             = var.dev.profile
  region              = var.region
  allowed_account_ids = [var.dev.account_id]
}

provider "aws" {
  alias               = "shared"
  profile             = var.shared.profile
  region              = var.region
  allowed_account_ids = [var.shared.account_id]
}
