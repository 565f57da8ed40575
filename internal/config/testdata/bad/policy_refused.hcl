# want: 12:105: session policy: AWS would refuse it with MalformedPolicyDocument: Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*
# hint: use letters and digits only
# want: 24:31: bucket policy: AWS would refuse it with MalformedPolicy: Invalid principal in policy
# hint: the colons are misplaced: write "arn:aws:iam::111122223333:root"
# want: 36:25: bucket policy: AWS would refuse it with MalformedPolicy: Policy has invalid resource
# hint: a bucket policy is about its own bucket: arn:aws:s3:::BUCKET and arn:aws:s3:::BUCKET/*

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::photos/*", Sid = "has blank" }]
  })
}

sandbox {
  account "dev" {
    id = "111122223333"
    bucket "photos" {
      policy = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Principal = { AWS = "arn:aws::iam::111122223333:root" }
          Action    = "s3:GetObject"
          Resource  = "arn:aws:s3:::photos/*"
        }]
      })
    }
    bucket "videos" {
      policy = <<-EOT
        {
          "Version": "2012-10-17",
          "Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::photos/*"
          }
        }
      EOT
    }
  }
}
