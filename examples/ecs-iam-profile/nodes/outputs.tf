output "cluster" {
  description = "Name of the cluster that the nodes join."
  value       = module.cluster.name
}

output "autoscaling_group" {
  description = "Name of the group that keeps one node for each private subnet."
  value       = module.nodes.autoscaling_group_name
}
