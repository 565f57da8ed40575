# want: 16:6: role "a" is declared twice
# hint: the first is at 12:6
# want: 24:10: workload "w" is declared twice
# hint: the first is at 20:10
# want: 30:1: a second base block
# hint: put its arguments into the block at 28:1
# want: 40:10: two accounts have the id 111122223333
# hint: the first is at 36:10
# want: 41:12: bucket "data" is declared twice
# hint: the first is at 37:12

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

role "a" {
  arn = "arn:aws:iam::111122223333:role/b"
}

workload "w" {
  role = "a"
}

workload "w" {
  role = "a"
}

base {}

base {
  region = "eu-west-1"
}

sandbox {
  account "one" {
    id = "111122223333"
    bucket "data" {}
  }
  account "two" {
    id = "111122223333"
    bucket "data" {}
  }
}
