variable "name" {
  description = "Name of the role, and of the instance profile unless `profile_name` is set."
  type        = string
  validation {
    condition     = can(regex("^[\\w+=,.@-]{1,64}$", var.name))
    error_message = "A role's name has 1 to 64 letters, digits and _+=,.@- characters."
  }
}

variable "profile_name" {
  description = "Name of the instance profile: this is what a launch names, not the role. Null takes `name`."
  type        = string
  default     = null
}

variable "path" {
  description = "Path of role and profile."
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
  default     = "What EC2 instances wear"
}

variable "policies" {
  description = "Inline policies: document (JSON) by name."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for document in values(var.policies) : can(jsondecode(document).Statement)])
    error_message = "Each policy is a JSON document with a Statement."
  }
}

variable "managed_policies" {
  description = "Managed policies to attach, by a key of your own: ARNs, or path and name of policies of AWS such as service-role/AmazonEC2ContainerServiceforEC2Role. Case counts."
  type        = map(string)
  default     = {}
}

variable "may_assume" {
  description = "ARNs of the roles that the instance may assume. Across accounts the role's trust policy must let this one in as well."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.may_assume : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[!-)+-~]+$", arn))])
    error_message = "Each is the whole ARN of one role; a wildcard would also cover roles that are made later."
  }
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary. Null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of role and profile."
  type        = map(string)
  default     = {}
}
