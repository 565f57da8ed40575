# Nobody but EC2 may put role2 on, and no instance has it: on this host,
# service B is refused its own bucket.

resource "aws_iam_role" "role2" {
  name               = "test_profile2_role"
  description        = "What service B wears"
  assume_role_policy = data.aws_iam_policy_document.ec2.json
}
