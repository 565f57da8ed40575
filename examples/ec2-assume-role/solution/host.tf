# One host for all services, as development has it. It wears role1.

data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-kernel-6.1-x86_64"]
  }
}

resource "aws_instance" "host" {
  ami                  = data.aws_ami.linux.id
  instance_type        = "t3.micro"
  iam_instance_profile = module.role1.profile_name
  metadata_options {
    http_tokens = "required"
  }
  tags = { Name = "devbox" }
}

module "role1" {
  source       = "../../../modules/instance-role"
  name         = "test_profile1_role"
  profile_name = "test_profile1"
  description  = "What the host wears"
}
