# Only the office and the tailnet may log in, on every Mac that the provider knows.
resource "macos_pf_anchor" "ssh" {
  for_each = toset(["mini-01", "mini-02"])

  host  = each.key
  name  = "com.acme.ssh"
  rules = <<-EOT
    trusted = "{ 192.0.2.0/24, 100.64.0.0/10 }"
    block in proto tcp from any to any port 22
    pass in proto tcp from $trusted to any port 22
  EOT
}

# A name under com.apple/ needs no line in /etc/pf.conf: macOS calls all of these by itself.
resource "macos_pf_anchor" "screen_sharing" {
  host  = "studio"
  name  = "com.apple/250.screen-sharing"
  rules = "block in on en0 proto tcp from any to any port 5900"
}
