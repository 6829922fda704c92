package pf_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

func TestParts(t *testing.T) {
	for text, want := range map[string]pf.Parts{
		"pass all": {Action: "pass", From: "any", To: "any", Flags: "S/SA", State: "keep"},
		"block drop in log quick on ! en0 inet proto tcp from ! <bad> port 1024:65535 to 10.0.0.0/8 port != 22": {
			Action: "block", Response: "drop", Direction: "in", Log: true, Quick: true, Interface: "! en0", Family: "inet", Proto: "tcp",
			From: "! <bad>", FromPort: "1024:65535", To: "10.0.0.0/8", ToPort: "!= 22",
		},
		"block return-icmp(port-unr) out inet proto udp from any to any port = 53": {
			Action: "block", Response: "return-icmp(port-unr)", Direction: "out", Family: "inet", Proto: "udp", From: "any", To: "any", ToPort: "53",
		},
		`pass out route-to (lo0 127.0.0.1) inet proto tcp from (en0) to any port 80 user = 501 flags any modulate state label "x" tag A ! tagged B`: {
			Action: "pass", Direction: "out", Route: "route-to (lo0 127.0.0.1)", Family: "inet", Proto: "tcp", From: "(en0)", To: "any",
			ToPort: "80", User: "501", Flags: "any", State: "modulate", Label: "x", Tag: "A", Tagged: "! B",
		},
		"pass in inet proto icmp all icmp-type echoreq code 0 no state": {
			Action: "pass", Direction: "in", Family: "inet", Proto: "icmp", From: "any", To: "any", ICMPType: "echoreq code 0", State: "no",
		},
		"rdr pass on en0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080": {
			Action: "rdr", Interface: "en0", Family: "inet", Proto: "tcp", From: "any", To: "any", ToPort: "80", Target: "127.0.0.1 port 8080",
		},
		"nat on en0 inet from 192.168.64.0/24 to any -> (en0) round-robin": {
			Action: "nat", Interface: "en0", Family: "inet", From: "192.168.64.0/24", To: "any", Target: "(en0) round-robin",
		},
		"no nat on en0 proto 99 all":        {Action: "no nat", Interface: "en0", Proto: "99", From: "any", To: "any"},
		`rdr-anchor "com.apple/*" all`:      {Action: "rdr-anchor", Call: "com.apple/*", From: "any", To: "any"},
		`anchor "vpn" in on utun3 all`:      {Action: "anchor", Call: "vpn", Direction: "in", Interface: "utun3", From: "any", To: "any"},
		"scrub in all fragment reassemble":  {Action: "scrub", Direction: "in", From: "any", To: "any"},
		"block return-rst in proto tcp all": {Action: "block", Response: "return-rst", Direction: "in", Proto: "tcp", From: "any", To: "any"},
	} {
		f, err := pf.Parse("", []byte(text+"\n"), pf.Options{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		rules := f.Rules.All()
		if len(rules) != 1 {
			t.Errorf("%s: %d rules", text, len(rules))
			continue
		}
		if d := cmp.Diff(want, rules[0].Parts()); d != "" {
			t.Errorf("%s:\n%s", text, d)
		}
	}
}
