# want: 23:20: session policy: unknown effect "Alow"
# hint: use "Allow" or "Deny"
# want: 38:9: session policy: unknown key "Acton" in a statement
# hint: known keys: Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition
# want: 47:12: session policy: unexpected end of document: an object is not closed
# hint: policies are JSON: keys in double quotes, no comments, no trailing commas
# want: 54:50: session policy: session policy names a principal
# hint: remove it: session policies apply to whom they are attached to
# want: 60:23: session policy: AWS would refuse it with PackedPolicyTooLarge: Packed policy consumes 143% of allotted space, please use smaller policy.
# hint: session policies have at most 2048 characters, white space included

role "encoded" {
  arn = "arn:aws:iam::111122223333:role/a"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "*"
      },
      {
        Effect   = "Alow"
        Action   = "s3:GetObject"
        Resource = "*"
      },
    ]
  })
}

role "heredoc" {
  arn    = "arn:aws:iam::111122223333:role/a"
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": {
        "Effect": "Allow",
        "Acton": "s3:GetObject",
        "Resource": "*"
      }
    }
  EOT
}

role "broken" {
  arn    = "arn:aws:iam::111122223333:role/a"
  policy = "{"
}

role "principal" {
  arn = "arn:aws:iam::111122223333:role/a"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "*", Action = "s3:*", Resource = "*" }]
  })
}

role "long" {
  arn = "arn:aws:iam::111122223333:role/a"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for i in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39] : { Effect = "Allow", Action = "s3:*", Resource = "arn:aws:s3:::bucket-${i}/*" }]
  })
}
