# want: 28:17: duration is "10m"; STS takes 15m to 12h
# want: 29:17: external_id "a b": STS takes 2 to 1224 letters, digits and _+=,.@:/-
# want: 34:14: duration is "13h"; STS takes 15m to 12h
# want: 39:14: "1 hour" is no duration
# hint: as in "15m", "1h" or "1h30m"
# want: 44:14: duration "900.5s" is not a whole number of seconds
# want: 51:5: tags has both "Team" and "team"
# hint: STS does not tell upper and lower case apart in tag keys
# want: 52:5: tag key "aws:x": the prefix aws: is reserved
# want: 53:5: a tag key has 1 to 128 letters, digits, blanks and _.:/=+-@; this is "semi;"
# want: 54:18: tag "curly" has the unknown placeholder {hots}
# hint: did you mean {host}? placeholders are {cluster}, {compose_project}, {container}, {exe}, {family}, {host}, {image}, {instance_id}, {namespace}, {pod}, {pod_uid}, {service}, {service_account}, {task}, {uid}, {unit}, {workload}
# want: 55:18: the value of tag "semi_value" must have at most 256 letters, digits, blanks and _.:/=+-@
# want: 57:22: transitive_tags: there is no tag "teem"
# hint: did you mean "Team"?
# want: 57:38: transitive_tags has "team" twice
# hint: remove it
# want: 64:5: policy_arns has this policy twice
# hint: remove it
# want: 65:5: policy_arns has a policy of account 444455556666
# hint: a session policy is one of AWS or of the role's account 111122223333
# want: 66:5: policy_arns has the ARN of something else than a policy: "role/a"
# hint: as in arn:aws:iam::aws:policy/ReadOnlyAccess
# want: 67:5: policy_arns has a policy of partition aws-cn, the role is in aws

role "short" {
  arn         = "arn:aws:iam::111122223333:role/a"
  duration    = "10m"
  external_id = "a b"
}

role "long" {
  arn      = "arn:aws:iam::111122223333:role/a"
  duration = "13h"
}

role "unit" {
  arn      = "arn:aws:iam::111122223333:role/a"
  duration = "1 hour"
}

role "fraction" {
  arn      = "arn:aws:iam::111122223333:role/a"
  duration = "900.5s"
}

role "tags" {
  arn = "arn:aws:iam::111122223333:role/a"
  tags = {
    Team       = "a"
    team       = "b"
    "aws:x"    = "c"
    "semi;"    = "d"
    curly      = "{hots}"
    semi_value = "a;b"
  }
  transitive_tags = ["teem", "Team", "team"]
}

role "policies" {
  arn = "arn:aws:iam::111122223333:role/a"
  policy_arns = [
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "arn:aws:iam::444455556666:policy/other",
    "arn:aws:iam::111122223333:role/a",
    "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
  ]
}
