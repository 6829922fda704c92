package pf

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// smallHost is a Mac in a small world, so that all of it can be tried.
func smallHost() *Host {
	addr := func(s string) InterfaceAddr { return InterfaceAddr{Prefix: netip.MustParsePrefix(s)} }
	return &Host{Interfaces: []Interface{
		{Name: "lo0", Loopback: true, Addrs: []InterfaceAddr{addr("127.0.0.1/8")}},
		{Name: "en0", Broadcast: true, Addrs: []InterfaceAddr{addr("10.0.0.2/28"), addr("10.0.0.5/28")}},
		{Name: "en1", Broadcast: true, Addrs: []InterfaceAddr{addr("10.0.1.1/30")}},
	}}
}

// randomRules is a text of up to a dozen rules about the small world, and of an anchor that it calls.
func randomRules(r *rand.Rand) (main, anchor string) {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	addr := func() string {
		return pick("any", "any", "10.0.0.0/29", "10.0.0.4/30", "! 10.0.0.8/29", "10.0.0.3", "10.0.0.3 - 10.0.0.9", "<t>", "! <t>", "(en0)", "(en0:network)",
			"{ 10.0.0.1 10.0.0.6 10.0.0.9 }", "10.0.1.0/30", "10.0.0.2", "10.0.0.5", "urpf-failed", "{ 10.0.0.4/31 <t> }", "{ 10.0.0.1 urpf-failed }")
	}
	port := func() string {
		return pick("", "", "", " port 2", " port 3:4", " port != 3", " port > 2", " port { 1 4 }", " port 1 >< 4", " port 2 <> 3")
	}
	filter := func() string {
		rule := pick("block", "block", "block return", "pass", "pass", "pass", "pass") + pick("", " in", " in", " out", " out") + pick("", "", " quick") +
			pick("", "", " on en0", " on en1", " on ! en0")
		proto := pick("", " proto tcp", " proto tcp", " proto udp")
		if rule += pick("", "", " inet") + proto; proto == "" {
			rule += pick(" all", " from "+addr(), " to "+pick("any", "10.0.0.2", "<t>", "(en0)"))
		} else {
			rule += " from " + addr() + port() + " to " + strings.ReplaceAll(strings.ReplaceAll(addr(), "{ 10.0.0.1 urpf-failed }", "any"), "urpf-failed", "any") + port()
		}
		if strings.HasPrefix(rule, "pass") && proto == " proto tcp" {
			rule += pick("", "", " flags any", " flags S/S", " flags SA/SA")
		}
		if proto == " proto tcp" {
			rule += pick("", "", "", "", "", " user 0")
		}
		if strings.HasPrefix(rule, "pass") {
			rule += pick("", "", " no state", " keep state (if-bound)", " tag A")
		}
		return rule + pick("", "", "", "", "", " tagged A", " ! tagged A", " probability 50%", " tos 0x10") + "\n"
	}
	var b strings.Builder
	b.WriteString("table <t> { 10.0.0.0/28 !10.0.0.4/30 10.0.0.6 }\n")
	if r.IntN(3) == 0 {
		b.WriteString(pick("", "nat on en0 from any to 10.0.0.8/29 -> 10.0.0.5\n", "nat on en0 proto tcp from 10.0.0.2 to any -> (en0:0) port 7\n",
			"no nat on en0 from any to 10.0.0.9\nnat from 10.0.0.5 to any -> 10.0.0.2 static-port\n", "binat on en0 from 10.0.0.2 to any -> 10.0.0.5\n"))
		b.WriteString(pick("", "rdr on en0 proto tcp from any to any port 2 -> 127.0.0.1 port 3\n", "rdr pass proto tcp from 10.0.0.8/29 to any port 3 -> 127.0.0.1\n",
			"rdr on en0 proto tcp from any to 10.0.0.2 port 1:4 -> 127.0.0.1 port 2:*\n", "rdr on en0 proto udp from any to any -> 10.0.0.9\n"))
	}
	if r.IntN(2) == 0 { // Many that are alike.
		for range 6 {
			b.WriteString(pick("block", "pass") + pick(" in", " in", "") + pick("", "", "", " quick") + " inet proto tcp from " +
				pick("any", "10.0.0.4/30", "10.0.0.4/31", "10.0.0.8/29", "! 10.0.0.8/29", "10.0.0.4 - 10.0.0.9", "<t>") + pick("", "", " port 2") +
				" to " + pick("any", "any", "10.0.0.2", "10.0.0.0/30") + pick("", "", " port 2") + "\n")
		}
		return b.String(), filter()
	}
	for range 1 + r.IntN(8) {
		b.WriteString(filter())
	}
	if r.IntN(2) == 0 {
		b.WriteString(pick("anchor \"a\"\n", "anchor \"a\" in on en0\n", "anchor \"a\" quick proto tcp\n", "anchor \"a\" out from any to 10.0.0.8/29\n"))
		b.WriteString(filter())
	}
	return b.String(), filter() + filter()
}

func randomKernel(t *testing.T, r *rand.Rand, h *Host) (*Kernel, string) {
	t.Helper()
	main, inner := randomRules(r)
	k := new(Kernel)
	for anchor, text := range map[string]string{"": main, "a": inner} {
		f, err := Parse("x", []byte(text), Options{Host: h, Anchor: anchor})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := k.Load(time.Time{}, f); err != nil {
			t.Fatal(err)
		}
	}
	return k, main + "anchor a:\n" + inner
}

