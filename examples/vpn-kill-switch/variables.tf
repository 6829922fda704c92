variable "user" {
  description = "User to log in as, who may use sudo."
  type        = string
  default     = "admin"
}

variable "hosts" {
  description = "The Macs, by name."
  type = map(object({
    address  = string
    port     = optional(number) # 22
    host_key = optional(string) # else what ~/.ssh/known_hosts says
  }))
}

variable "vpn_servers" {
  description = "Addresses of the VPN's servers (WireGuard, port 51820)."
  type        = set(string)
  default     = ["203.0.113.10", "203.0.113.11"]
}
