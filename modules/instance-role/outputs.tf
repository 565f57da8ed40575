output "role_arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the role, for further policies."
  value       = aws_iam_role.this.name
}

output "profile_name" {
  description = "Name of the instance profile: what a launch names."
  value       = aws_iam_instance_profile.this.name
}

output "profile_arn" {
  description = "ARN of the instance profile."
  value       = aws_iam_instance_profile.this.arn
}
