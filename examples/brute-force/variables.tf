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

variable "friends" {
  description = "Addresses and networks that are never locked out."
  type        = set(string)
  default     = ["100.64.0.0/10", "192.168.0.0/16"]
}

variable "banned" {
  description = "Addresses and networks that are always locked out."
  type        = set(string)
  default     = ["192.0.2.0/24", "198.51.100.17"]
}
