import {
  to = macos_launchdaemon.agent
  id = "mini-01/com.acme.agent"
}
