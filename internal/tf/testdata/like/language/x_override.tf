resource "terraform_data" "patched" {
  input = "written in x_override.tf"
}
