# want: 15:16: source "web_identity" needs token_file
# hint: add token_file
# want: 16:16: role_arn is no role: "user/me"
# hint: as in arn:aws:iam::111122223333:role/name
# want: 17:16: fips and dual_stack choose an endpoint, and endpoint names another
# hint: name the right endpoint and remove fips and dual_stack
# want: 19:16: profile means nothing with source "web_identity"
# hint: write source = "profile", or remove it
# want: 23:15: intercept means nothing without an interception
# hint: add interception = "redirect", or remove it
# want: 24:15: on_stop means nothing without an interception
# hint: add interception = "redirect", or remove it

base {
  source     = "web_identity"
  role_arn   = "arn:aws:iam::111122223333:user/me"
  endpoint   = "https://sts.example.com"
  fips       = true
  profile    = "dev"
}

agent {
  intercept = []
  on_stop   = "remove"
}
