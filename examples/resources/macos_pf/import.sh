# HOST is the Mac's name in the provider's hosts.
terraform import macos_pf.mini mini-01
