variable "dev" {
  description = "The account in which the task runs, and the profile that administers it."
  type        = object({ profile = string, account_id = string })
  default     = { profile = "dev", account_id = "111122223333" }
  validation {
    condition     = can(regex("^[0-9]{12}$", var.dev.account_id))
    error_message = "An account id has twelve digits; a blank one makes an ARN that matches nothing."
  }
}

variable "shared" {
  description = "The account that owns the table, and the profile that administers it."
  type        = object({ profile = string, account_id = string })
  default     = { profile = "shared", account_id = "444455556666" }
  validation {
    condition     = can(regex("^[0-9]{12}$", var.shared.account_id))
    error_message = "An account id has twelve digits; a blank one makes an ARN that matches nothing."
  }
}

variable "region" {
  description = "Region of the table and of the task."
  type        = string
  default     = "us-west-2"
}

variable "external_id" {
  description = "External ID that the shared account asks for. Null asks for none."
  type        = string
  default     = null
}

variable "profile_folder" {
  description = "Folder on the container instances that holds the profile file; it is mounted at the application user's ~/.aws."
  type        = string
  default     = "/opt/dummy-profile"
}

variable "home" {
  description = "Home folder of the application's user in the container."
  type        = string
  default     = "/home/app"
}

variable "image" {
  description = "Image of the application, made from app/. On AWS it comes from a registry."
  type        = string
  default     = "orders-app:latest"
}

variable "command" {
  description = "Command of the container. Null takes the image's."
  type        = list(string)
  default     = null
}
