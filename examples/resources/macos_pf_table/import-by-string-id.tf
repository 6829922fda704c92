import {
  to = macos_pf_table.admins
  id = "mini-01/com.acme.ssh/admins"
}
