variable "name" {
  description = "Name of the role that the container instances wear."
  type        = string
  default     = "ec2-ecs-instance-role"
}

variable "profile_name" {
  description = "Name of the instance profile: this is what a launch names, not the role."
  type        = string
  default     = "ecs-instance-profile"
}

variable "path" {
  description = "Path of role and profile."
  type        = string
  default     = "/"
}

variable "discovery" {
  description = "Whether programs on the instances may list instances, as Elasticsearch's EC2 discovery does."
  type        = bool
  default     = false
}

variable "policies" {
  description = "Further inline policies: document (JSON) by name. What a task needs belongs to its task role instead."
  type        = map(string)
  default     = {}
}

variable "managed_policies" {
  description = "Further managed policies, by a key of your own: ARNs, or path and name of policies of AWS."
  type        = map(string)
  default     = {}
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
