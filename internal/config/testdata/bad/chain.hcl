# want: 25:14: duration is 2h, but STS limits a role assumed by another role to one hour
# hint: write duration = "1h": whatever MaxSessionDuration says, only the first role of a chain lasts longer
# want: 30:49: role "self" is the same role
# hint: drop the hop: a session of the role is already held
# want: 35:10: role "self" is itself reached by way of other roles
# hint: list the whole chain here
# want: 35:10: via goes from partition aws to aws-cn
# hint: credentials of one partition are not known in another
# want: 41:3: via is set both as an argument and as a block
# hint: write the whole chain either as a list or as blocks
# want: 48:10: an element of via has no "externalid"
# hint: did you mean "external_id"?
# want: 48:78: this element of via has no arn
# hint: add arn = …
# want: 48:102: via[2] must be a string, not a number
# hint: put it in quotes
# want: 53:3: via has no arn
# hint: add arn = …   # role ARN
# want: 58:5: unknown argument "duration"
# hint: known here: arn, external_id, session_name

role "long" {
  arn      = "arn:aws:iam::111122223333:role/long"
  via      = ["arn:aws:iam::111122223333:role/jump"]
  duration = "2h"
}

role "self" {
  arn = "arn:aws:iam::111122223333:role/self"
  via = ["arn:aws:iam::111122223333:role/jump", "arn:aws:iam::111122223333:role/self"]
}

role "partitions" {
  arn = "arn:aws-cn:iam::111122223333:role/cn"
  via = [role.self]
}

role "both" {
  arn = "arn:aws:iam::111122223333:role/both"
  via = [role.long.arn]
  via {
    arn = "arn:aws:iam::111122223333:role/jump"
  }
}

role "object" {
  arn = "arn:aws:iam::111122223333:role/object"
  via = [{ arn = "arn:aws:iam::111122223333:role/jump", externalid = "x1" }, { external_id = "x1" }, 7]
}

role "block" {
  arn = "arn:aws:iam::111122223333:role/block"
  via {
    external_id = "x1"
  }
  via {
    arn      = "arn:aws:iam::111122223333:role/jump"
    duration = "1h"
  }
}
