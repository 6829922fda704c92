package macsim

import (
	"net/netip"
	"testing"
)

// A tunnel over a relay lives as long as the relay's answers come in: the rules that forget to let them back cut it, though they do not
// speak of the tunnel.
func TestCarrier(t *testing.T) {
	t.Parallel()
	const first = "block drop in on en0 proto tcp all\nblock drop in on en0 proto udp all\npass in on en0 proto udp to any port 41641 keep state\n"
	relay := func() *Carrier {
		return &Carrier{
			Interface: "en0", TCP: true,
			Local: netip.MustParseAddrPort("203.0.113.11:49152"), Remote: netip.MustParseAddrPort("199.38.181.104:443"),
		}
	}
	direct := func() *Carrier {
		return &Carrier{
			Interface: "en0",
			Local:     netip.MustParseAddrPort("203.0.113.11:41641"), Remote: netip.MustParseAddrPort("198.51.100.7:41641"),
		}
	}
	for name, test := range map[string]struct {
		over  *Carrier
		rules string
		want  bool
	}{
		"relay-first-try": {relay(), first, false},
		"relay-cured":     {relay(), "pass out on en0 all keep state\n" + first, true},
		"direct":          {direct(), first, true},
		"direct-blocked":  {direct(), "block drop all\npass on utun4 all keep state\n", false},
		"none":            {nil, first, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := Start(t, Mac{Interfaces: []Interface{
				{Name: "lo0", Addrs: prefixes("127.0.0.1/8")},
				{Name: "en0", Addrs: prefixes("203.0.113.11/24")},
				{Name: "utun4", Addrs: prefixes("100.64.0.11/32"), Over: test.over},
			}})
			if _, stderr, exit := mac.Run(t.Context(), "printf %s \"$1\" >/tmp/rules; /sbin/pfctl -q -e -f /tmp/rules", test.rules); exit != 0 {
				t.Fatal(stderr)
			}
			if got := mac.Reaches("utun4", netip.MustParseAddr("100.64.0.2"), netip.MustParseAddr("100.64.0.11"), "tcp", 22); got != test.want {
				t.Errorf("reached: %v", got)
			}
		})
	}
}
