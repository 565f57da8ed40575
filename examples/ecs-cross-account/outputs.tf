output "task_role_arn" {
  description = "The role of the task, in the dev account."
  value       = module.task.task_role_arn
}

output "access_role_arn" {
  description = "The role that it rises to, in the shared account."
  value       = module.access.role_arn
}

# The SDK fetches the task role's credentials from the container endpoint
# and assumes the role with them. In a file named credentials the section is
# [crossAccount]; in one named config it would be [profile crossAccount].
output "profile" {
  description = "The profile file for the container instances."
  value       = <<-EOT
    [crossAccount]
    role_arn = ${module.access.role_arn}
    credential_source = EcsContainer
    region = ${var.region}
    role_session_name = app%{if var.external_id != null}
    external_id = ${var.external_id}%{endif}
  EOT
}
