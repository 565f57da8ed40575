output "instance_id" {
  description = "The host."
  value       = aws_instance.host.id
}

output "role1_arn" {
  description = "The host's role."
  value       = aws_iam_role.role1.arn
}

output "role2_arn" {
  description = "The role of service B."
  value       = aws_iam_role.role2.arn
}

output "bucket" {
  description = "Service B's bucket."
  value       = aws_s3_bucket.conf.id
}
