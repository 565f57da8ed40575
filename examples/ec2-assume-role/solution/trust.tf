# role2 lets role1 in by its ARN. In the same account that is enough by
# itself; role1 says so too (caller_roles), so that reading either of them
# tells the story.
module "role2" {
  source       = "../../../modules/assumable-role"
  name         = "test_profile2_role"
  description  = "What service B wears"
  services     = ["ec2.amazonaws.com"]
  principals   = [module.role1.role_arn]
  caller_roles = { host = module.role1.role_name }
  policies     = { AccessConfigurationBucket = data.aws_iam_policy_document.conf.json }
}
