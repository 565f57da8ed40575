output "role_arn" {
  description = "ARN of the role: what the caller assumes."
  value       = module.role.role_arn
}

output "role_name" {
  description = "Name of the role, for further policies."
  value       = module.role.role_name
}

output "profile" {
  description = "The lines of a shared credentials file that let an SDK in an ECS task put the role on by itself, for a section of your choosing."
  value       = <<-EOT
    role_arn = ${module.role.role_arn}
    credential_source = EcsContainer
    role_session_name = ${var.caller.name}%{if var.external_id != null}
    external_id = ${var.external_id}%{endif}
  EOT
}
