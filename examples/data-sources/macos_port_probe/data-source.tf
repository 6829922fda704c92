# Seen from mini-02, in the same network: what does mini-01 answer at its cable?
data "macos_port_probe" "from_the_network" {
  host    = "mini-01"
  address = "192.168.1.10"
  from    = "mini-02"
  ports   = ["22", "80", "443", "3283", "5900-5902"]
}

check "nothing_answers" {
  assert {
    condition     = length(data.macos_port_probe.from_the_network.open) + length(data.macos_port_probe.from_the_network.closed) == 0
    error_message = "Ports of mini-01 can be reached from the network: ${data.macos_port_probe.from_the_network.summary}"
  }
}
