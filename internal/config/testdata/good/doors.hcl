base {
  source     = "web_identity"
  role_arn   = "arn:aws:iam::111122223333:role/mantle"
  token_file = "/var/run/secrets/token"
  region     = "eu-west-1"
  endpoint   = "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/"
  ca_bundle  = "ca.pem"
}

agent {
  interception = "redirect"
  intercept    = ["metadata", "pod_identity"]
  on_stop      = "remove"
  hop_limit    = 2
  socket       = "none"
  tokens       = "/run/mantle/tokens"
  cache        = "/var/lib/mantle/loans"
  cache_key    = "/etc/mantle/cache.key"
  metrics      = "127.0.0.1:9419"
  allow        = ["meta-data/placement/*", "meta-data/network/interfaces/macs/*/subnet-id"]
}
