# want: 18:5: env sets AWS_SECRET_ACCESS_KEY, which SDKs prefer to the role
# hint: remove it: mantle hands the workload its role's credentials
# want: 19:5: env sets aws_profile, which SDKs prefer to the role
# hint: remove it: mantle hands the workload its role's credentials
# want: 20:29: env["OTHER"] holds an access key id
# hint: remove it: mantle hands the workload its role's credentials
# want: 21:5: "A B" is no name for an environment variable
# want: 22:5: env sets AWS_CONTAINER_AUTHORIZATION_TOKEN, which mantle sets itself
# hint: remove it

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "w" {
  role = "a"
  env = {
    AWS_SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    aws_profile           = "dev"
    OTHER                 = "AKIAIOSFODNN7EXAMPLE"
    "A B"                 = "x"
    AWS_CONTAINER_AUTHORIZATION_TOKEN = "x"
  }
}
