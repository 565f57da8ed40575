data "aws_partition" "here" {}

data "aws_caller_identity" "me" {}

locals {
  account = "arn:${data.aws_partition.here.partition}:iam::${data.aws_caller_identity.me.account_id}"

  # Roles that the host assumes itself, and roles that it reaches by way of one
  # of those. AWS looks up the principals of a trust policy when it stores it,
  # so the second kind is made after the first.
  direct  = { for key, role in var.roles : key => role if role.via == null }
  chained = { for key, role in var.roles : key => role if role.via != null }
  arns    = merge({ for key, role in module.direct : key => role.role_arn }, { for key, role in module.chained : key => role.role_arn })

  # What the host's own role has to be allowed, by what goes along with it.
  wanted = concat(
    [for key, role in local.direct : { arn = local.arns[key], session_tags = role.session_tags, source_identity = role.source_identity }],
    [for target in var.targets : target],
  )
  plain    = sort([for one in local.wanted : one.arn])
  tagged   = sort([for one in local.wanted : one.arn if one.session_tags])
  vouched  = sort([for one in local.wanted : one.arn if one.source_identity])
  existing = var.host_role_arn != null
  host     = local.existing ? { arn = var.host_role_arn, name = reverse(split("/", var.host_role_arn))[0] } : { arn = module.host[0].role_arn, name = module.host[0].role_name }
}

# The host's role. All it may do is put on the roles of its workloads.
module "host" {
  count                = local.existing ? 0 : 1
  source               = "../instance-role"
  name                 = var.name
  path                 = var.path
  description          = "What mantle's host wears; it may only assume the roles of its workloads"
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

module "direct" {
  for_each             = local.direct
  source               = "../assumable-role"
  name                 = each.key
  path                 = each.value.path
  description          = each.value.description
  principals           = [local.host.arn]
  external_id          = each.value.external_id
  session_tags         = each.value.session_tags
  source_identity      = each.value.source_identity
  policies             = each.value.policies
  managed_policies     = each.value.managed_policies
  max_session_duration = each.value.max_session_duration
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

module "chained" {
  for_each             = local.chained
  source               = "../assumable-role"
  name                 = each.key
  path                 = each.value.path
  description          = each.value.description
  principals           = [module.direct[each.value.via].role_arn]
  caller_roles         = { via = module.direct[each.value.via].role_name }
  external_id          = each.value.external_id
  session_tags         = each.value.session_tags
  source_identity      = each.value.source_identity
  policies             = each.value.policies
  managed_policies     = each.value.managed_policies
  max_session_duration = each.value.max_session_duration
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

data "aws_iam_policy_document" "host" {
  statement {
    sid       = "WearRoles"
    actions   = ["sts:AssumeRole"]
    resources = local.plain
  }
  dynamic "statement" {
    for_each = length(local.tagged) > 0 ? [1] : []
    content {
      sid       = "TagSessions"
      actions   = ["sts:TagSession"]
      resources = local.tagged
    }
  }
  dynamic "statement" {
    for_each = length(local.vouched) > 0 ? [1] : []
    content {
      sid       = "SetSourceIdentity"
      actions   = ["sts:SetSourceIdentity"]
      resources = local.vouched
    }
  }
}

resource "aws_iam_role_policy" "host" {
  name   = "WearWorkloadRoles"
  role   = local.host.name
  policy = data.aws_iam_policy_document.host.json
  lifecycle {
    precondition {
      condition     = length(local.plain) > 0
      error_message = "The host has nothing to assume: name roles or targets."
    }
    precondition {
      condition     = startswith(local.host.arn, "${local.account}:")
      error_message = "${local.host.arn} is not in account ${data.aws_caller_identity.me.account_id}, which the provider administers."
    }
  }
}

# The trust statements for targets that this module does not make.
data "aws_iam_policy_document" "target" {
  for_each = var.targets
  statement {
    sid = "MantleHost"
    actions = concat(
      ["sts:AssumeRole"],
      each.value.session_tags ? ["sts:TagSession"] : [],
      each.value.source_identity ? ["sts:SetSourceIdentity"] : [],
    )
    principals {
      type        = "AWS"
      identifiers = [local.host.arn]
    }
    dynamic "condition" {
      for_each = each.value.external_id[*]
      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}
