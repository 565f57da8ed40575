# want: 6:6: "a b" is no name for a role
# hint: use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first
# want: 10:10: "" is no name for a workload
# hint: use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first

role "a b" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "" {
  role = "a b"
}
