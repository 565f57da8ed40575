# want: 21:13: command is empty
# hint: write command = ["program", "argument"]
# want: 26:14: the program's name is "go run ./service", with spaces
# hint: no shell splits it: write ["go", "run", "./service"]
# want: 31:14: command has no program
# want: 32:13: dir: there is no directory nowhere
# hint: paths start from the directory of the configuration
# want: 37:14: "metdata" is no endpoint
# hint: did you mean "metadata"?
# want: 42:13: imds_v1 is for the metadata endpoint only
# hint: add endpoint = "metadata" or remove it
# want: 48:14: env has AWS_EC2_METADATA_DISABLED, which keeps SDKs from the workload's own metadata endpoint
# hint: remove it

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "empty" {
  role    = "a"
  command = []
}

workload "shell" {
  role    = "a"
  command = ["go run ./service"]
}

workload "blank" {
  role    = "a"
  command = ["", "x"]
  dir     = "nowhere"
}

workload "endpoint" {
  role     = "a"
  endpoint = "metdata"
}

workload "v1" {
  role    = "a"
  imds_v1 = true
}

workload "disabled" {
  role     = "a"
  endpoint = "metadata"
  env      = { AWS_EC2_METADATA_DISABLED = "true" }
}
