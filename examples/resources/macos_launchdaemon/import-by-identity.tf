import {
  to = macos_launchdaemon.agent
  identity = {
    host  = "mini-01"
    label = "com.acme.agent"
  }
}
