output "host_role_arn" {
  description = "ARN of the host's role."
  value       = local.host.arn
}

output "instance_profile_name" {
  description = "Instance profile to launch the host with; null with `host_role_arn`."
  value       = one(module.host[*].profile_name)
}

output "role_arns" {
  description = "ARNs of the workloads' roles, by name: for the `arn` of role blocks in mantle.hcl."
  value       = local.arns
}

output "target_trust" {
  description = "Trust policies (JSON) for `targets`, by their keys: what each has to let in."
  value       = { for key, document in data.aws_iam_policy_document.target : key => document.json }
}
