# The implicit role comes with the machine. All it may do is rise: the module
# of the expansive role gives it that.
module "implicit" {
  source       = "../../modules/instance-role"
  name         = "implicit_role"
  profile_name = "implicit_profile"
  description  = "Comes with the machine; may only assume expansive_role"
}

# The expansive role trusts the implicit one and nobody else.
module "expansive" {
  source       = "../../modules/assumable-role"
  name         = "expansive_role"
  description  = "Put on for one job at a time"
  principals   = [module.implicit.role_arn]
  caller_roles = { implicit = module.implicit.role_name }
  policies     = { Job = data.aws_iam_policy_document.job.json }
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "Job"
    actions   = var.may
    resources = ["*"]
  }
}
