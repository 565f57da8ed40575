# want: 17:13: profile must be a string, not a number
# hint: put it in quotes
# want: 18:13: region must be a string, not a list
# want: 22:18: allow_remote must be true or false, not a string
# want: 27:17: tags must be a map, as in { key = "value" }, not a list
# want: 28:17: policy_arns must be a list, as in ["a", "b"], not a string
# want: 29:17: duration is a number without a unit
# hint: write "3600s"
# want: 34:13: command must be a list, as in ["a", "b"], not a string
# want: 35:22: env["PORT"] must be a string, not a number
# hint: put it in quotes
# want: 37:12: uid must be a number, not a string
# want: 39:12: exe is empty
# hint: remove the argument or give it a value

base {
  profile = 7
  region  = ["eu-west-1"]
}

agent {
  allow_remote = "yes"
}

role "a" {
  arn         = "arn:aws:iam::111122223333:role/a"
  tags        = ["team"]
  policy_arns = "arn:aws:iam::aws:policy/ReadOnlyAccess"
  duration    = 3600
}

workload "w" {
  role    = "a"
  command = "go run ./service"
  env     = { PORT = 8080 }
  match {
    uid  = "1001"
    unit = null
    exe  = ""
  }
}
