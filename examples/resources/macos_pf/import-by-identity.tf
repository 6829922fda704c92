import {
  to = macos_pf.mini
  identity = {
    host = "mini-01"
  }
}
