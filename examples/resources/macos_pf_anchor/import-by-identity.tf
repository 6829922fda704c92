import {
  to = macos_pf_anchor.ssh["mini-01"]
  identity = {
    host = "mini-01"
    name = "com.acme.ssh"
  }
}
