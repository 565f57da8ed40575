# want: 27:16: token_file means nothing with source "instance"
# hint: write source = "web_identity", or remove it
# want: 28:16: "http://sts.example.com" would send sessions in the clear
# hint: write https
# want: 32:18: there is no interception "adress"
# hint: did you mean "address"?
# want: 33:31: there is no intercept[1] "imds"
# hint: use one of metadata, container, pod_identity
# want: 34:18: there is no on_stop "open"
# hint: use one of close, remove
# want: 35:18: hop_limit is 65, and has to be 1 to 64
# want: 36:18: cache means nothing without cache_key
# hint: add cache_key
# want: 37:18: pod_identity opens the port to every network of the machine
# hint: write 127.0.0.1:80, or add allow_remote = true if that is meant
# want: 40:5: allow: "meta-data/iam/info" is never handed on: it holds the credentials of the host's own role
# hint: as in meta-data/placement/* or meta-data/instance-id
# want: 41:5: allow: "user-data" is never handed on: user data often holds secrets of the whole host
# hint: as in meta-data/placement/* or meta-data/instance-id
# want: 42:5: allow: "meta-data/*": name the category, as in meta-data/placement/*
# hint: as in meta-data/placement/* or meta-data/instance-id
# want: 43:5: allow: "meta-data/brand-new/x" is never handed on: meta-data/brand-new is not known to be harmless
# hint: as in meta-data/placement/* or meta-data/instance-id

base {
  source     = "instance"
  token_file = "t"
  endpoint   = "http://sts.example.com"
}

agent {
  interception = "adress"
  intercept    = ["metadata", "imds"]
  on_stop      = "open"
  hop_limit    = 65
  cache        = "loans"
  pod_identity = "0.0.0.0:80"
  allow = [
    "meta-data/placement/*",
    "meta-data/iam/info",
    "user-data",
    "meta-data/*",
    "meta-data/brand-new/x",
  ]
}
