package pf

import (
	"testing"
)

// BenchmarkConverse1000 is a forecast on a gateway: twenty flows and a thousand rules.
func BenchmarkConverse1000(b *testing.B) {
	k := kernelWith(b, map[string]string{"": "anchor \"a\"\n", "a": manyRules(1000)})
	host := goldenHost()
	var flows []Flow
	for _, text := range []string{
		"in proto tcp from any to any port 22", "in proto tcp from 100.64.0.0/10 to any port 22", "in on en0 proto tcp from 192.168.1.77 to 192.168.1.10 port 22",
		"in on en0 proto tcp from 192.168.1.77 port 50123 to 192.168.1.10 port 22 open", "out on en0 proto udp from any to any port 53",
		"out on en0 proto udp from any to any port 123", "out on en0 proto tcp from any to any port 443", "out on en1 proto udp from any to any port 53",
		"out on en1 proto udp from any to any port 123", "out on en1 proto tcp from any to any port 443", "out proto udp from any port 41641 to any",
		"in proto udp from any to any port 41641", "in proto tcp from 10.0.0.0/8 to any port 1024:1100", "in proto tcp from 10.0.7.0/24 to any port 1031",
		"in proto tcp from any to any port 5900", "in proto icmp from any to any", "out proto icmp from any to any", "in proto icmp6 from any to any",
		"in on en0 proto tcp from any to any", "in from any to any",
	} {
		flows = append(flows, flowOf(b, text))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range flows {
			if out := k.Converse(host, f); out.Pass == nil && out.Cut == nil {
				b.Fatalf("%s: nothing", f)
			}
		}
	}
}
