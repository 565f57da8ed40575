# The profile is another team's, with a state of its own.
data "terraform_remote_state" "profile" {
  backend = var.profile_state.backend
  config  = var.profile_state.config
}

# One instance for each private subnet. Elasticsearch runs in host mode here,
# so the metadata service's session tokens need not travel further than one
# hop.
module "nodes" {
  source                = "../../../modules/ecs-ec2"
  name                  = var.name
  cluster_name          = module.cluster.name
  instance_profile_name = data.terraform_remote_state.profile.outputs.instance_profile_name
  subnet_ids            = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids    = [aws_security_group.node.id]
}
