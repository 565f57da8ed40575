output "repository" {
  description = "Where the sample's image is pushed."
  value       = aws_ecr_repository.sample.repository_url
}

output "task_definition" {
  description = "The revision to run."
  value       = aws_ecs_task_definition.sample.arn
}

output "task_role_arn" {
  description = "The role of the task."
  value       = module.task.task_role_arn
}
