data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-kernel-6.1-x86_64"]
  }
}

# The build machine. A script that reads the metadata service without a
# session token gets 401 here; SDKs and mantle fetch one.
resource "aws_instance" "machine" {
  ami                  = data.aws_ami.linux.id
  instance_type        = "t3.micro"
  iam_instance_profile = module.implicit.profile_name
  metadata_options {
    http_tokens = "required"
  }
  tags = { Name = "build-agent" }
}
