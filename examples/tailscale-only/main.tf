# Macs that nobody reaches but over Tailscale: on the network that they are plugged into, every port is closed.
#
#   terraform apply -var-file=fleet.tfvars
#
# Reach the Macs by their Tailscale addresses: once these rules are loaded, nothing else of yours gets in.

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

# The firewall: a file in /etc/pf.anchors, called from /etc/pf.conf, loaded, and compared line by line in every plan.
resource "macos_pf_anchor" "tailscale_only" {
  for_each = var.hosts

  host  = each.key
  name  = "tailscale-only"
  rules = <<-EOT
    # Of the rules that match, the last one decides.

    # What the Mac starts itself may go out, and the answers may come back.
    pass out on en0 all keep state

    # Nobody on the network reaches a port: not SSH, not Screen Sharing, nothing.
    block drop in on en0 proto tcp from any to any
    block drop in on en0 proto udp from any to any

    # WireGuard's own packets, for direct paths. Without them Tailscale takes its relays.
    pass in on en0 proto udp from any to any port 41641 keep state
  EOT
}

# pf itself: enabled when its rules are there, and again at every boot.
resource "macos_pf" "on" {
  for_each = var.hosts

  host       = each.key
  depends_on = [macos_pf_anchor.tailscale_only]
}

# A job of our own beside it: what pf has passed and blocked, once an hour, for whoever wants to know later.
resource "macos_launchdaemon" "pf_counters" {
  for_each = var.hosts

  host              = each.key
  label             = "com.example.pf-counters"
  program_arguments = ["/sbin/pfctl", "-s", "info"]
  start_interval    = 3600
  standard_out_path = "/var/log/pf-counters.log"
}
