variable "region" {
  description = "Region of the provider. Null takes it from the environment."
  type        = string
  default     = null
}

variable "policy_file" {
  description = "Policy document for the task role. Null attaches AmazonS3FullAccess, as people begin."
  type        = string
  default     = null
}

variable "image_tag" {
  description = "Tag of the sample's image in the repository."
  type        = string
  default     = "v1"
}

variable "command" {
  description = "Command of the container. Null takes the image's."
  type        = list(string)
  default     = null
}
