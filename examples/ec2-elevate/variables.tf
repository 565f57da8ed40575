variable "region" {
  description = "Region of the provider. Null takes it from the environment."
  type        = string
  default     = null
}

variable "may" {
  description = "Actions of the expansive role. The story leaves them open; give a job what it uses."
  type        = list(string)
  default     = ["*"]
}
