import {
  to = macos_pf_table.admins
  identity = {
    host   = "mini-01"
    anchor = "com.acme.ssh"
    name   = "admins"
  }
}
