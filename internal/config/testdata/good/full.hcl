base {
  profile = "dev"
  region  = "eu-west-1"
}

agent {
  listen       = "127.0.0.1:9000"
  metadata     = "169.254.169.254:80"
  allow_remote = false
}

sandbox {
  listen       = "0.0.0.0:4566"
  allow_remote = true
  state        = "./state"
  host         = "arn:aws:iam::111122223333:role/host"

  account "dev" {
    id   = "111122223333"
    load = ["account.json"]

    bucket "alpha-config" {
      region  = "eu-central-1"
      policy  = file("bucket-policy.json")
      objects = { "config.json" = file("alpha.json"), "empty" = "" }
      folder  = "buckets/alpha"
    }
  }

  account "shared" {
    id = "444455556666"
    bucket "plain" {}
  }
}

role "jump" {
  arn         = "arn:aws:iam::111122223333:role/jump"
  external_id = "jump-1"
}

role "alpha" {
  arn             = "arn:aws:iam::444455556666:role/app/alpha"
  via             = [role.jump, "arn:aws:iam::444455556666:role/second", { arn = "arn:aws:iam::444455556666:role/third", external_id = "x/3", session_name = "third-{host}" }]
  external_id     = env("EXTERNAL_ID", "unused")
  session_name    = "{workload}@{host}"
  source_identity = "{workload}"
  tags            = { team = "a", Service = "{workload}" }
  transitive_tags = ["team"]
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }]
  })
  policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::444455556666:policy/limit"]
  duration    = "30m"
  region      = "us-east-1"
}

role "beta" {
  arn      = "arn:aws:iam::111122223333:role/beta"
  duration = "12h"
}

workload "alpha" {
  role = "alpha"
  match {
    uid  = 1001
    exe  = "/usr/bin/foo*"
    unit = "foo.service"
  }
  command  = ["go", "run", "./service"]
  dir      = "service"
  env      = { BUCKETS = "a,b,c", ROLE = role.alpha.arn, HERE = path.dir }
  endpoint = "metadata"
  imds_v1  = true
}

workload "beta" {
  role = role.beta
  match {
    user = "beta"
  }
}

workload "gamma" {
  role = role.beta.name
}
