# Mistakes in the file fail every plan, also on a machine that reaches no Mac.
resource "macos_pf_anchor" "web" {
  name  = "com.acme.web"
  rules = provider::macos::pf_check(file("${path.module}/web.pf"))
}
