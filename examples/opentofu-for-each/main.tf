# OpenTofu can make a provider for each Mac (1.9 and later; Terraform has no such thing). Then a Mac has a provider of its own, with
# settings of its own, and a module for one Mac serves all of them.
#
# For this provider that is a matter of taste: one block with `hosts` does the same, and dials each Mac once all the same.

terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

variable "user" {
  description = "User to log in as, who may use sudo."
  type        = string
  default     = "admin"
}

variable "hosts" {
  description = "The Macs, by name."
  type = map(object({
    address  = string
    port     = optional(number) # 22
    host_key = optional(string) # else what ~/.ssh/known_hosts says
  }))
}

# The names that are to be managed. A Mac must keep its provider until its resources are gone: take its name out here first, apply,
# and then take it out of hosts.
variable "managed" {
  description = "The names in hosts that are managed. Default: all."
  type        = set(string)
  default     = null
}

provider "macos" {
  alias    = "mac"
  for_each = var.hosts

  user  = var.user
  hosts = { (each.key) = each.value }
}

module "mac" {
  source   = "./mac"
  for_each = var.managed == null ? toset(keys(var.hosts)) : var.managed

  providers = {
    macos = macos.mac[each.key]
  }
}
