output "instance_profile_name" {
  description = "What a launch names."
  value       = aws_iam_instance_profile.instance.name
}

output "role_arn" {
  description = "The role inside the profile."
  value       = aws_iam_role.instance.arn
}
