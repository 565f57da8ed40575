# want: 13:18: environment variable UNSET is not set
# hint: set it or give a default: env("UNSET", "…")
# want: 14:41: env takes a name and at most one default
# want: 19:18: there is no file missing.json
# hint: paths start from the directory of the configuration
# want: 24:12: there is no function named "fil"
# hint: did you mean "file"?
# want: 29:18: binary.dat is not text in UTF-8
# hint: put binary files into a bucket with its folder argument
# want: 34:17: this object does not have an attribute named "dri"

base {
  profile = env("UNSET")
  region  = env("REGION", "eu-west-1", "x")
}

role "a" {
  arn    = "arn:aws:iam::111122223333:role/a"
  policy = file("missing.json")
}

role "b" {
  arn    = "arn:aws:iam::111122223333:role/b"
  policy = fil("policy.json")
}

role "c" {
  arn    = "arn:aws:iam::111122223333:role/c"
  policy = file("binary.dat")
}

workload "w" {
  role = "a"
  dir  = "${path.dri}/x"
}
