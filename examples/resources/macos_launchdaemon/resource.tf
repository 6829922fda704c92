# A job from typed attributes: it starts at boot, and again whenever it ends.
resource "macos_launchdaemon" "agent" {
  host              = "mini-01"
  label             = "com.acme.agent"
  program_arguments = ["/usr/local/bin/acme-agent", "--listen", "127.0.0.1:9100"]
  keep_alive        = true
  user_name         = "_acme"

  environment_variables = {
    ACME_REGION = "eu"
  }

  standard_error_path = "/var/log/acme-agent.log"
}

# A VPN, over which the Mac may be reached: unless a new connection comes through, the Mac undoes a change to it.
resource "macos_launchdaemon" "vpn" {
  host              = "mini-01"
  label             = "com.wireguard.wg0"
  program_arguments = ["/opt/homebrew/bin/wg-quick", "up", "wg0"]
  run_at_load       = true
  confirm           = true # as it is by default, for what is known to carry connections
}

# A job from a property list, for keys that have no attribute.
resource "macos_launchdaemon" "backup" {
  host  = "mini-01"
  label = "com.acme.backup"
  plist = <<-EOT
    <?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
    <plist version="1.0">
    <dict>
      <key>Label</key>
      <string>com.acme.backup</string>
      <key>Program</key>
      <string>/usr/local/bin/acme-backup</string>
      <key>StartCalendarInterval</key>
      <dict>
        <key>Hour</key>
        <integer>3</integer>
        <key>Minute</key>
        <integer>20</integer>
      </dict>
    </dict>
    </plist>
  EOT
}
