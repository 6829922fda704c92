# Who may log in with SSH. The table comes first, since rules that pass what is in an empty table let nobody in.
resource "macos_pf_table" "admins" {
  host      = "mini-01"
  anchor    = "com.acme.ssh"
  name      = "admins"
  addresses = ["100.64.0.0/10", "192.168.1.0/24", "!192.168.1.77"]
}

resource "macos_pf_anchor" "ssh" {
  host  = "mini-01"
  name  = "com.acme.ssh"
  rules = <<-EOT
    table <${macos_pf_table.admins.name}> persist
    block in proto tcp to any port 22
    pass in proto tcp from <${macos_pf_table.admins.name}> to any port 22
  EOT
}

# A table that rules fill, too, by their overload: these addresses are kept in it, others are left alone.
resource "macos_pf_table" "bruteforce" {
  host      = "mini-01"
  anchor    = "com.acme.web"
  name      = "bruteforce"
  addresses = ["203.0.113.0/24"]
  exclusive = false
}
