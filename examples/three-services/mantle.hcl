# Three services on one host, each under its own role.
#
# Without the sandbox block the same file runs against real AWS: mantle then
# starts from the credentials of the SDK's default chain, or of the profile
# that the base block names.

base {
  region = "eu-west-1"
}

sandbox {
  # The role that this host wears, as an EC2 instance would.
  host = "arn:aws:iam::111122223333:role/devbox"

  account "dev" {
    id   = "111122223333"
    load = ["account.json"] # as `aws iam get-account-authorization-details` prints it

    bucket "alpha-config" {
      objects = { "greeting.txt" = "hello from alpha" }
    }
    bucket "beta-config" {
      objects = { "greeting.txt" = "hello from beta" }
    }
    bucket "gamma-config" {
      objects = { "greeting.txt" = "hello from gamma" }
    }
  }
}

role "alpha" {
  arn = "arn:aws:iam::111122223333:role/services/alpha"
}

role "beta" {
  arn = "arn:aws:iam::111122223333:role/services/beta"
}

role "gamma" {
  arn         = "arn:aws:iam::111122223333:role/services/gamma"
  external_id = "gamma-7c1e"
}

# The services are one ordinary program with the plain AWS SDK. It is told
# which bucket is its own, and tries the other two as well.

workload "alpha" {
  role    = role.alpha
  command = ["go", "run", "./service", "alpha-config", "beta-config", "gamma-config"]
}

workload "beta" {
  role     = role.beta
  command  = ["go", "run", "./service", "beta-config", "alpha-config", "gamma-config"]
  endpoint = "metadata" # an EC2 metadata service of its own instead of a container endpoint
}

workload "gamma" {
  role    = role.gamma
  command = ["go", "run", "./service", "gamma-config", "alpha-config", "beta-config"]
}
