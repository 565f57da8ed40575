output "name" {
  description = "Name of the cluster: what ECS_CLUSTER on an instance is set to."
  value       = aws_ecs_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}
