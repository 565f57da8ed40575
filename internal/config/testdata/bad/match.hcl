# want: 24:11: -1 is no user id: it is 0 to 4294967294
# want: 31:11: uid must be a whole number
# want: 39:11: exe "bin/foo" is not anchored at the root
# hint: write the absolute path, as in /usr/bin/web
# want: 47:11: exe "/opt/**/foo" has **
# hint: * stands for anything but /; write one for each directory
# want: 55:11: exe "/opt/../bin/foo" is not how the kernel writes a path
# hint: write /bin/foo
# want: 63:12: unit "foo" has no type
# hint: did you mean "foo.service"?
# want: 71:12: match has both uid and user
# hint: keep one of them
# want: 77:3: match is empty: it would fit nobody
# hint: set uid, user, gid, group, exe or unit, or remove the block
# want: 83:12: uid must be a number, not a string

role "a" {
  arn = "arn:aws:iam::111122223333:role/a"
}

workload "negative" {
  role = "a"
  match {
    uid = -1
  }
}

workload "fraction" {
  role = "a"
  match {
    uid = 1.5
  }
}

workload "exe" {
  role = "a"
  match {
    uid = 1
    exe = "bin/foo"
  }
}

workload "stars" {
  role = "a"
  match {
    uid = 2
    exe = "/opt/**/foo"
  }
}

workload "dots" {
  role = "a"
  match {
    uid = 3
    exe = "/opt/../bin/foo"
  }
}

workload "unit" {
  role = "a"
  match {
    uid  = 4
    unit = "foo"
  }
}

workload "both" {
  role = "a"
  match {
    uid  = 5
    user = "foo"
  }
}

workload "empty" {
  role = "a"
  match {}
}

workload "typo" {
  role = "a"
  match {
    uid  = "4"
    unit = "*.service"
  }
}
