# want: 6:17: there are 51 tags; STS takes at most 50
# want: 7:17: policy_arns has 11 policies; STS takes at most 10

role "tags" {
  arn         = "arn:aws:iam::111122223333:role/a"
  tags        = { for i in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50] : "k${i}" => "v" }
  policy_arns = [for i in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : "arn:aws:iam::aws:policy/p${i}"]
}
