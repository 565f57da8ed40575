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
  description = "Name of the bucket and of the lock table. Null makes one of the account id: names of buckets are shared by all of AWS."
  type        = string
  default     = null
}
