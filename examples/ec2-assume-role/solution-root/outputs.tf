output "instance_id" {
  description = "The host."
  value       = aws_instance.host.id
}

output "role1_arn" {
  description = "The host's role."
  value       = module.role1.role_arn
}

output "role2_arn" {
  description = "The role of service B."
  value       = module.role2.role_arn
}

output "bucket" {
  description = "Service B's bucket."
  value       = aws_s3_bucket.conf.id
}
