variable "name" {
  description = "Name of the role."
  type        = string
  validation {
    condition     = can(regex("^[\\w+=,.@-]{1,64}$", var.name))
    error_message = "A role's name has 1 to 64 letters, digits and _+=,.@- characters."
  }
}

variable "path" {
  description = "Path of the role."
  type        = string
  default     = "/"
  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.path))
    error_message = "A path begins and ends with a slash, such as /service/."
  }
}

variable "description" {
  description = "Description of the role."
  type        = string
  default     = null
}

variable "principals" {
  description = "ARNs of the roles and users that the trust policy lets in, or of accounts (arn:aws:iam::ID:root), whose own policies then decide who in them may come."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.principals : can(regex("^arn:[a-z-]+:(iam::[0-9]{12}:(root|(role|user)/[!-)+-~]+)|sts::[0-9]{12}:assumed-role/[!-)+-~]+)$", arn))])
    error_message = "Each is arn:PARTITION:iam::ACCOUNT:role/NAME, user/NAME or root, with an account id of twelve digits; a trust policy takes no wildcard in a principal. To let in roles by pattern, name the account and add a condition on aws:PrincipalArn."
  }
}

variable "services" {
  description = "Services that the trust policy lets in besides, such as ec2.amazonaws.com."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for service in var.services : can(regex("^[a-z0-9.-]+\\.amazonaws\\.com(\\.cn)?$", service))])
    error_message = "A service is named like ec2.amazonaws.com or ecs-tasks.amazonaws.com."
  }
}

variable "external_id" {
  description = "External ID that principals must send (sts:ExternalId). It is no secret: whoever can read the role sees it. Null asks for none."
  type        = string
  default     = null
  validation {
    condition     = var.external_id == null || (can(regex("^[\\w+=,.@:/-]{2,}$", var.external_id)) && length(coalesce(var.external_id, "-")) <= 1224)
    error_message = "An external ID has 2 to 1224 letters, digits and _+=,.@:/- characters."
  }
}

variable "conditions" {
  description = "Further conditions that principals must meet, all of them."
  type = list(object({
    test     = string
    variable = string
    values   = list(string)
  }))
  default = []
}

variable "session_tags" {
  description = "Whether callers may send session tags (sts:TagSession)."
  type        = bool
  default     = false
}

variable "source_identity" {
  description = "Whether callers may set a source identity (sts:SetSourceIdentity)."
  type        = bool
  default     = false
}

variable "caller_roles" {
  description = "Roles of this account, by a key of your own, that get the caller's half: the policy that lets them assume the role. Values are role names."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "Inline policies of the role: document (JSON) by name."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for document in values(var.policies) : can(jsondecode(document).Statement)])
    error_message = "Each policy is a JSON document with a Statement."
  }
}

variable "managed_policies" {
  description = "Managed policies to attach, by a key of your own: ARNs, or path and name of policies of AWS. Case counts."
  type        = map(string)
  default     = {}
}

variable "max_session_duration" {
  description = "Longest session, in seconds. Sessions of a role assumed by another role last an hour at most, whatever this says."
  type        = number
  default     = 3600
  validation {
    condition     = var.max_session_duration >= 3600 && var.max_session_duration <= 43200
    error_message = "Sessions last between 3600 and 43200 seconds."
  }
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary. Null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}
