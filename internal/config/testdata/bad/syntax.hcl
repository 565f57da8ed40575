# want: 5:13: expected the start of an expression, but found an invalid expression token

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
  duration =
}
