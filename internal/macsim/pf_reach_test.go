package macsim

import (
	"net/netip"
	"testing"
)

func TestReaches(t *testing.T) {
	m := pfMac(t)
	mac, peer := netip.MustParseAddr("192.168.1.10"), netip.MustParseAddr("198.51.100.7")
	tailMac, tailPeer := netip.MustParseAddr("100.64.0.5"), netip.MustParseAddr("100.64.0.9")
	type question struct {
		iface    string
		from, to netip.Addr
		proto    string
		port     uint16
	}
	ask := func(when string, want map[question]bool) {
		t.Helper()
		for q, answered := range want {
			if got := m.Reaches(q.iface, q.from, q.to, q.proto, q.port); got != answered {
				t.Errorf("%s: %v: %v, want %v", when, q, got, answered)
			}
		}
	}
	ssh, direct := question{"en0", peer, mac, "tcp", 22}, question{"en0", peer, mac, "udp", 41641}
	tail := question{"utun3", tailPeer, tailMac, "tcp", 22}

	runSteps(t, m, []pfctlStep{
		{run: "printf 'pass out on en0 all keep state\\nblock in on en0 proto tcp all\\npass in on en0 proto udp from any to any port 41641\\n'" +
			" | pfctl -q -a com.apple/250.story -f -", stderr: pfctlBanner},
	})
	ask("pf is off", map[question]bool{ssh: true, direct: true, tail: true})
	runSteps(t, m, []pfctlStep{{run: "pfctl -q -e"}})
	ask("story", map[question]bool{ssh: false, direct: true, tail: true})
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -F all; echo 'block all' | pfctl -q -f -", stderr: pfctlBanner},
		{run: "pfctl -q -s states"},
	})
	ask("block all", map[question]bool{ssh: false, direct: false, tail: false})
	runSteps(t, m, []pfctlStep{
		{run: "printf 'block all\\npass in on en0 proto tcp to port 22\\n' | pfctl -q -f -", stderr: pfctlBanner},
	})
	ask("ssh", map[question]bool{ssh: true, direct: false, tail: false})
	runSteps(t, m, []pfctlStep{
		{run: "echo 'block all' | pfctl -q -f -", stderr: pfctlBanner},
		{run: "pfctl -q -s states", stdout: "ALL tcp 192.168.1.10:22 <- 198.51.100.7:49152       ESTABLISHED:ESTABLISHED\n"},
	})
	ask("a state outlives its rule", map[question]bool{ssh: true, direct: false})
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -k 198.51.100.7", stderr: altq + "killed 1 states from 1 sources and 0 destinations\n"},
	})
	ask("killed", map[question]bool{ssh: false})
	runSteps(t, m, []pfctlStep{{run: "pfctl -q -d"}})
	ask("disabled", map[question]bool{ssh: true, direct: true, tail: true})
}
