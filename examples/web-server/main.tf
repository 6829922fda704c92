# A web server that runs as an ordinary user on port 8080, and is reached at port 80: pf redirects it there.

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
  # Translation comes first: the filter rules see port 8080 at 127.0.0.1, where the server listens.
  rules = <<-EOT
    rdr on en0 inet proto tcp from any to any port 80 -> 127.0.0.1 port 8080

    block in on en0 inet proto tcp from any to 127.0.0.1
    pass in on en0 inet proto tcp from any to 127.0.0.1 port 8080
  EOT

  # What the rules do, for `terraform test`.
  verdicts = { for what, packet in {
    web = "in on en0 inet proto tcp from any to 192.0.2.1 port 80"
    ssh = "in on en0 inet proto tcp from any to 192.0.2.1 port 22"
  } : what => provider::macos::pf_verdict(local.rules, packet).verdict }
}

resource "macos_pf_anchor" "web" {
  for_each = var.hosts

  host  = each.key
  name  = "com.example.web"
  rules = local.rules

  # What this is for, said once more: a plan that would end it is refused, whoever changes whatever rules.
  must_pass = ["in on en0 inet proto tcp from any to any port 80"]
}

resource "macos_pf" "on" {
  for_each = macos_pf_anchor.web

  host = each.value.host
}

# What the kernel holds, from whatever hand it comes.
data "macos_pf_rules" "loaded" {
  for_each = macos_pf.on

  host       = each.value.host
  depends_on = [macos_pf.on]
}

check "redirected" {
  assert {
    condition = alltrue([for mac in data.macos_pf_rules.loaded :
      anytrue([for r in mac.rules : r.action == "rdr" && r.evaluated && r.to_port == "80" && r.target == "127.0.0.1 port 8080"])
    ])
    error_message = "Port 80 is not redirected on every Mac."
  }
}

check "evaluated" {
  assert {
    condition     = alltrue([for mac in data.macos_pf_rules.loaded : length(mac.dead_anchors) == 0])
    error_message = "There are anchors whose rules nothing evaluates: ${join(", ", flatten([for mac in data.macos_pf_rules.loaded : mac.dead_anchors]))}."
  }
}
