data "macos_host" "mini" {
  host = "mini-01"
}

# Rules for whatever leads out of this Mac, be it a cable or Wi-Fi, and not for an interface that another Mac has.
resource "macos_pf_anchor" "closed" {
  host = "mini-01"
  name = "com.apple/250.closed"
  rules = join("", [for name in data.macos_host.mini.default_interfaces : <<-EOT
    pass out on ${name} all keep state
    block drop in on ${name} proto { tcp, udp } all
    pass in on ${name} proto udp from any to any port 41641 keep state
  EOT
  ])

  lifecycle {
    precondition {
      condition     = data.macos_host.mini.ssh.interface == data.macos_host.mini.tailnet_interface
      error_message = "Reach mini-01 by its tailnet address before you close its other interfaces."
    }
  }
}

check "mini_stays_reachable" {
  assert {
    condition     = length(data.macos_host.mini.sleep_warnings) == 0
    error_message = join("\n", concat(["mini-01 can vanish:"], data.macos_host.mini.sleep_warnings))
  }
  assert {
    condition     = length(data.macos_host.mini.public_addresses) == 0
    error_message = "mini-01 is on the Internet itself: ${join(", ", data.macos_host.mini.public_addresses)}."
  }
  assert {
    condition     = data.macos_host.mini.sip != false
    error_message = "System Integrity Protection is off on mini-01."
  }
}
