import {
  to = macos_pf.mini
  id = "mini-01"
}
