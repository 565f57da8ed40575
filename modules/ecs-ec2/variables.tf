variable "name" {
  description = "What the names of launch template and group begin with, and the instances' Name tag."
  type        = string
}

variable "cluster_name" {
  description = "Cluster that the instances join."
  type        = string
}

variable "instance_profile_name" {
  description = "Instance profile of the instances: the profile's name, not the role's."
  type        = string
  validation {
    condition     = !startswith(var.instance_profile_name, "arn:")
    error_message = "Give the name of the instance profile, not an ARN."
  }
}

variable "subnet_ids" {
  description = "Subnets of the instances; without `desired_capacity` there is one instance for each."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "Name at least one subnet."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instances. Empty takes the VPC's default group."
  type        = list(string)
  default     = []
}

variable "ami_id" {
  description = "Image of the instances. Null takes the newest ECS-optimized Amazon Linux 2023."
  type        = string
  default     = null
}

variable "instance_type" {
  description = "Type of the instances."
  type        = string
  default     = "t3.small"
}

variable "key_name" {
  description = "Key pair for SSH. Null installs none."
  type        = string
  default     = null
}

variable "metadata_hop_limit" {
  description = "How many network hops the metadata service's session tokens travel. 2 lets containers in bridge mode reach the instance's role."
  type        = number
  default     = 1
  validation {
    condition     = var.metadata_hop_limit >= 1 && var.metadata_hop_limit <= 64
    error_message = "The hop limit is between 1 and 64."
  }
}

variable "agent_settings" {
  description = "Further settings of the ECS agent, or other values for those that the module sets."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name, value in var.agent_settings : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !strcontains(value, "'")])
    error_message = "Names are upper case (ECS_…), and values hold no single quotes."
  }
}

variable "user_data" {
  description = "Further shell commands, run at first boot after the agent's settings are written."
  type        = string
  default     = null
}

variable "min_size" {
  description = "Least number of instances."
  type        = number
  default     = 0
}

variable "max_size" {
  description = "Greatest number of instances. Null takes the number of subnets."
  type        = number
  default     = null
}

variable "desired_capacity" {
  description = "Number of instances. Null takes the number of subnets."
  type        = number
  default     = null
}

variable "tags" {
  description = "Tags of launch template and instances."
  type        = map(string)
  default     = {}
}
