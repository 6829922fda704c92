output "rules" {
  description = "The rules that each Mac's kernel holds, as pfctl prints them."
  value       = { for host, anchor in macos_pf_anchor.tailscale_only : host => anchor.loaded_rules }
}
