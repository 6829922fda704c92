package pf

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kernelWith is a kernel with texts loaded, by anchor.
func kernelWith(t testing.TB, texts map[string]string) *Kernel {
	t.Helper()
	var files []*File
	for anchor, rules := range texts {
		f, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost(), Anchor: anchor})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	k := new(Kernel)
	if err := k.Load(time.Time{}, files...); err != nil {
		t.Fatal(err)
	}
	return k
}

// packet reads "in en0 tcp 192.0.2.1:1000 > 192.168.1.10:22 S". For ICMP the last word is the type.
func packet(t testing.TB, s string) Packet {
	t.Helper()
	w := strings.Fields(s)
	p := Packet{Direction: In, Interface: w[1], Src: netip.MustParseAddrPort(w[3]), Dst: netip.MustParseAddrPort(w[5])}
	if w[0] == "out" {
		p.Direction = Out
	}
	p.Proto, _ = (&Host{}).protoByName(w[2])
	for _, flags := range w[6:] {
		if p.Proto == protoICMP {
			_, err := fmt.Sscan(flags, &p.ICMP.Type)
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		p.Flags, _ = parseFlags(flags)
	}
	return p
}

// A meeting is a packet and what it meets: the verdict, and the line of the rule that decides, or why.
type meeting struct {
	packet, want string
}

func meet(t *testing.T, k *Kernel, meetings []meeting) {
	t.Helper()
	for _, m := range meetings {
		res := k.Test(goldenHost(), packet(t, m.packet))
		got := res.Verdict.String()
		switch {
		case res.Why == "state":
			got += " by state"
		case res.Rule != nil:
			got += fmt.Sprintf(" by %s:%d", res.Anchor, res.Rule.Pos.Line)
		case res.Why != "":
			got += ": " + res.Why
		}
		if got != m.want {
			t.Errorf("%s: %s, want %s", m.packet, got, m.want)
		}
	}
}

// A laptop is to be reached over Tailscale only. The first version forgets that answers come in too.
func TestStoryFirstVersion(t *testing.T) {
	k := kernelWith(t, map[string]string{"": "block in on en0 all\npass in on en0 proto udp from any to any port 41641\n"})
	meet(t, k, []meeting{
		{"out en0 udp 192.168.1.10:5000 > 9.9.9.9:53", "pass: no rule matches"},
		{"in en0 udp 9.9.9.9:53 > 192.168.1.10:5000", "block by :1"}, // The answer to the Mac's own question.
		{"in en0 tcp 198.51.100.7:4000 > 192.168.1.10:22 S", "block by :1"},
		{"in en0 tcp 198.51.100.7:3999 > 192.168.1.10:22 A", "block by :1"}, // The session that loaded the rules.
		{"in en0 udp 198.51.100.7:41641 > 192.168.1.10:41641", "pass by :2"},
		{"in utun3 tcp 100.64.0.9:4000 > 100.64.0.5:22 S", "pass: no rule matches"},
	})
}

func TestStoryFinalVersion(t *testing.T) {
	k := kernelWith(t, map[string]string{
		"":                    "anchor \"com.apple/*\"\n",
		"com.apple/250.story": "pass out on en0 all keep state\nblock in on en0 proto tcp all\npass in on en0 proto udp from any to any port 41641\n",
	})
	meet(t, k, []meeting{
		{"out en0 udp 192.168.1.10:5000 > 9.9.9.9:53", "pass by com.apple/250.story:1"},
		{"in en0 udp 9.9.9.9:53 > 192.168.1.10:5000", "pass by state"},
		{"out en0 tcp 192.168.1.10:5001 > 198.51.100.7:443 S", "pass by com.apple/250.story:1"},
		{"in en0 tcp 198.51.100.7:443 > 192.168.1.10:5001 SA", "pass by state"},
		{"out en0 icmp 192.168.1.10:77 > 9.9.9.9:77 8", "pass by com.apple/250.story:1"},
		{"in en0 tcp 198.51.100.7:4000 > 192.168.1.10:22 S", "block by com.apple/250.story:2"},
		{"in en0 udp 198.51.100.7:41641 > 192.168.1.10:41641", "pass by com.apple/250.story:3"},
		{"in utun3 tcp 100.64.0.9:4000 > 100.64.0.5:22 S", "pass: no rule matches"},
		{"out utun3 tcp 100.64.0.5:22 > 100.64.0.9:4000 SA", "pass: no rule matches"},
	})
}

func TestEvaluate(t *testing.T) {
	tests := map[string]struct {
		texts    map[string]string
		meetings []meeting
	}{
		"last-match": {
			texts:    map[string]string{"": "block all\npass in proto tcp to port 22\nblock in from 192.0.2.0/24\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by :2"}, {"in en0 tcp 192.0.2.1:9 > 192.168.1.10:22 S", "block by :3"}},
		},
		"quick": {
			texts:    map[string]string{"": "pass in quick proto tcp to port 22\nblock all\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by :1"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "block by :2"}},
		},
		"quick-in-anchor": {
			texts:    map[string]string{"": "anchor \"a\"\nblock all\n", "a": "pass quick proto tcp to port 22\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by a:1"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "block by :2"}},
		},
		"anchor-quick": {
			texts:    map[string]string{"": "anchor \"a\" quick\nblock all\n", "a": "pass proto tcp to port 22\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by a:1"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "block by :2"}},
		},
		"wildcard": { // Direct children, in the order of their names; not the anchor's own rules, not grandchildren.
			texts: map[string]string{
				"": "anchor \"a/*\"\n", "a": "block all\n", "a/2": "pass in proto tcp to port 22\n", "a/1": "block in proto tcp\n", "a/1/x": "pass quick\n",
			},
			meetings: []meeting{
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by a/2:1"},
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "block by a/1:1"},
				{"in en0 udp 10.0.0.1:9 > 192.168.1.10:23", "pass: no rule matches"},
			},
		},
		"not-called": {
			texts:    map[string]string{"": "anchor \"a\"\n", "b": "block all\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass: no rule matches"}},
		},
		"inline": {
			texts:    map[string]string{"": "anchor in on en0 {\nblock\npass proto tcp to port 22\n}\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by _1:3"}, {"in en1 udp 10.0.0.1:9 > 10.0.1.5:22", "pass: no rule matches"}},
		},
		"circle": {
			texts:    map[string]string{"": "anchor \"a\"\n", "a": "block in\nanchor \"/a\"\nanchor \"/a\"\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "unknown: anchors call each other without end"}},
		},
		"no-state": {
			texts: map[string]string{"": "block in\npass out no state\n"},
			meetings: []meeting{
				{"out en0 udp 192.168.1.10:9 > 10.0.0.1:53", "pass by :2"}, {"in en0 udp 10.0.0.1:53 > 192.168.1.10:9", "block by :1"},
			},
		},
		"if-bound": {
			texts: map[string]string{"": "block in\npass out on en0 keep state (if-bound)\npass out on en1\n"},
			meetings: []meeting{
				{"out en0 udp 192.168.1.10:9 > 10.0.0.1:53", "pass by :2"},
				{"in en1 udp 10.0.0.1:53 > 192.168.1.10:9", "block by :1"},
				{"in en0 udp 10.0.0.1:53 > 192.168.1.10:9", "pass by state"},
				{"out en1 udp 10.0.1.5:9 > 10.0.0.1:53", "pass by :3"},
				{"in en0 udp 10.0.0.1:53 > 10.0.1.5:9", "pass by state"},
			},
		},
		"flags": { // A connection that was there before pf.
			texts: map[string]string{"": "block all\npass proto tcp to port 22\npass proto tcp to port 23 flags any\n"},
			meetings: []meeting{
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 A", "block by :1"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 A", "pass by :3"},
			},
		},
		"rdr": { // Filter rules see the new address.
			texts: map[string]string{"": "rdr on en0 proto tcp from any to (en0) port 80:89 -> 127.0.0.1 port 8080:*\nblock in\npass in proto tcp to 127.0.0.1 port 8081\n"},
			meetings: []meeting{
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:81 S", "pass by :3"},
				{"out en0 tcp 127.0.0.1:8081 > 10.0.0.1:9 SA", "pass by state"},
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:82 S", "block by :2"},
			},
		},
		"rdr-pass": {
			texts:    map[string]string{"": "rdr pass on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080\nblock in\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "pass: no rule matches"}, {"out en0 tcp 127.0.0.1:8080 > 10.0.0.1:9 SA", "pass by state"}},
		},
		"no-rdr": {
			texts:    map[string]string{"": "no rdr on en0 proto tcp from 10.0.0.1 to any port 80\nrdr pass on en0 proto tcp from any to any port 80 -> 127.0.0.1 port 8080\nblock in\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "block by :3"}, {"in en0 tcp 10.0.0.2:9 > 192.168.1.10:80 S", "pass: no rule matches"}},
		},
		"rdr-in-anchor": {
			texts:    map[string]string{"": "rdr-anchor \"a\"\nblock in\npass in proto tcp to 127.0.0.1\n", "a": "rdr proto tcp from any to any port 80 -> 127.0.0.1 port 8080\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "pass by :3"}},
		},
		"nat": {
			texts: map[string]string{"": "nat on en0 from 192.168.64.0/24 to any -> (en0) static-port\nblock all\npass out on en0 from 192.168.1.10\n"},
			meetings: []meeting{
				{"out en0 udp 192.168.64.7:9 > 9.9.9.9:53", "pass by :3"}, {"in en0 udp 9.9.9.9:53 > 192.168.1.10:9", "pass by state"},
			},
		},
		"binat": {
			texts:    map[string]string{"": "binat on en0 from 10.9.0.0/24 to any -> 203.0.113.0/24\nblock in\npass in to 10.9.0.7\n"},
			meetings: []meeting{{"in en0 udp 9.9.9.9:53 > 203.0.113.7:9", "pass by :3"}, {"in en0 udp 9.9.9.9:53 > 203.0.113.8:9", "block by :2"}},
		},
		"table": {
			texts: map[string]string{"": "table <t> { 10.0.0.0/8 !10.1.0.0/16 10.1.2.3 }\nblock in\npass in from <t>\n"},
			meetings: []meeting{
				{"in en0 udp 10.2.0.1:9 > 192.168.1.10:9", "pass by :3"},
				{"in en0 udp 10.1.0.1:9 > 192.168.1.10:9", "block by :2"},
				{"in en0 udp 10.1.2.3:9 > 192.168.1.10:9", "pass by :3"},
			},
		},
		"negated": {
			texts:    map[string]string{"": "table <t> { 10.0.0.0/8 }\nblock in from ! <t>\nblock in from ! 192.0.2.0/24 to (en0:network)\npass in on ! en0\n"},
			meetings: []meeting{{"in en0 udp 9.9.9.9:9 > 9.9.9.8:9", "block by :2"}, {"in en0 udp 10.0.0.1:9 > 192.168.1.77:9", "block by :3"}, {"in en1 udp 9.9.9.9:9 > 9.9.9.8:9", "pass by :4"}},
		},
		"skip": {
			texts:    map[string]string{"": "set skip on lo0\nblock all\n"},
			meetings: []meeting{{"in lo0 udp 127.0.0.1:9 > 127.0.0.1:9", "pass: set skip on lo0"}, {"in en0 udp 127.0.0.1:9 > 127.0.0.1:9", "block by :2"}},
		},
		"icmp": {
			texts:    map[string]string{"": "block in\npass in inet proto icmp icmp-type echoreq\n"},
			meetings: []meeting{{"in en0 icmp 9.9.9.9:1 > 192.168.1.10:1 8", "pass by :2"}, {"in en0 icmp 9.9.9.9:1 > 192.168.1.10:1 13", "pass by state"}, {"in en0 icmp 9.9.9.9:2 > 192.168.1.10:2 13", "block by :1"}},
		},
		"tag": {
			texts:    map[string]string{"": "block in\npass in from 10.0.0.0/8 tag LAN\nblock in proto tcp to port 23 tagged LAN\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "block by :3"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "pass by :2"}},
		},
		"family": {
			texts:    map[string]string{"": "block inet6\n"},
			meetings: []meeting{{"in en0 tcp [2001:db8::1]:9 > [2001:db8:1::10]:22 S", "block by :1"}, {"in en0 tcp 10.0.0.1:9 > 192.168.1.10:23 S", "pass: no rule matches"}},
		},
		"chance": {
			texts: map[string]string{"": "block in proto tcp to port 80 probability 20%\n"},
			meetings: []meeting{
				{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "unknown: chance decides: block drop in proto tcp from any to any port = 80 probability 20%"},
			},
		},
		"chance-without-difference": {
			texts:    map[string]string{"": "pass in quick proto tcp probability 20%\nblock in\npass in proto tcp\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "pass: whichever rule decides: chance decides: pass in quick proto tcp all flags S/SA keep state probability 20%"}},
		},
		"owner": {
			texts:    map[string]string{"": "pass out\nblock out proto tcp user alice\n"},
			meetings: []meeting{{"out en0 tcp 192.168.1.10:9 > 10.0.0.1:80 S", "unknown: the owner of the socket is not known: block drop out proto tcp all user = 501"}, {"out en0 udp 192.168.1.10:9 > 10.0.0.1:80", "pass by :1"}},
		},
		"unknown-elsewhere": { // What is not known about a rule that does not match is no reason.
			texts:    map[string]string{"": "block in from urpf-failed to 10.9.9.9\nblock in proto tcp to port 80 probability 20%\n"},
			meetings: []meeting{{"in en0 tcp 10.0.0.1:9 > 192.168.1.10:80 S", "unknown: chance decides: block drop in proto tcp from any to any port = 80 probability 20%"}},
		},
		"routes": {
			texts:    map[string]string{"": "block in from urpf-failed\n"},
			meetings: []meeting{{"in en0 udp 10.0.0.1:9 > 192.168.1.10:80", "unknown: the routes of the host are not known"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { meet(t, kernelWith(t, tt.texts), tt.meetings) })
	}
}

// TestStatesOutliveRules: flushing rules leaves states, killing them does not.
func TestStatesOutliveRules(t *testing.T) {
	k := kernelWith(t, map[string]string{"": "block in\npass in proto tcp to port 22\n"})
	syn, data := "in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S", "in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 A"
	meet(t, k, []meeting{{syn, "pass by :2"}})
	if diff := cmp.Diff([]string{"ALL tcp 192.168.1.10:22 <- 10.0.0.1:9       ESTABLISHED:ESTABLISHED"}, k.StateLines()); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	f, err := Parse("x", []byte("block in\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Load(time.Time{}, f); err != nil {
		t.Fatal(err)
	}
	meet(t, k, []meeting{{data, "pass by state"}})
	if n := k.KillStates(netip.MustParsePrefix("10.0.0.0/8"), netip.Prefix{}); n != 1 {
		t.Errorf("killed %d states, want 1", n)
	}
	meet(t, k, []meeting{{data, "block by :1"}})
}

// TestClone: what happens to a copy does not happen to the original.
func TestClone(t *testing.T) {
	k := kernelWith(t, map[string]string{"": "table <t> persist { 10.0.0.1 }\nblock in\npass in from <t>\n"})
	data := "in en0 tcp 10.0.0.1:9 > 192.168.1.10:22 S"
	meet(t, k, []meeting{{data, "pass by :3"}})
	c := k.Clone()
	if n, err := c.FlushTable("", "t"); n != 1 || err != nil {
		t.Errorf("flushed %d entries, %v", n, err)
	}
	c.ClearStates()
	c.Flush("", FilterRules)
	meet(t, c, []meeting{{data, "pass: no rule matches"}})
	meet(t, k, []meeting{{data, "pass by state"}, {"in en0 tcp 10.0.0.1:8 > 192.168.1.10:22 S", "pass by :3"}})
}

func BenchmarkTest10000(b *testing.B) {
	texts := map[string]string{"": "anchor \"a/*\"\n"}
	for i := range 10 {
		texts[fmt.Sprintf("a/%d", i)] = manyRules(1000)
	}
	k := kernelWith(b, texts)
	p := packet(b, "in en0 tcp 9.9.9.9:9 > 192.168.1.10:22 S")
	host := goldenHost()
	b.ReportAllocs()
	for b.Loop() {
		if res := k.Test(host, p); res.Verdict != Blocked {
			b.Fatal(res)
		}
	}
}

// FuzzTest lets any rules meet any packet.
func FuzzTest(f *testing.F) {
	for _, c := range readGolden[goldenCase](f, "golden-open.json") {
		f.Add(c.Rules, "in en0 tcp 9.9.9.9:9 > 192.168.1.10:22 S", uint8(6), uint8(2), true)
	}
	f.Fuzz(func(t *testing.T, rules, line string, proto, flags uint8, in bool) {
		file, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost()})
		if err != nil {
			return
		}
		k := new(Kernel)
		if k.Load(time.Time{}, file) != nil {
			return
		}
		p := packet(t, "out en0 udp 192.168.1.10:9 > 9.9.9.9:53")
		p.Proto, p.Flags, p.Interface = proto, flags, line
		if in {
			p.Direction = In
		}
		first := k.Test(goldenHost(), p)
		second := k.Test(goldenHost(), p)
		if first.State != nil && second.Verdict != Passed {
			t.Errorf("a state was made, and the packet met %v: %s", second.Verdict, second.Why)
		}
		if first.State == nil && second.Verdict != first.Verdict {
			t.Errorf("no state was made, and the packet met %v, then %v", first.Verdict, second.Verdict)
		}
	})
}
