# want: 21:14: there is no role "alhpa"
# hint: did you mean "alpha"?
# want: 25:10: there is no role "alpa"
# hint: did you mean "alpha"?
# want: 29:14: there is no role "gamma"
# hint: declare it: role "gamma" { arn = … }
# want: 33:10: role takes the name of a role block, not an ARN
# hint: declare a role block with this ARN and use its name
# want: 37:10: there is no variable named "rol"
# hint: did you mean "role"?
# want: 41:20: this object does not have an attribute named "ran"
# want: 45:14: there is no role "zeta"
# hint: did you mean "beta"?

role "alpha" {
  arn = "arn:aws:iam::111122223333:role/alpha"
}

role "beta" {
  arn = "arn:aws:iam::111122223333:role/beta"
  via = [role.alhpa]
}

workload "a" {
  role = "alpa"
}

workload "b" {
  role = role.gamma
}

workload "c" {
  role = "arn:aws:iam::111122223333:role/alpha"
}

workload "d" {
  role = rol.alpha
}

workload "e" {
  role = role.alpha.ran
}

workload "f" {
  role = role["zeta"]
}
