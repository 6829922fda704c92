# `terraform test` asks what the rules do. It needs no Mac: what is applied is make-believe.

mock_provider "macos" {}

variables {
  hosts = { mini = { address = "192.0.2.1" } }
}

run "rules" {
  command = apply

  assert {
    condition     = local.verdicts == { web = "pass", ssh = "pass" }
    error_message = "The web server cannot be reached, or SSH, which these rules are not about."
  }

  # A make-believe Mac has no rules loaded, which the check notices.
  expect_failures = [check.redirected]
}

# The check notices when somebody flushed the main ruleset: the rules are loaded and have no effect.
run "flushed" {
  command = apply

  override_data {
    target = data.macos_pf_rules.loaded
    values = { dead_anchors = ["com.example.web"] }
  }
  expect_failures = [check.redirected, check.evaluated]
}
