flag = true
given = "from terraform.tfvars"
