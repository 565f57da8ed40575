# want: bucket.json:4:68: bucket policy: unexpected '"': a comma or '}' is missing
# hint: policies are JSON: keys in double quotes, no comments, no trailing commas
# want: policy.json:5:16: session policy: unknown effect "Maybe"
# hint: use "Allow" or "Deny"

role "a" {
  arn    = "arn:aws:iam::111122223333:role/a"
  policy = file("policy.json")
}

sandbox {
  account "dev" {
    id = "111122223333"
    bucket "data" {
      policy = file("bucket.json")
    }
  }
}
