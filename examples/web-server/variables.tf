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
