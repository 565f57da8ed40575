variable "account_id" {
  description = "The only account that this may be applied to. Null takes that of the credentials."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of the provider. Null takes it from the environment."
  type        = string
  default     = null
}

variable "role_name" {
  description = "Name of the role that the instances wear."
  type        = string
  default     = "ec2-ecs-instance-role"
}

variable "profile_name" {
  description = "Name of the instance profile: this is what a launch names, not the role."
  type        = string
  default     = "ecs-instance-profile"
}
