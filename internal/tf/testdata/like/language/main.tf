# The language itself: variables, locals, modules, count, for_each, conditions.
variable "names" {
  type    = map(object({ size = optional(number, 3), tags = optional(list(string)) }))
  default = { b = { size = 1 }, a = {} }
}

variable "flag" {
  type = bool
}

variable "given" {
  type    = string
  default = "overridden by terraform.tfvars"
}

variable "auto" {
  type = list(string)
}

locals {
  list  = [for k, v in var.names : "${k}=${v.size}" if v.size > 0]
  map   = { for k, v in var.names : upper(k) => v... }
  splat = module.part[*].out
  deep  = { a = { b = ["x", { c = "d" }] } }
}

module "part" {
  source = "./part"
  count  = var.flag ? 2 : 0
  name   = "n${count.index}"
}

module "each" {
  source   = "./part"
  for_each = var.names
  name     = each.key
}

resource "terraform_data" "value" {
  for_each = {
    list     = local.list
    map      = local.map
    splat    = local.splat
    deep     = [local.deep.a.b[1].c, local.deep["a"]["b"][0]]
    given    = var.given
    auto     = var.auto
    each     = { for k, m in module.each : k => m.out }
    heredoc  = <<-EOT
      line ${var.given}
        %{if var.flag}on%{else}off%{endif}
      %{~for n in ["1", "2"]} ${n}%{endfor}
    EOT
    literal  = "$${x} %%{y} \"q\" \u00e9"
    math     = [1 + 2 * 3, 7 % 4, -1, !true, 1 == 1, "a" != "b", 2 >= 3 || true]
    nothing  = null
    path     = [path.module, path.root, terraform.workspace]
    override = "written in main.tf"
  }
  input = each.value
}

resource "terraform_data" "counted" {
  count = 3
  input = "c${count.index}"
}

resource "terraform_data" "uses" {
  input      = [terraform_data.counted[*].input, terraform_data.counted[1].input, terraform_data.value["given"].input, [for c in terraform_data.counted : c.input], length(terraform_data.counted), module.part[1].nested.x]
  depends_on = [terraform_data.counted]
}

resource "terraform_data" "patched" {
  input = "written in main.tf"
}
