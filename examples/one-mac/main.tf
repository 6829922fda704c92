# One Mac, if `ssh mini` works with a key and sudo asks for no password. Everything else is as ssh has it.

terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

provider "macos" {
  host = var.host
}

variable "host" {
  description = "What one writes after ssh."
  type        = string
  default     = "mini"
}

# Screen Sharing from the tailnet only.
resource "macos_pf_anchor" "screen_sharing" {
  name  = "com.apple/250.screen-sharing" # macOS calls what is under com.apple/ by itself
  rules = "block in on en0 proto tcp from any to any port 5900\n"
}

resource "macos_pf" "on" {
  depends_on = [macos_pf_anchor.screen_sharing]
}

# What is there to be reached at all.
data "macos_listeners" "all" {}

output "open_to_the_network" {
  description = "The TCP ports that listen on all addresses. Of these, pf now keeps 5900 from the cable."
  value       = distinct([for l in data.macos_listeners.all.listeners : "${l.port} (${l.process})" if l.protocol == "tcp" && l.address == "*"])
}
