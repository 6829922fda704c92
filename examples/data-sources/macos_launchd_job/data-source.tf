data "macos_launchd_job" "tailscaled" {
  host  = "mini-01"
  label = "com.tailscale.tailscaled"
}

check "tailscaled" {
  assert {
    condition     = data.macos_launchd_job.tailscaled.state == "running"
    error_message = "tailscaled does not run on mini-01; it ended with ${coalesce(data.macos_launchd_job.tailscaled.last_exit, "nothing")}."
  }
}
