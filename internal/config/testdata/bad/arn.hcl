# want: 26:9: arn has one colon too many before iam: "arn:aws::iam::111122223333:role/a"
# hint: did you mean "arn:aws:iam::111122223333:role/a"?
# want: 30:9: arn is the ARN of a session, not of a role
# hint: name the role: "arn:aws:iam::111122223333:role/web", with the role's path if it has one
# want: 34:9: arn is the ARN of an instance profile, not of a role
# hint: an instance profile holds a role: name that role's ARN
# want: 38:9: arn is no role: "user/bob"
# hint: as in arn:aws:iam::111122223333:role/name
# want: 42:9: arn is no role: "root"
# hint: as in arn:aws:iam::111122223333:role/name
# want: 46:9: arn has no account id of 12 digits: "1111"
# want: 50:9: arn has the unknown partition "aws-us-gow"
# hint: did you mean "aws-us-gov"?
# want: 54:9: arn has a region: "eu-west-1"
# hint: IAM has no regions: leave the fourth part empty
# want: 58:9: arn is an ARN of "s3", not of iam
# hint: as in arn:aws:iam::111122223333:role/name
# want: 62:9: arn has no sound role name: "a b"
# hint: a role's name has 1 to 64 letters, digits and _+=,.@-
# want: 66:9: arn has no sound role name: "*"
# hint: a role's name has 1 to 64 letters, digits and _+=,.@-
# want: 70:9: arn is no ARN: "web"
# hint: as in arn:aws:iam::111122223333:role/name

role "colon" {
  arn = "arn:aws::iam::111122223333:role/a"
}

role "session" {
  arn = "arn:aws:sts::111122223333:assumed-role/web/i-0abc"
}

role "profile" {
  arn = "arn:aws:iam::111122223333:instance-profile/web"
}

role "user" {
  arn = "arn:aws:iam::111122223333:user/bob"
}

role "root" {
  arn = "arn:aws:iam::111122223333:root"
}

role "account" {
  arn = "arn:aws:iam::1111:role/a"
}

role "partition" {
  arn = "arn:aws-us-gow:iam::111122223333:role/a"
}

role "region" {
  arn = "arn:aws:iam:eu-west-1:111122223333:role/a"
}

role "service" {
  arn = "arn:aws:s3:::role/a"
}

role "name" {
  arn = "arn:aws:iam::111122223333:role/a b"
}

role "wildcard" {
  arn = "arn:aws:iam::111122223333:role/*"
}

role "bare" {
  arn = "web"
}
