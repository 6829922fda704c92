# Enabled after its rules are there, now and at every boot.
resource "macos_pf" "mini" {
  host       = "mini-01"
  depends_on = [macos_pf_anchor.ssh]
}
