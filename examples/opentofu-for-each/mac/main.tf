# What every Mac has. It says no host: its provider has but one.

terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

resource "macos_pf_anchor" "screen_sharing" {
  name  = "com.apple/250.screen-sharing"
  rules = "block in on en0 proto tcp from any to any port 5900\n"
}

resource "macos_pf" "on" {
  depends_on = [macos_pf_anchor.screen_sharing]
}
