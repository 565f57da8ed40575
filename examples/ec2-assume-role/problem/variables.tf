variable "region" {
  description = "Region of the provider. Null takes it from the environment."
  type        = string
  default     = null
}

variable "bucket" {
  description = "Name of service B's bucket. Names of buckets are shared by all of AWS: choose one of your own there."
  type        = string
  default     = "github-amitsaha-bucket"
}
