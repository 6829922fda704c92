# Everything that is not Apple's, on one Mac.
data "macos_launchd_jobs" "foreign" {
  host = "mini-01"
}

# What the user with the number 501 has at the screen.
data "macos_launchd_jobs" "agents" {
  host   = "mini-01"
  domain = "gui/501"
}

output "does_not_run" {
  value = [for job in data.macos_launchd_jobs.foreign.jobs : job.label if job.loaded && job.last_exit != "0" && job.pid == null]
}
