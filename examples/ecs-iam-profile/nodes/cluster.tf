module "cluster" {
  source = "../../../modules/ecs-cluster"
  name   = var.name
}

resource "aws_ecs_task_definition" "es" {
  family       = "${var.name}-node"
  network_mode = "host"
  container_definitions = jsonencode([{
    name         = "es"
    image        = "docker.elastic.co/elasticsearch/elasticsearch:8.19.0"
    memory       = 1024
    cpu          = 256
    essential    = true
    environment  = [{ name = "discovery.seed_providers", value = "ec2" }]
    portMappings = [{ containerPort = 9200, hostPort = 9200, protocol = "tcp" }]
  }])
}
