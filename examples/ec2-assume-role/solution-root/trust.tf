# role2 trusts the account, so that it need not know who in it will come.
# The account then decides with its own policies: without the statement that
# caller_roles puts on role1, the host is refused.

data "aws_caller_identity" "me" {}

data "aws_partition" "here" {}

module "role2" {
  source       = "../../../modules/assumable-role"
  name         = "test_profile2_role"
  description  = "What service B wears"
  services     = ["ec2.amazonaws.com"]
  principals   = ["arn:${data.aws_partition.here.partition}:iam::${data.aws_caller_identity.me.account_id}:root"]
  caller_roles = { host = module.role1.role_name }
  policies     = { AccessConfigurationBucket = data.aws_iam_policy_document.conf.json }
}
