variable "name" {
  description = "Name of the role in the target account."
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
  description = "Description of the role. Null names the caller."
  type        = string
  default     = null
}

variable "caller" {
  description = "The role in the caller's account that will assume this one. It has to exist: AWS looks it up when it stores the trust policy."
  type = object({
    arn  = string
    name = string
  })
  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[!-)+-~]+$", var.caller.arn)) && endswith(var.caller.arn, "/${var.caller.name}")
    error_message = "Give the caller's ARN, arn:PARTITION:iam::ACCOUNT:role/NAME with an account id of twelve digits, and the same role's name."
  }
}

variable "external_id" {
  description = "External ID that the caller must send (sts:ExternalId). It is no secret: whoever can read the role sees it. Null asks for none."
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
  description = "Longest session, in seconds. A caller that is a role itself gets an hour at most, whatever this says."
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
