# It starts at boot, and again whenever it ends with an error.
resource "macos_launchdaemon" "agent" {
  host              = "mini-01"
  label             = "com.acme.agent"
  program_arguments = ["/usr/local/bin/acme-agent", "--listen", "127.0.0.1:9100"]
  keep_alive_if     = { successful_exit = false }
  user_name         = "_acme"
  umask             = "027"

  environment_variables = {
    ACME_REGION = "eu"
  }

  # Never in the state: raise the version when the secret has changed. Needs Terraform or OpenTofu 1.11.
  environment_variables_wo = {
    ACME_TOKEN = var.acme_token
  }
  environment_variables_wo_version = 1

  # Another configuration file starts it again.
  restart_triggers = {
    configuration = filesha256("${path.module}/acme-agent.toml")
  }

  standard_error_path = "/var/log/acme-agent.log"
}

variable "acme_token" {
  type      = string
  sensitive = true
  ephemeral = true
}

# At twenty past three every night, and at noon on Sundays.
resource "macos_launchdaemon" "backup" {
  host              = "mini-01"
  label             = "com.acme.backup"
  program_arguments = ["/usr/local/bin/acme-backup", "--all"]
  low_priority_io   = true

  start_calendar_interval = [
    { hour = 3, minute = 20 },
    { weekday = 0, hour = 12, minute = 0 },
  ]
}

# launchd opens its sockets, and starts it when somebody connects.
resource "macos_launchdaemon" "echo" {
  host              = "mini-01"
  label             = "com.acme.echo"
  program_arguments = ["/usr/local/libexec/echod"]

  sockets = [
    { name = "Listeners", sock_node_name = "127.0.0.1", sock_service_name = "7007" },
    { name = "Control", sock_path_name = "/var/run/echod.sock", sock_path_mode = "0600" },
  ]
}

# A VPN, over which the Mac may be reached: unless a new connection comes through, the Mac undoes a change to it.
resource "macos_launchdaemon" "vpn" {
  host              = "mini-01"
  label             = "com.wireguard.wg0"
  program_arguments = ["/opt/homebrew/bin/wg-quick", "up", "wg0"]
  run_at_load       = true
  confirm           = true # as it is by default, for what is known to carry connections
}

# It stays there, and is not loaded.
resource "macos_launchdaemon" "telemetry" {
  host    = "mini-01"
  label   = "com.example.telemetry"
  program = "/Library/Example/telemetry"
  enabled = false
}

# The property list of somebody else's, with one key changed.
resource "macos_launchdaemon" "exporter" {
  host  = "mini-01"
  label = "io.prometheus.node_exporter"
  plist = provider::macos::plist_encode(merge(
    provider::macos::plist_decode(file("${path.module}/io.prometheus.node_exporter.plist")),
    { Nice = 5 },
  ))
}
