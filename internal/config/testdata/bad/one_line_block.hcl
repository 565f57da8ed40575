# want: 10:20: a single-line block definition must end with a closing brace immediately after its single argument definition
# hint: put each argument on a line of its own

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "w" {
  role = "a"
  match { uid = 1  unit = "a.service" }
}
