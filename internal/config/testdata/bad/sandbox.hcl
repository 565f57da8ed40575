# want: 35:11: state is empty
# hint: remove the argument or give it a value
# want: 38:13: load: there is no file missing.json
# hint: paths start from the directory of the configuration
# want: 38:46: load: other.json has none of UserDetailList, GroupDetailList, RoleDetailList and Policies
# hint: save what `aws iam get-account-authorization-details` prints
# want: 38:73: load takes paths, not what the files hold
# hint: write load = ["account.json"], without file()
# want: 39:12: "Data" is no bucket name
# hint: a bucket name has lower-case letters, digits, '.' and '-'
# want: 40:12: "192.168.0.1" is no bucket name
# hint: a bucket name must not look like an IP address
# want: 41:12: "a" is no bucket name
# hint: a bucket name has 3 to 63 characters
# want: 42:12: "data-" is no bucket name
# hint: a bucket name begins and ends with a letter or digit and has no two dots in a row
# want: 43:12: "x--x-s3" is no bucket name
# hint: the suffix --x-s3 is reserved
# want: 45:17: folder: there is no directory nowhere
# hint: paths start from the directory of the configuration
# want: 46:19: an object key has 1 to 1024 bytes, this one 0
# want: 46:35: objects["k"] must be a string, not a number
# hint: put it in quotes
# want: 50:10: id must be a string, not a number
# hint: put it in quotes
# want: 53:10: "1234" is no account id
# hint: an account id has 12 digits
# want: list.json:1:1: a JSON object is needed, not an array
# hint: save what `aws iam get-account-authorization-details` prints; loaded at 38:60
# want: not-json.json:2:22: invalid JSON: invalid character ',' looking for beginning of value
# hint: save what `aws iam get-account-authorization-details` prints; loaded at 38:29

sandbox {
  host  = "arn:aws:iam::999999999999:role/host"
  state = ""
  account "dev" {
    id   = "111122223333"
    load = ["missing.json", "not-json.json", "other.json", "list.json", file("account.json")]
    bucket "Data" {}
    bucket "192.168.0.1" {}
    bucket "a" {}
    bucket "data-" {}
    bucket "x--x-s3" {}
    bucket "fine" {
      folder  = "nowhere"
      objects = { "" = "x", "k" = 7 }
    }
  }
  account "ops" {
    id = 111122223334
  }
  account "short" {
    id = "1234"
  }
}
