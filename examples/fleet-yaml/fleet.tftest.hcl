# `terraform test` looks at the inventory. It needs no Mac.

mock_provider "macos" {}

run "inventory" {
  command = plan

  assert {
    condition     = alltrue([for mac in local.fleet : length(setsubtract(mac.roles, keys(local.rules))) == 0])
    error_message = "There is a role without rules: ${join(", ", setsubtract(flatten([for mac in local.fleet : mac.roles]), keys(local.rules)))}."
  }
  assert {
    condition     = length(distinct([for mac in local.fleet : "${mac.address}:${try(mac.port, 22)}"])) == length(local.fleet)
    error_message = "Two Macs have one address."
  }
  assert {
    condition     = length(macos_pf_anchor.role) == sum([for mac in local.fleet : length(mac.roles)])
    error_message = "There is not one anchor for each role."
  }
  assert {
    condition     = local.checked == local.rules
    error_message = "There are mistakes in the rules."
  }
}
