# A kill switch: what leaves these Macs goes through the VPN or stays in the building, and when the VPN is down, nothing else leaves.

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
    table <vpn_servers> persist

    # Of the rules that match, the last one decides. By the cable, nothing goes out
    block return out on en0 all
    # but what the VPN's servers are sent,
    pass out on en0 proto udp from any to <vpn_servers> port 51820
    # what gets the Mac its address and its neighbors,
    pass out on en0 inet proto udp from any port 68 to any port 67
    pass out on en0 inet6 proto icmp6 all
    # and what stays in the building,
    pass out on en0 inet from any to { 10/8, 172.16/12, 192.168/16 }
    # from where somebody may come in, as by SSH: the states let the answers out.
    pass in on en0 inet from { 10/8, 172.16/12, 192.168/16 } to any
  EOT

  # What the rules do, for `terraform test`. The table is empty there, so that the VPN's servers are not known.
  verdicts = { for what, packet in {
    https         = "out on en0 proto tcp from any to 1.1.1.1 port 443"
    dns           = "out on en0 proto udp from any to 1.1.1.1 port 53"
    https_by_vpn  = "out on utun4 proto tcp from any to 1.1.1.1 port 443"
    ssh_from_here = "in on en0 inet proto tcp from 192.168.1.2 to 192.168.1.10 port 22"
  } : what => provider::macos::pf_verdict(local.rules, packet).verdict }
}

# Servers come and go, and the rules stay. The table comes before them, so that the VPN is never cut.
resource "macos_pf_table" "vpn_servers" {
  for_each = var.hosts

  host      = each.key
  anchor    = "com.example.kill-switch"
  name      = "vpn_servers"
  addresses = var.vpn_servers
}

resource "macos_pf_anchor" "kill_switch" {
  for_each = macos_pf_table.vpn_servers

  host  = each.value.host
  name  = each.value.anchor
  rules = local.rules

  # Every plan that changes any rule is held to these.
  must_block = ["out on en0 proto tcp from any to 1.1.1.1 port 443"]
  must_pass = concat(
    ["in on en0 inet proto tcp from 192.168.0.0/16 to any port 22"],
    [for server in var.vpn_servers : "out on en0 inet proto udp from any to ${server} port 51820"],
  )

  # The plan foresees that HTTPS, the time and DNS would be cut where they do not go through the VPN. That is what it is for.
  allow_lockout = true
}

resource "macos_pf" "on" {
  for_each = macos_pf_anchor.kill_switch

  host          = each.value.host
  allow_lockout = true
}

data "macos_pf_status" "now" {
  for_each = macos_pf.on

  host       = each.value.host
  depends_on = [macos_pf.on]
}

check "nothing_leaks" {
  assert {
    condition     = alltrue([for mac in data.macos_pf_status.now : mac.enabled])
    error_message = "pf is disabled on: ${join(", ", [for name, mac in data.macos_pf_status.now : name if !mac.enabled])}."
  }
}
