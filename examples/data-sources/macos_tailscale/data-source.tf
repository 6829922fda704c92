data "macos_host" "mini" {
  host = "mini-01"
}

data "macos_tailscale" "mini" {
  host = "mini-01"
}

locals {
  # The machine that runs Terraform, as mini-01 sees it.
  me = one([
    for peer in coalesce(data.macos_tailscale.mini.peers, []) : peer
    if contains(peer.addresses, data.macos_host.mini.ssh.client_address)
  ])
}

check "tailnet" {
  assert {
    condition     = data.macos_tailscale.mini.state == "Running"
    error_message = "Tailscale is not up on mini-01."
  }
  assert {
    condition     = try(local.me.path, null) == "direct"
    error_message = "There is no direct path to mini-01: a rule on one of the two ends may stop its UDP."
  }
  assert {
    condition     = data.macos_tailscale.mini.ssh != true
    error_message = "Tailscale's own SSH server answers port 22 of mini-01's tailnet addresses, so no rule of pf's for it has any effect."
  }
  assert {
    condition     = try(timecmp(data.macos_tailscale.mini.key_expiry, timeadd(plantimestamp(), "336h")) > 0, true)
    error_message = "mini-01 leaves the tailnet in less than two weeks, unless somebody logs it in again or turns key expiry off."
  }
}
