variable "name" {
  description = "Name of the task role; the execution role's ends in -execution."
  type        = string
  validation {
    condition     = can(regex("^[\\w+=,.@-]{1,54}$", var.name))
    error_message = "The name has 1 to 54 letters, digits and _+=,.@- characters, so that -execution still fits behind it."
  }
}

variable "path" {
  description = "Path of the roles."
  type        = string
  default     = "/"
  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.path))
    error_message = "A path begins and ends with a slash, such as /service/."
  }
}

variable "description" {
  description = "Description of the task role. Null makes one of the name."
  type        = string
  default     = null
}

variable "policies" {
  description = "What the application may do: policy document (JSON) by name."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for document in values(var.policies) : can(jsondecode(document).Statement)])
    error_message = "Each policy is a JSON document with a Statement."
  }
}

variable "managed_policies" {
  description = "Managed policies of the task role, by a key of your own: ARNs, or path and name of policies of AWS. Case counts."
  type        = map(string)
  default     = {}
}

variable "execute_command" {
  description = "Whether ECS Exec may be used; it works with the task role."
  type        = bool
  default     = false
}

variable "execution_role" {
  description = "Whether to make an execution role. Tasks on Fargate, with secrets, or with the awslogs driver on Fargate need one."
  type        = bool
  default     = true
}

variable "secrets" {
  description = "ARNs of the Secrets Manager secrets and SSM parameters in the task definition's `secrets`; the execution role may read them."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.secrets : can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[!-)+-~]+$", arn))])
    error_message = "Each is the whole ARN of one secret or parameter."
  }
}

variable "secret_keys" {
  description = "ARNs of the KMS keys of one's own that encrypt `secrets`."
  type        = list(string)
  default     = []
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary of both roles. Null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the roles."
  type        = map(string)
  default     = {}
}
