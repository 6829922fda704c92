# `terraform test` asks what the rules do. It needs no Mac: what is applied is make-believe.

mock_provider "macos" {}

variables {
  hosts = { mini = { address = "192.168.1.10" } }
}

run "rules" {
  command = apply

  assert {
    condition     = strcontains(join("\n", local.canonical), "overload <bruteforce> flush global")
    error_message = "Nobody is put into the table."
  }
  assert {
    condition     = local.verdict == "pass"
    error_message = "SSH cannot be reached."
  }
}

run "nobody_twice" {
  command = apply

  variables {
    friends = ["10.0.0.1"]
    banned  = ["10.0.0.2", "2001:db8::/32"]
  }
  assert {
    condition     = macos_pf_table.bruteforce["mini"].exclusive == false
    error_message = "What pf adds to the table would be taken out again."
  }
}
