import {
  to = macos_launchagent.sync
  identity = {
    host  = "mini-01"
    user  = "anna"
    label = "com.acme.sync"
  }
}
