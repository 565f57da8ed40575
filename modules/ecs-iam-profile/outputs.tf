output "instance_profile_name" {
  description = "What a launch names."
  value       = module.role.profile_name
}

output "instance_profile_arn" {
  description = "ARN of the instance profile."
  value       = module.role.profile_arn
}

output "role_arn" {
  description = "ARN of the role inside the profile."
  value       = module.role.role_arn
}

output "role_name" {
  description = "Name of the role, for further policies."
  value       = module.role.role_name
}