// everyTalk is every single conversation of a flow, tried with all rules: whether one has each fate.
func everyTalk(k *Kernel, h *Host, f Flow) (fates [3]bool) {
	k = k.Clone()
	s := &search{full: k, h: h, f: f}
	points := func(s spans, yield func(point)) {
		for _, x := range s {
			for p := x.first; p.compare(x.last) <= 0; p = p.next() {
				yield(p)
			}
		}
	}
	for _, p := range f.places(k.called(), h) {
		t := talk{iface: p.iface, proto: p.proto, guess: p.guess}
		points(p.own, func(own point) {
			t.own = own.addr(p.af)
			points(p.remote, func(remote point) {
				t.remote = remote.addr(p.af)
				if p.guess && t.own == t.remote {
					return
				}
				points(p.ownPorts, func(port point) {
					t.ownPort = uint16(port.lo)
					points(p.remotePorts, func(port point) {
						t.remotePort = uint16(port.lo)
						got, _ := s.fate(k, t)
						fates[got] = true
					})
				})
			})
		})
	}
	return fates
}

// TestConverseIsExact: Converse finds the fates that conversations of a flow have, no other and no less.
func TestConverseIsExact(t *testing.T) {
	flows := []string{
		"in proto tcp from 10.0.0.0/28 port 1:4 to any port 1:4", "out proto tcp from any port 1:4 to 10.0.0.0/28 port 1:4",
		"in on en0 proto udp from 10.0.0.0/28 port 1:4 to any port 2", "out proto udp from any port 2 to { 10.0.0.8/29, 10.0.1.2 } port 1:4",
		"in on en1 proto tcp from 10.0.0.0/28 port 50000 to 10.0.1.1 port 1:4", "in proto icmp from 10.0.0.0/28 to any", "in from 10.0.0.8/29 to any open",
		"in on en0 proto tcp from 10.0.0.0/28 port 3 to any port 1:4 open", "in on en5 proto tcp from 10.0.0.0/28 port 1:4 to 10.0.0.0/29 port 2",
		"out on en0 proto tcp from 10.0.0.0/29 port 2 to 10.0.0.0/29 port 1:4",
	}
	rounds := 600
	if testing.Short() || raceEnabled {
		rounds = 60
	}
	var counts [3]int
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		h := smallHost()
		if r.IntN(4) == 0 {
			h = &Host{}
		}
		k, text := randomKernel(t, r, h)
		f := flowOf(t, flows[r.IntN(len(flows))])
		if own := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/29")}; len(h.Interfaces) == 0 && f.Direction == In {
			f.Dst = own // Which addresses it has is not known, and all there are is too many.
		} else if len(h.Interfaces) == 0 {
			f.Src = own
		}
		if f.Proto == 0 {
			f.SrcPort, f.DstPort = PortRange{OpRange, 1, 4}, PortRange{OpRange, 1, 4} // There are too many.
		}
		out := k.Converse(h, f)
		got := [3]bool{out.Pass != nil, out.Cut != nil, out.Unsure != nil}
		want := everyTalk(k, h, f)
		for i, is := range want {
			if got[i] && !is || !got[i] && is && !out.Sampled {
				t.Fatalf("seed %d, %s: pass, cut, unsure are %v, want %v\n%s\n%s", seed, f, got, want, text, fmt.Sprint(tell(out.Pass), tell(out.Cut), tell(out.Unsure)))
			}
			if is {
				counts[i]++
			}
		}
	}
	if counts[0] < rounds/10 || counts[1] < rounds/10 || counts[2] < rounds/20 {
		t.Errorf("the random rules are of one kind: %v", counts)
	}
}

// FuzzConverse lets any rules meet any flow: an example of a fate has that fate when it is asked about alone.
func FuzzConverse(f *testing.F) {
	for i, c := range readGolden[goldenCase](f, "golden-open.json") {
		f.Add(c.Rules, []string{
			"in proto tcp from any to any port 22", "out on en0 proto udp from any to any", "in inet6 proto icmp6 from fe80::/10 to any",
			"in on en9 from any to any open", "out proto tcp from any to { 10.0.0.0/8, 2001:db8::/32 } port 1:1024",
		}[i%5], i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, rules, text string, known bool) {
		flow, err := ParseFlow(text)
		if err != nil {
			return
		}
		file, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost()})
		if err != nil {
			return
		}
		k := new(Kernel)
		if k.Load(time.Time{}, file) != nil {
			return
		}
		h := goldenHost()
		if !known {
			h = &Host{}
		}
		out := k.Converse(h, flow)
		for i, c := range []*Conversation{out.Pass, out.Cut, out.Unsure} {
			if c == nil || c.Answer {
				continue // What an answer answers is not told.
			}
			if c.Why == "" || c.Cure != "" && i != 1 {
				t.Errorf("why %q, cure %q", c.Why, c.Cure)
			}
			one := k.Converse(h, only(flow, c))
			if got := [3]bool{one.Pass != nil, one.Cut != nil, one.Unsure != nil}; got != [3]bool{i == 0, i == 1, i == 2} {
				t.Errorf("%s: pass, cut, unsure are %v, want one of them, %d: %s\n%s", only(flow, c), got, i, fates(one), fates(out))
			}
		}
	})
}
