import {
  to = macos_launchagent.sync
  id = "mini-01/anna/com.acme.sync"
}
