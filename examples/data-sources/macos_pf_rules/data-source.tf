data "macos_pf_rules" "mini" {
  host = "mini-01"
}

check "firewall" {
  assert {
    condition     = length(data.macos_pf_rules.mini.dead_anchors) == 0
    error_message = "Loaded, and called by nobody: ${join(", ", data.macos_pf_rules.mini.dead_anchors)}."
  }
  assert {
    # Nobody opens SSH to the world, in whatever anchor.
    condition = !anytrue([for r in data.macos_pf_rules.mini.rules :
      r.action == "pass" && r.direction != "out" && r.from == "any" && r.to_port == "22" && r.interface == null
    ])
    error_message = "A rule lets everybody in to SSH."
  }
}
