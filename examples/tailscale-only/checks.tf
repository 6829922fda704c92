# What has to be true of every Mac, asked of the Macs themselves in every plan. A check that fails is a warning, and ends nothing.
# (Data sources inside a check block would be read again in every apply, and every plan would say so: they stand outside.)

data "macos_pf_status" "now" {
  for_each = macos_pf.on

  host       = each.key
  depends_on = [macos_pf.on]
}

data "macos_pf_rules" "now" {
  for_each = macos_pf.on

  host       = each.key
  depends_on = [macos_pf.on]
}

data "macos_tailscale" "now" {
  for_each = var.hosts

  host = each.key
}

# From another Mac on the same network, every port looks as if there were no Mac.
data "macos_port_probe" "network" {
  for_each = { for name, mac in var.hosts : name => mac if mac.network_address != null && var.probe_from != null && name != var.probe_from }

  host       = each.key
  address    = each.value.network_address
  from       = var.probe_from
  ports      = var.probe_ports
  depends_on = [macos_pf.on]
}

check "firewall" {
  assert {
    condition     = alltrue([for mac in data.macos_pf_status.now : mac.enabled])
    error_message = "pf is disabled on: ${join(", ", [for name, mac in data.macos_pf_status.now : name if !mac.enabled])}."
  }
  assert {
    condition     = alltrue([for mac in data.macos_pf_rules.now : !contains(mac.dead_anchors, "tailscale-only")])
    error_message = "The rules are loaded, and nothing calls them, on: ${join(", ", [for name, mac in data.macos_pf_rules.now : name if contains(mac.dead_anchors, "tailscale-only")])}."
  }
}

check "network" {
  assert {
    condition     = alltrue([for mac in data.macos_port_probe.network : length(mac.open) + length(mac.closed) == 0])
    error_message = join("\n", [for name, mac in data.macos_port_probe.network : "${name} can be reached from the network: ${mac.summary}" if length(mac.open) + length(mac.closed) > 0])
  }
}

check "tailnet" {
  assert {
    condition     = alltrue([for mac in data.macos_tailscale.now : mac.state == "Running"])
    error_message = "Tailscale is not up on: ${join(", ", [for name, mac in data.macos_tailscale.now : name if mac.state != "Running"])}."
  }
  assert {
    condition     = alltrue([for mac in data.macos_tailscale.now : mac.ssh != true])
    error_message = "Tailscale's own SSH server answers port 22, so pf has no say in who logs in, on: ${join(", ", [for name, mac in data.macos_tailscale.now : name if mac.ssh == true])}."
  }
  assert {
    condition     = alltrue(flatten([for mac in data.macos_tailscale.now : [for peer in coalesce(mac.peers, []) : peer.path != "derp"]]))
    error_message = "There are peers that are reached through a relay (DERP) only: does a rule stop WireGuard's own packets?"
  }
}

# What the rules do, without a Mac: this is true before anything is applied.
locals {
  verdicts = { for what, packet in {
    ssh         = "in on en0 proto tcp from any to any port 22"
    tailnet_ssh = "in on utun4 proto tcp from 100.64.0.0/10 to any port 22"
    wireguard   = "in on en0 proto udp from any to any port 41641"
    https       = "out on en0 proto tcp from any to any port 443"
  } : what => provider::macos::pf_verdict(values(macos_pf_anchor.tailscale_only)[0].rules, packet).verdict }
}

check "rules" {
  assert {
    condition     = local.verdicts == { ssh = "block", tailnet_ssh = "pass", wireguard = "pass", https = "pass" }
    error_message = "The rules do not do what they are for: ${jsonencode(local.verdicts)}."
  }
}
