data "macos_pf_status" "mini" {
  host = "mini-01"
}

check "pf_is_on" {
  assert {
    condition     = data.macos_pf_status.mini.enabled
    error_message = "pf is disabled on mini-01, so none of its rules has any effect."
  }
  assert {
    condition     = anytrue([for r in data.macos_pf_status.mini.references : r.ours])
    error_message = "Our reference is gone: pf stays enabled only as long as ${join(", ", data.macos_pf_status.mini.references[*].process)} please."
  }
}
