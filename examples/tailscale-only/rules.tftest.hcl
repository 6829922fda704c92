# `terraform test` asks what the rules do. It needs no Mac: what is applied is make-believe.

mock_provider "macos" {
  mock_data "macos_pf_status" {
    defaults = { enabled = true }
  }
  mock_data "macos_pf_rules" {
    defaults = { dead_anchors = [] }
  }
  mock_data "macos_tailscale" {
    defaults = { state = "Running", ssh = false }
  }
}

variables {
  hosts = { mini = { address = "100.64.0.11" } }
}

run "rules" {
  command = apply

  assert {
    condition     = local.verdicts.ssh == "block"
    error_message = "SSH can be reached from the network."
  }
  assert {
    condition     = local.verdicts.tailnet_ssh == "pass" && local.verdicts.wireguard == "pass"
    error_message = "SSH cannot be reached over the tailnet, or only over its relays."
  }
  assert {
    condition     = local.verdicts.https == "pass"
    error_message = "The Mac cannot ask for anything."
  }
}

# The checks notice what goes wrong on a Mac.
run "meddled" {
  command = apply

  override_data {
    target = data.macos_pf_status.now
    values = { enabled = false }
  }
  override_data {
    target = data.macos_tailscale.now
    values = { state = "Stopped" }
  }
  expect_failures = [check.firewall, check.tailnet]
}

run "reachable" {
  command = apply

  variables {
    hosts = {
      mini  = { address = "100.64.0.11", network_address = "192.168.1.11" }
      other = { address = "100.64.0.12" }
    }
    probe_from = "other"
  }
  override_data {
    target = data.macos_port_probe.network
    values = { open = [22], closed = [80], filtered = [], summary = "open 22; closed 80" }
  }
  expect_failures = [check.network]
}
