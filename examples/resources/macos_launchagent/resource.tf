# For everybody who logs in at the screen.
resource "macos_launchagent" "greeter" {
  host              = "mini-01"
  label             = "com.acme.greeter"
  program_arguments = ["/usr/local/bin/acme-greeter"]
  run_at_load       = true
}

# For one user, who owns the file.
resource "macos_launchagent" "sync" {
  host              = "mini-01"
  user              = "anna"
  label             = "com.acme.sync"
  program_arguments = ["/usr/local/bin/acme-sync", "--once"]
  start_interval    = 900
}

output "syncs_now" {
  value = contains(macos_launchagent.sync.loaded_for, "anna")
}
