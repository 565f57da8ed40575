# want: 9:12: "eu-west-1a" is no region
# hint: that looks like an availability zone; its region is eu-west-1
# want: 14:12: region us-east-1 is in partition aws, the role in aws-cn
# hint: set the role's region
# want: 25:16: "Europe" is no region
# hint: as in eu-west-1

base {
  region = "eu-west-1a"
}

role "cn" {
  arn    = "arn:aws-cn:iam::111122223333:role/a"
  region = "us-east-1"
}

role "gov" {
  arn = "arn:aws-us-gov:iam::111122223333:role/a"
}

sandbox {
  account "dev" {
    id = "111122223333"
    bucket "data" {
      region = "Europe"
    }
  }
}
