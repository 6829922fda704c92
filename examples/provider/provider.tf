terraform {
  required_providers {
    macos = {
      source = "macos-fleet/macos"
    }
  }
}

# What stands beside hosts holds for every Mac that does not say otherwise. Keys come from the SSH agent or ~/.ssh.
provider "macos" {
  user = "admin"

  hosts = {
    mini-01 = {} # its name is its address
    mini-02 = { address = "192.0.2.12" }
    studio = {
      address  = "studio.example.com"
      port     = 2222
      user     = "ops"
      host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGsm6hiWXzWaDoShbZ7yKwKfAP88aKud6caAz9n1+8Q"
    }
  }
}
