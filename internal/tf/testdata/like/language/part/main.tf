variable "name" {
  type     = string
  nullable = false
}

resource "terraform_data" "inner" {
  input = "${path.module}:${var.name}"
}

output "out" {
  value = "<${terraform_data.inner.input}>"
}

output "nested" {
  value = { x = [var.name] }
}
