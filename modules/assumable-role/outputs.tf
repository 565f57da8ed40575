output "role_arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the role, for further policies."
  value       = aws_iam_role.this.name
}

output "caller_policy" {
  description = "The caller's half as a policy document, for callers that are not in `caller_roles`: another account's, or users."
  value       = data.aws_iam_policy_document.caller.json
}
