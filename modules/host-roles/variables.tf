variable "name" {
  description = "Name of the host's role and instance profile."
  type        = string
  default     = "mantle-host"
}

variable "path" {
  description = "Path of the host's role and instance profile."
  type        = string
  default     = "/"
}

variable "host_role_arn" {
  description = "ARN of a role that the host wears already. Null makes one for EC2, with an instance profile."
  type        = string
  default     = null
  validation {
    condition     = var.host_role_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[!-)+-~]+$", var.host_role_arn))
    error_message = "Give the whole ARN of the role, arn:PARTITION:iam::ACCOUNT:role/NAME."
  }
}

variable "roles" {
  description = "Roles of workloads to make in this account, by name. `via` names another of them that is assumed first."
  type = map(object({
    path                 = optional(string, "/")
    description          = optional(string)
    via                  = optional(string)
    external_id          = optional(string)
    session_tags         = optional(bool, false)
    source_identity      = optional(bool, false)
    policies             = optional(map(string), {})
    managed_policies     = optional(map(string), {})
    max_session_duration = optional(number, 3600)
  }))
  default = {}
  validation {
    condition     = alltrue([for role in values(var.roles) : role.via == null || (contains(keys(var.roles), coalesce(role.via, "-")) && try(var.roles[role.via].via, null) == null)])
    error_message = "via names another of the roles, one that the host assumes itself; longer chains are made of several modules."
  }
}

variable "targets" {
  description = "Roles that exist already, or in other accounts, by a key of your own. The host's role gets its half; output `target_trust` has theirs."
  type = map(object({
    arn             = string
    external_id     = optional(string)
    session_tags    = optional(bool, false)
    source_identity = optional(bool, false)
  }))
  default = {}
  validation {
    condition     = alltrue([for target in values(var.targets) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[!-)+-~]+$", target.arn))])
    error_message = "Each target is the whole ARN of one role, arn:PARTITION:iam::ACCOUNT:role/NAME."
  }
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary of every role that is made. Null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of what is made."
  type        = map(string)
  default     = {}
}
