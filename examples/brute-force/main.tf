# Whoever knocks too often is locked out: pf itself puts the address into a table, and a rule blocks what is in it.

terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

provider "macos" {
  user  = var.user
  hosts = var.hosts
}

locals {
  rules = <<-EOT
    table <friends> persist
    table <bruteforce> persist

    pass in quick proto tcp from <friends> to any port 22
    block drop in quick from <bruteforce>

    # More than 10 connections in a minute, or 20 at a time, and all that the address has is cut and no new one is let in.
    pass in proto tcp from any to any port 22 flags S/SA keep state (max-src-conn 20, max-src-conn-rate 10/60, overload <bruteforce> flush global)
  EOT

  # What the rules are and do, for `terraform test`. The tables are empty there.
  canonical = provider::macos::pf_canonical(local.rules)
  verdict   = provider::macos::pf_verdict(local.rules, "in proto tcp from 203.0.113.1 to any port 22").verdict
}

# Who can never be locked out: exactly these. The table comes before the rules that ask it.
resource "macos_pf_table" "friends" {
  for_each = var.hosts

  host      = each.key
  anchor    = "com.example.ssh-guard"
  name      = "friends"
  addresses = var.friends
}

# Who is always locked out. pf adds others at any time, and those are left alone: they are neither touched nor shown.
resource "macos_pf_table" "bruteforce" {
  for_each = var.hosts

  host      = each.key
  anchor    = "com.example.ssh-guard"
  name      = "bruteforce"
  addresses = var.banned
  exclusive = false
}

resource "macos_pf_anchor" "guard" {
  for_each = var.hosts

  host       = each.key
  name       = "com.example.ssh-guard"
  rules      = local.rules
  depends_on = [macos_pf_table.friends, macos_pf_table.bruteforce]
}

resource "macos_pf" "on" {
  for_each = macos_pf_anchor.guard

  host = each.value.host
}

# Who is locked out at the moment.
data "macos_pf_rules" "now" {
  for_each = macos_pf.on

  host       = each.value.host
  depends_on = [macos_pf.on]
}

output "locked_out" {
  description = "The addresses that are locked out, by Mac."
  value       = { for name, mac in data.macos_pf_rules.now : name => flatten([for t in mac.tables : t.addresses if t.name == "bruteforce"]) }
}

check "friends_are_in" {
  assert {
    condition     = length(setintersection(var.friends, flatten([for mac in data.macos_pf_rules.now : [for t in mac.tables : t.addresses if t.name == "bruteforce"]]))) == 0
    error_message = "A friend knocks too often. The rules let it in all the same, but find out why."
  }
}
