package pf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// flowOf reads a flow.
func flowOf(t testing.TB, text string) Flow {
	t.Helper()
	f, err := ParseFlow(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// tell is a conversation in a line: the packet that decided, and the rule.
func tell(c *Conversation) string {
	if c == nil {
		return ""
	}
	p := c.Packet
	s := [...]string{In: "in ", Out: "out "}[p.Direction] + p.Interface + " " + p.Src.String() + " > " + p.Dst.String()
	if p.Flags != 0 {
		s += " " + string(appendFlags(nil, p.Flags))
	}
	if c.Answer {
		s += ", answer"
	}
	if c.Rule != nil {
		s += fmt.Sprintf(", by %s:%d", c.Anchor, c.Rule.Pos.Line)
	}
	return s
}

// fates are the fates of a flow, one in a line.
func fates(out Outcome) string {
	var lines []string
	for i, c := range []*Conversation{out.Pass, out.Cut, out.Unsure} {
		if c != nil {
			lines = append(lines, [...]string{"pass: ", "cut: ", "unsure: "}[i]+tell(c))
		}
	}
	if out.Sampled {
		lines = append(lines, "sampled")
	}
	return strings.Join(lines, "\n")
}

// TestConverse is about who passes; TestWhy about what is said of it.
func TestConverse(t *testing.T) {
	const story = "block drop in on en0 proto tcp all\nblock drop in on en0 proto icmp all\npass in on en0 proto udp from any to any port 41641\n"
	const defaults = "block all\npass out all\npass in proto tcp to port 22\n"
	tests := map[string]struct{ text, flow, want string }{
		"story-out": {
			story,
			"out on en0 proto tcp from any to any port 443",
			"cut: in en0 198.51.100.7:443 > 192.168.1.10:50000 SA, answer, by :1",
		},
		"story-dns": {
			story,
			"out on en0 proto udp from any to any port 53",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:53",
		},
		"story-in": {
			story,
			"in on en0 proto tcp from any to any port 22",
			"cut: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :1",
		},
		"story-tailnet": {
			story,
			"in proto tcp from 100.64.0.0/10 to any port 22",
			"pass: in utun3 100.64.0.1:50000 > 100.64.0.5:22 S",
		},
		"story-wireguard": {
			story,
			"in proto udp from any to any port 41641",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:41641, by :3",
		},
		"story-cured": {
			"pass out on en0 all keep state\n" + story,
			"out on en0 proto tcp from any to any port 443",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:443 S, by :1",
		},
		"defaults-in": {
			defaults,
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :3",
		},
		"defaults-out": {
			defaults,
			"out proto udp from any to any port 53",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:53, by :2",
		},
		"defaults-echo": {
			defaults,
			"in proto icmp from 192.168.1.0/24 to any",
			"cut: in en0 192.168.1.1:1 > 192.168.1.10:1, by :1",
		},
		"defaults-echo-out": {
			defaults,
			"out on en0 proto icmp from any to any",
			"pass: out en0 192.168.1.10:1 > 198.51.100.7:1, by :2",
		},
		"open": {
			defaults,
			"in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"cut: in en0 192.168.1.7:50123 > 192.168.1.10:22 PA, by :1",
		},
		"open-flags-any": {
			defaults + "pass in proto tcp to port 22 flags any\n",
			"in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"unsure: out en0 192.168.1.10:22 > 192.168.1.7:50123 PA, by :1",
		},
		"open-both-ways": {
			defaults + "pass in proto tcp to port 22 flags any\npass out proto tcp from port 22 flags any\n",
			"in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"pass: in en0 192.168.1.7:50123 > 192.168.1.10:22 PA, by :4",
		},
		"open-no-rules": {
			"",
			"in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"pass: in en0 192.168.1.7:50123 > 192.168.1.10:22 PA",
		},
		"open-udp": {
			"block all\npass in proto udp\n",
			"in on en0 proto udp from 192.168.1.7 to any port 41641 open",
			"unsure: out en0 192.168.1.10:41641 > 192.168.1.7:50000, by :1",
		},
		"open-nat": {
			"nat on en0 from any to any -> 192.168.1.10 port 7\n",
			"out on en0 proto tcp from 192.168.1.10 port 50123 to 9.9.9.9 port 22 open",
			"cut: out en0 192.168.1.10:50123 > 9.9.9.9:22 PA",
		},
		"no-state-answer": {
			"block in\npass out no state\npass in proto tcp from port 443 no state\n",
			"out on en0 proto tcp from any to any port 443",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:443 S, by :2",
		},
		"no-state-flags": {
			"block in\npass out no state\npass in proto tcp from port 443\n",
			"out on en0 proto tcp from any to any port 443",
			"cut: in en0 198.51.100.7:443 > 192.168.1.10:50000 SA, answer, by :1",
		},
		"state-by-answer": {
			"block out\npass out proto tcp from port 22 flags any\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
		"later-packet": {
			"pass no state\nblock in proto tcp flags P/P\n",
			"in on en0 proto tcp from any to any port 22",
			"cut: in en0 198.51.100.7:50000 > 192.168.1.10:22 PA, answer, by :2",
		},
		"part-of-a-network": {
			"block in\npass in from 192.168.1.0/25\n",
			"in on en0 proto tcp from 192.168.1.0/24 to any port 22",
			"pass: in en0 192.168.1.1:50000 > 192.168.1.10:22 S, by :2\n" +
				"cut: in en0 192.168.1.129:50000 > 192.168.1.10:22 S, by :1",
		},
		"one-address": {
			"pass\nblock in from 192.168.1.77\n",
			"in on en0 proto udp from 192.168.1.0/24 to any port 9",
			"pass: in en0 192.168.1.1:50000 > 192.168.1.10:9, by :1\n" +
				"cut: in en0 192.168.1.77:50000 > 192.168.1.10:9, by :2",
		},
		"one-port": {
			"pass\nblock in proto udp to port 1030\n",
			"in on en0 proto udp from 192.168.1.7 to any port 1024:2047",
			"pass: in en0 192.168.1.7:50000 > 192.168.1.10:1024, by :1\n" +
				"cut: in en0 192.168.1.7:50000 > 192.168.1.10:1030, by :2",
		},
		"either-way": { // The first rule is about answers, which have a state.
			"pass\nblock from any to 192.168.1.20\nblock from 192.168.1.30 to any\n",
			"in on en0 proto udp from 192.168.1.0/24 to any port 9",
			"pass: in en0 192.168.1.1:50000 > 192.168.1.10:9, by :1\n" +
				"cut: in en0 192.168.1.30:50000 > 192.168.1.10:9, by :3",
		},
		"table": {
			"table <t> { 192.168.1.0/24 !192.168.1.64/26 }\nblock in\npass in from <t>\n",
			"in on en0 proto udp from 192.168.1.0/24 to any port 9",
			"pass: in en0 192.168.1.1:50000 > 192.168.1.10:9, by :3\n" +
				"cut: in en0 192.168.1.65:50000 > 192.168.1.10:9, by :2",
		},
		"own-address": {
			"block in\npass in to 2001:db8:1::10\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 [2001:db8::7]:50000 > [2001:db8:1::10]:22 S, by :2\n" +
				"cut: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :1",
		},
		"interfaces": {
			"block in on en1\n",
			"in proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S\n" +
				"cut: in en1 198.51.100.7:50000 > 10.0.1.5:22 S, by :1",
		},
		"on-link": {
			"block in on ! utun3 from 100.64.0.0/10\nblock in on ! en0 from 192.168.1.0/24\nblock in from 127.0.0.0/8\nblock in from self\n",
			"in proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
		"antispoof": {
			"antispoof quick for { lo0 en0 en1 }\n",
			"in proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
		"loopback": {
			"block on lo0\n",
			"out proto tcp from any to any port 22",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:22 S",
		},
		"loopback-named": {
			"block on lo0\n",
			"out on lo0 proto tcp from any to any port 22",
			"cut: out lo0 127.0.0.1:50000 > 10.0.1.5:22 S, by :1",
		},
		"skip": {
			"set skip on lo0\nblock all\n",
			"out on lo0 proto tcp from any to 127.0.0.1 port 22",
			"pass: out lo0 127.0.0.1:50000 > 127.0.0.1:22 S",
		},
		"if-bound": {
			"block all\npass in on en0 proto tcp keep state (if-bound)\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :2",
		},
		"quick": {
			"pass in quick proto tcp to port 22\nblock all\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :1",
		},
		"return": {
			"block return in\n",
			"in on en0 proto udp from 192.168.1.7 to any port 9",
			"cut: in en0 192.168.1.7:50000 > 192.168.1.10:9, by :1",
		},
		"rdr": {
			"rdr on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080\nblock all\npass in proto tcp to 127.0.0.1 port 8080\n",
			"in on en0 proto tcp from any to any port 80",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:80 S, by :3\n" +
				"cut: in en0 [2001:db8::7]:50000 > [2001:db8:1::10]:80 S, by :2",
		},
		"rdr-cut": {
			"rdr on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080\nblock all\npass in proto tcp to port 80\n",
			"in on en0 inet proto tcp from any to any port 80",
			"cut: in en0 198.51.100.7:50000 > 192.168.1.10:80 S, by :2",
		},
		"rdr-elsewhere": {
			"rdr on en0 proto tcp from any to any port 80 -> 192.168.64.7\n",
			"in on en0 inet proto tcp from any to any port 80",
			"unsure: in en0 198.51.100.7:50000 > 192.168.1.10:80 S",
		},
		"rdr-range": {
			"rdr on en0 proto tcp from any to any port 80:89 -> 127.0.0.1 port 8080:*\nblock in\npass in proto tcp to port 8080:8084\n",
			"in on en0 inet proto tcp from any to any port 80:89",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:80 S, by :3\n" +
				"sampled",
		},
		"nat": {
			"nat on en0 from 192.168.1.10 to any -> 192.168.1.11\nblock all\npass out from 192.168.1.11\n",
			"out on en0 proto udp from 192.168.1.10 to any port 53",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:53, by :3",
		},
		"nat-answer": {
			"nat on en0 from any to any -> 192.168.1.10 port 9\npass no state\n",
			"in on en0 inet proto tcp from any to any port 22",
			"cut: out en0 192.168.1.10:22 > 198.51.100.7:50000 SA, answer",
		},
		"nat-pool": {
			"nat on en0 from any to any -> { 192.168.1.10 192.168.1.11 }\n",
			"out on en0 inet proto udp from any to any port 53",
			"unsure: out en0 192.168.1.10:50000 > 198.51.100.7:53",
		},
		"route-to": {
			"pass out on en0 route-to (utun3 100.64.0.9) proto tcp to port 443\n",
			"out on en0 inet proto tcp from any to any port 443",
			"unsure: out en0 192.168.1.10:50000 > 198.51.100.7:443 S",
		},
		"route-to-same": {
			"pass out on en0 route-to (en0 192.168.1.1) proto tcp to port 443\n",
			"out on en0 inet proto tcp from any to any port 443",
			"pass: out en0 192.168.1.10:50000 > 198.51.100.7:443 S, by :1",
		},
		"reply-to": {
			"pass in on en0 reply-to (en0 192.168.1.1) proto tcp to port 22\n",
			"in on en0 inet proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :1",
		},
		"reply-to-other": {
			"pass in on en0 reply-to (en1 10.0.0.1) proto tcp to port 22\n",
			"in on en0 inet proto tcp from any to any port 22",
			"unsure: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
		"route-to-in": {
			"pass in on en0 route-to (en0 192.168.1.1) proto tcp to port 22\n",
			"in on en0 inet proto tcp from any to any port 22",
			"unsure: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
		"synproxy": {
			"block all\npass in proto tcp to port 22 synproxy state\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"pass: in en0 192.168.1.7:50000 > 192.168.1.10:22 S, by :2",
		},
		"modulate": {
			"block all\npass in proto tcp to port 22 modulate state\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"pass: in en0 192.168.1.7:50000 > 192.168.1.10:22 S, by :2",
		},
		"owner": {
			"block all\npass in proto tcp to port 22 user root\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"unsure: in en0 192.168.1.7:50000 > 192.168.1.10:22 S",
		},
		"chance": {
			"block in probability 10%\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"unsure: in en0 192.168.1.7:50000 > 192.168.1.10:22 S",
		},
		"perhaps-a-state": {
			"block in\npass out no state\npass out proto tcp user root\n",
			"out on en0 proto tcp from any to any port 443",
			"unsure: in en0 198.51.100.7:443 > 192.168.1.10:50000 SA, answer, by :1",
		},
		"urpf": {
			"block in from urpf-failed\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"unsure: in en0 192.168.1.7:50000 > 192.168.1.10:22 S",
		},
		"tos": {
			"block out tos 0x10\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"unsure: out en0 192.168.1.10:22 > 192.168.1.7:50000 SA, answer",
		},
		"tag": {
			"block in\npass in from 192.168.1.0/24 tag LAN\nblock in tagged LAN\n",
			"in on en0 proto tcp from 192.168.1.7 to any port 22",
			"cut: in en0 192.168.1.7:50000 > 192.168.1.10:22 S, by :3",
		},
		"family": {
			"block in inet6\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S\n" +
				"cut: in en0 [2001:db8::7]:50000 > [2001:db8:1::10]:22 S, by :1",
		},
		"link-local": {
			"block in from ! fe80::/10\n",
			"in on en0 inet6 proto tcp from any to any port 22",
			"pass: in en0 [fe80::]:50000 > [fe80::1c2b:3aff:fe4d:5e6f]:22 S\n" +
				"cut: in en0 [2001:db8::7]:50000 > [2001:db8:1::10]:22 S, by :1",
		},
		"none": {
			"block all\n",
			"in on en1 inet6 proto tcp from any to any port 22",
			"",
		},
		"unknown-interface": {
			"block in\npass in on utun9 to (utun9)\n",
			"in on utun9 proto tcp from 100.64.0.9 to any port 22",
			"pass: in utun9 100.64.0.9:50000 > 192.0.2.1:22 S, by :2",
		},
		"unknown-address": {
			"block in\npass in on utun9 to 100.64.0.7\n",
			"in on utun9 proto tcp from 100.64.0.9 to any port 22",
			"pass: in utun9 100.64.0.9:50000 > 100.64.0.7:22 S, by :2\n" +
				"cut: in utun9 100.64.0.9:50000 > 192.0.2.1:22 S, by :1",
		},
		"unknown-network": {
			"block in\npass in on utun9 from (utun9:network)\n",
			"in on utun9 proto tcp from 100.64.0.9 to any port 22",
			"unsure: in utun9 100.64.0.9:50000 > 192.0.2.1:22 S",
		},
		"every-protocol": {
			"block in proto gre\n",
			"in on en0 from 192.168.1.7 to any",
			"pass: in en0 192.168.1.7:50000 > 192.168.1.10:50000 S\n" +
				"cut: in en0 192.168.1.7:0 > 192.168.1.10:0, by :1",
		},
		"multicast": {
			"block in proto udp to 224.0.0.251\n",
			"in on en0 proto udp from 192.168.1.7 port 5353 to 224.0.0.251 port 5353",
			"cut: in en0 192.168.1.7:5353 > 224.0.0.251:5353, by :1",
		},
		"missing-anchor": {
			"anchor \"a/*\"\n",
			"in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := kernelWith(t, map[string]string{"": tt.text}).Converse(goldenHost(), flowOf(t, tt.flow))
			if diff := cmp.Diff(tt.want, fates(out)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestConverseAnchors: rules count where they are called, and not elsewhere.
func TestConverseAnchors(t *testing.T) {
	texts := map[string]string{
		"": "anchor \"com.apple/*\"\n", "com.apple/250.story": "block in on en0\nanchor \"inner\"\n", "com.apple/250.story/inner": "pass in proto tcp to port 22\n",
		"stray": "block all\nblock quick proto udp\n",
	}
	k := kernelWith(t, texts)
	for flow, want := range map[string]string{
		"in on en0 proto tcp from any to any port 22": "pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by com.apple/250.story/inner:1",
		"in on en0 proto tcp from any to any port 23": "cut: in en0 198.51.100.7:50000 > 192.168.1.10:23 S, by com.apple/250.story:1",
		"in on en1 proto udp from any to any port 53": "pass: in en1 198.51.100.7:50000 > 10.0.1.5:53",
	} {
		if got := fates(k.Converse(goldenHost(), flowOf(t, flow))); got != want {
			t.Errorf("%s: %s, want %s", flow, got, want)
		}
	}
	if diff := cmp.Diff(0, len(k.States())); diff != "" {
		t.Errorf("states were left (-want +got):\n%s", diff)
	}
}

// TestConverseAnywhere: of a Mac about which nothing is known, everything is tried that the rules tell apart.
func TestConverseAnywhere(t *testing.T) {
	tests := map[string]struct{ text, flow, want string }{
		"interface": {
			"block in on en0\n", "in proto tcp from any to any port 22",
			"pass: in en1 198.51.100.7:50000 > 192.0.2.1:22 S\ncut: in en0 198.51.100.7:50000 > 192.0.2.1:22 S, by :1",
		},
		"address": {
			"block in\npass in to 192.168.1.10\n", "in inet proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :2\ncut: in en0 198.51.100.7:50000 > 192.0.2.1:22 S, by :1",
		},
		"own": {
			"block in\npass in on en0 to (en0)\n", "in on en0 proto tcp from any to 192.168.1.10 port 22",
			"pass: in en0 198.51.100.7:50000 > 192.168.1.10:22 S, by :2",
		},
		"self": {
			"block in\npass in to (self)\n", "in on en0 proto tcp from any to any port 22",
			"pass: in en0 198.51.100.7:50000 > 192.0.2.1:22 S, by :2",
		},
		"network": {
			"block in\npass in from (en0:network)\n", "in on en0 inet proto tcp from any to any port 22",
			"unsure: in en0 198.51.100.7:50000 > 192.0.2.1:22 S",
		},
		"translated-to-itself": {
			"nat on en0 from any to 10.0.0.8/29 -> 10.0.0.5\n", "out on en0 proto 99 from 10.0.0.0/29 to 10.0.0.8/29 open",
			"pass: out en0 10.0.0.5:0 > 10.0.0.9:0\ncut: out en0 10.0.0.1:0 > 10.0.0.9:0",
		},
		"loopback": {
			"block all\n", "out on lo0 inet proto tcp from any to any port 22",
			"cut: out lo0 127.0.0.1:50000 > 127.0.0.1:22 S, by :1",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("x", []byte(tt.text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			k := new(Kernel)
			if err := k.Load(time.Time{}, f); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, fates(k.Converse(nil, flowOf(t, tt.flow)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestConverseMapped: addresses that the rules do not tell apart are told apart when they are translated to different ones.
func TestConverseMapped(t *testing.T) {
	f, err := Parse("x", []byte("binat on en0 from 10.0.0.0/29 to any -> 10.0.0.8/29\npass\nblock out from 10.0.0.13\n"), Options{Host: smallHost()})
	if err != nil {
		t.Fatal(err)
	}
	k := new(Kernel)
	if err := k.Load(time.Time{}, f); err != nil {
		t.Fatal(err)
	}
	const want = "pass: out en0 10.0.0.2:50000 > 198.51.100.7:53, by :2\ncut: out en0 10.0.0.5:50000 > 198.51.100.7:53, by :3"
	if diff := cmp.Diff(want, fates(k.Converse(smallHost(), flowOf(t, "out on en0 proto udp from any to any port 53")))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
