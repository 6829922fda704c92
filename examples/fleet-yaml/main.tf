# Fifty Macs from an inventory in YAML, with rules by what they are for.

terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

locals {
  fleet = yamldecode(file("${path.module}/fleet.yaml"))

  # What is expected of each, by role. They are called in the order of their names.
  rules = {
    build  = "block in on en0 proto tcp from any to any port { 5900, 3283 }\n"
    office = "block in on en0 proto tcp from any to any port 445\n"
    kiosk  = "block in on en0 proto tcp from any to any port 22\n"
  }

  # The rules without mistakes, for `terraform test`.
  checked = { for role, rules in local.rules : role => provider::macos::pf_check(rules) }

  # One anchor for each role of each Mac: { "lobby-01 kiosk" = { host = "lobby-01", role = "kiosk" } }.
  anchors = merge([for name, mac in local.fleet : { for role in mac.roles : "${name} ${role}" => { host = name, role = role } }]...)
}

provider "macos" {
  user = "admin"
  # A Mac that is away does not keep the others from being planned.
  on_unreachable = "keep"

  hosts = { for name, mac in local.fleet : name => {
    address  = mac.address
    port     = try(mac.port, null)
    host_key = try(mac.host_key, null)
  } }
}

resource "macos_pf_anchor" "role" {
  for_each = local.anchors

  host  = each.value.host
  name  = "com.example.${each.value.role}"
  rules = local.rules[each.value.role]
}

resource "macos_pf" "on" {
  for_each = local.fleet

  host       = each.key
  depends_on = [macos_pf_anchor.role]
}
