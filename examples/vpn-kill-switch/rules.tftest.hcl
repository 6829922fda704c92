# `terraform test` asks what the rules do. It needs no Mac: what is applied is make-believe.

mock_provider "macos" {
  mock_data "macos_pf_status" {
    defaults = { enabled = true }
  }
}

variables {
  hosts = { mini = { address = "192.168.1.10" } }
}

run "rules" {
  command = apply

  assert {
    condition     = local.verdicts.https == "block" && local.verdicts.dns == "block"
    error_message = "Something leaves by the cable."
  }
  assert {
    condition     = local.verdicts.https_by_vpn == "pass"
    error_message = "Nothing goes through the VPN."
  }
  assert {
    condition     = local.verdicts.ssh_from_here == "pass"
    error_message = "The one who is in the building is locked out."
  }
}

# The check notices when somebody switched pf off.
run "switched_off" {
  command = apply

  override_data {
    target = data.macos_pf_status.now
    values = { enabled = false }
  }
  expect_failures = [check.nothing_leaks]
}
