output "cluster" {
  description = "Name of the cluster that the nodes join."
  value       = aws_ecs_cluster.this.name
}

output "instance_ids" {
  description = "Ids of the nodes, by availability zone."
  value       = { for zone, node in aws_instance.node : zone => node.id }
}
