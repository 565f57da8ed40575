output "instance_id" {
  description = "The build machine."
  value       = aws_instance.machine.id
}

output "expansive_role_arn" {
  description = "The role to put on for a job."
  value       = module.expansive.role_arn
}
