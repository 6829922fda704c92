import {
  to = macos_pf_anchor.ssh["mini-01"]
  id = "mini-01/com.acme.ssh"
}
