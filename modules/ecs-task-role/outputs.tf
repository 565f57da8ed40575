output "task_role_arn" {
  description = "For `task_role_arn` of the task definition. It is known once the role's policies are there, so that no task starts without them."
  value       = aws_iam_role.task.arn
  depends_on  = [aws_iam_role_policy.task, aws_iam_role_policy_attachment.task, aws_iam_role_policy.exec]
}

output "task_role_name" {
  description = "Name of the task role, for further policies."
  value       = aws_iam_role.task.name
}

output "execution_role_arn" {
  description = "For `execution_role_arn` of the task definition; null without one."
  value       = one(aws_iam_role.execution[*].arn)
  depends_on  = [aws_iam_role_policy_attachment.execution, aws_iam_role_policy.secrets]
}

output "execution_role_name" {
  description = "Name of the execution role; null without one."
  value       = one(aws_iam_role.execution[*].name)
}
