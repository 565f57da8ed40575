base {
  region = "eu-west-1"
}

# Three services on one machine, each with a role of its own.
role "orders" {
  arn          = "arn:aws:iam::111122223333:role/orders"
  session_name = "{workload}@{host}"
  duration     = "1h"
}

role "jump" {
  arn = "arn:aws:iam::111122223333:role/jump"
}

role "reports" {
  arn         = "arn:aws:iam::444455556666:role/team/reports"
  via         = [role.jump] # a role in another account, reached by way of one here
  external_id = "reports-7"
  tags        = { team = "finance" }
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::reports/*" }]
  })
}

workload "orders" {
  role = role.orders
  match {
    user = "orders"
    unit = "orders.service"
  }
}

workload "reports" {
  role    = role.reports
  command = ["go", "run", "./reports"] # mantle up starts it
  env     = { BUCKET = "reports" }
}
