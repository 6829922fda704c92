locals {
  rules = <<-EOT
    block in on en0 proto tcp all
    pass in on en0 proto udp from any to any port 41641
  EOT
}

# Rules that carry their own tests: the plan says so when they keep out what must come in.
check "ssh" {
  assert {
    condition     = provider::macos::pf_verdict(local.rules, "in on utun3 proto tcp from 100.64.0.0/10 to any port 22").verdict == "pass"
    error_message = "SSH over the tailnet must pass."
  }
  assert {
    condition     = provider::macos::pf_verdict(local.rules, "in on en0 proto tcp from any to any port 22").verdict == "block"
    error_message = "SSH over the local network must not pass."
  }
}

# The Mac's own connections are cut as well, since nothing lets their answers in:
#
#   verdict = "block"
#   line    = 1
#   rule    = "block drop in on en0 proto tcp all"
#   why     = "The opening packet passes on its way out, but without a state: ..."
#   cure    = "`pass out on en0 all keep state` before line 1 of the main ruleset"
output "https" {
  value = provider::macos::pf_verdict(local.rules, "out on en0 proto tcp from any to any port 443")
}
