output "instance_profile_name" {
  description = "What a launch names."
  value       = module.profile.instance_profile_name
}

output "role_arn" {
  description = "The role inside the profile."
  value       = module.profile.role_arn
}
