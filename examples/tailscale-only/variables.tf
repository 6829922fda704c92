variable "user" {
  description = "User to log in as, who may use sudo."
  type        = string
  default     = "admin"
}

variable "hosts" {
  description = "The Macs, by name."
  type = map(object({
    address  = string           # the Tailscale address
    port     = optional(number) # 22
    host_key = optional(string) # else what ~/.ssh/known_hosts says

    network_address = optional(string) # on the network that it is plugged into, if that is to be probed
  }))
}

variable "probe_from" {
  description = "The Mac from which the others' ports are probed, by its name in hosts. It is on the same network."
  type        = string
  default     = null
}

variable "probe_ports" {
  description = "The ports that are probed: those of SSH, file and screen sharing, AirPlay, and what developers leave open."
  type        = list(string)
  default     = ["22", "80", "443", "445", "548", "3000-3005", "3283", "5000", "5900", "7000", "8000-8100"]
}
