data "macos_listeners" "mini" {
  host = "mini-01"
}

locals {
  # Who may be reached from everywhere: Remote Login, and macOS's own Handoff.
  may_listen = ["launchd 22", "rapportd *"]

  exposed = [
    for l in data.macos_listeners.mini.listeners : l if l.protocol == "tcp" && l.exposed &&
    !contains(local.may_listen, "${l.process} ${l.port}") && !contains(local.may_listen, "${l.process} *")
  ]
}

check "nothing_is_exposed" {
  assert {
    condition     = length(local.exposed) == 0
    error_message = join("\n", [for l in local.exposed : "port ${l.port} is exposed by ${l.process} (${l.user}) on mini-01"])
  }
}
