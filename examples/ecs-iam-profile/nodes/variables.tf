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

variable "name" {
  description = "Name of the cluster, and the beginning of the other names."
  type        = string
  default     = "es"
}

variable "cidr" {
  description = "Address range of the network."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "Number of availability zones; each has a private subnet with one node."
  type        = number
  default     = 2
}

variable "profile_state" {
  description = "Where the state of the instance profile is: a backend and its configuration."
  type = object({
    backend = string
    config  = map(string)
  })
  default = {
    backend = "local"
    config  = { path = "../terraform.tfstate" }
  }
}
