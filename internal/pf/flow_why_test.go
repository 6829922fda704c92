package pf

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWhy is what is said of a conversation that does not pass, or perhaps.
func TestWhy(t *testing.T) {
	const story = "block drop in on en0 proto tcp all\npass in on en0 proto udp from any to any port 41641\n"
	tests := map[string]struct{ text, flow, why, cure string }{
		"story-out": {
			story, "out on en0 proto tcp from any to any port 443",
			"The opening packet passes on its way out, but without a state: no rule makes one for it. So the answer, on its way in, is looked up in the rules like any other packet, and this rule blocks it. Unless pass rules say otherwise, they let only packets through that open a connection (flags S/SA).",
			"`pass out on en0 all keep state` before line 1 of the main ruleset",
		},
		"story-in": {
			story, "in on en0 proto tcp from 192.168.1.0/24 to any port 22",
			"This is the last rule that the opening packet matches, and the last one decides. Nothing is sent back, so the other end waits in vain.",
			"`pass in on en0 proto tcp from 192.168.1.0/24 to any port 22 keep state` after line 1 of the main ruleset",
		},
		"quick": {
			"block return in quick\npass in proto tcp to port 22\n", "in on en0 proto tcp from 192.168.1.0/24 to any port 22",
			"The opening packet matches this rule, and quick ends the search there. The other end is told at once.",
			"`pass in quick on en0 proto tcp from 192.168.1.0/24 to any port 22 keep state` before line 1 of the main ruleset",
		},
		"tunnel": {
			"block in quick on utun3\n", "in proto tcp from 100.64.0.0/10 to any port 22",
			"The opening packet matches this rule, and quick ends the search there. Nothing is sent back, so the other end waits in vain.",
			"`pass in quick proto tcp from 100.64.0.0/10 to any port 22 keep state` before line 1 of the main ruleset",
		},
		"no-state": {
			"block all\npass in proto tcp to port 22 no state\n", "in on en0 proto tcp from 192.168.1.7 to any port 22",
			"The opening packet passes on its way in, but without a state: the rule that passes it makes none, pass in proto tcp from any to any port = 22 no state (line 2 of the main ruleset). So the answer, on its way out, is looked up in the rules like any other packet, and this rule blocks it. Unless pass rules say otherwise, they let only packets through that open a connection (flags S/SA).",
			"`pass in on en0 proto tcp from 192.168.1.7 to any port 22 keep state` after line 2 of the main ruleset",
		},
		"no-state-out": {
			"block in\npass out quick no state\n", "out on en0 proto udp from any to any port 53",
			"The opening packet passes on its way out, but without a state: the rule that passes it makes none, pass out quick all no state (line 2 of the main ruleset). So the answer, on its way in, is looked up in the rules like any other packet, and this rule blocks it.",
			"`pass out quick on en0 all keep state` before line 2 of the main ruleset",
		},
		"later": {
			"pass no state\nblock in proto tcp flags P/P\n", "in on en0 proto tcp from 192.168.1.7 to any port 22",
			"The opening packet passes on its way in, but without a state: the rule that passes it makes none, pass all no state (line 1 of the main ruleset). So a later packet, on its way in, is looked up in the rules like any other packet, and this rule blocks it. Unless pass rules say otherwise, they let only packets through that open a connection (flags S/SA).",
			"`pass in on en0 proto tcp from 192.168.1.7 to any port 22 keep state` before line 2 of the main ruleset",
		},
		"open": {
			"block all\npass in proto tcp to port 22\n", "in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"The connection is open already, and pf has no state of it; pass rules make one of the packet that opens a connection, unless they say flags any. This is the last rule that the next packet matches, and the last one decides. Nothing is sent back, so the other end waits in vain. A new one passes.",
			"",
		},
		"open-and-new": {
			"block all\n", "in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"The connection is open already, and pf has no state of it; pass rules make one of the packet that opens a connection, unless they say flags any. This is the last rule that the next packet matches, and the last one decides. Nothing is sent back, so the other end waits in vain. A new one does not pass either.",
			"",
		},
		"open-one-way": {
			"block all\npass in proto tcp to port 22 flags any\n", "in on en0 proto tcp from 192.168.1.7 port 50123 to 192.168.1.10 port 22 open",
			"It goes on only if the other end speaks first. The connection is open already, and pf has no state of it; pass rules make one of the packet that opens a connection, unless they say flags any. This is the last rule that the next packet matches, and the last one decides.",
			"",
		},
		"open-nat": {
			"nat on en0 from any to any -> 192.168.1.10 port 7\n", "out on en0 proto tcp from 192.168.1.10 port 50123 to 9.9.9.9 port 22 open",
			"A translation rule makes it come from 192.168.1.10:7, whom the other end does not know, since no state says otherwise.",
			"",
		},
		"nat-answer": {
			"nat on en0 from any to any -> 192.168.1.10 port 9\npass no state\n", "in on en0 proto tcp from 192.168.1.7 to any port 22",
			"A translation rule makes it come from 192.168.1.10:9, whom the other end does not know, since no state says otherwise.",
			"",
		},
		"owner": {
			"block all\npass in proto tcp to port 22 user root\n", "in on en0 proto tcp from 192.168.1.7 to any port 22",
			"It cannot be told beforehand: the owner of the socket is not known: pass in proto tcp from any to any port = 22 user = 0 flags S/SA keep state.",
			"",
		},
		"perhaps-a-state": {
			"block in\npass out no state\npass out proto tcp user root\n", "out on en0 proto tcp from 192.168.1.10 to 9.9.9.9 port 443",
			"It cannot be told beforehand whether a rule makes a state for it, without which this packet does not pass.",
			"",
		},
		"route-to": {
			"pass out on en0 route-to (utun3 100.64.0.9) proto tcp to port 443\n", "out on en0 proto tcp from any to 9.9.9.9 port 443",
			"The rule sends packets another way than the routes of the Mac do (pass out on en0 route-to (utun3 100.64.0.9) inet proto tcp from any to any port = 443 flags S/SA keep state), and what happens there is not known.",
			"",
		},
		"rdr-elsewhere": {
			"rdr on en0 proto tcp from any to any port 80 -> 192.168.64.7\n", "in on en0 proto tcp from 192.168.1.7 to any port 80",
			"A translation rule sends it on to 192.168.64.7:80, and what happens on the way there is not known.",
			"",
		},
		"perhaps-two-blocks": {
			"block in\nblock in user root\n", "in on en0 proto tcp from 192.168.1.7 to any port 80",
			"Whichever of the rules decides that perhaps match, it is blocked.",
			"",
		},
		"passes": {
			"block in\npass in\n", "in on en0 proto tcp from 192.168.1.7 to any port 80",
			"The opening packet makes a state, by which everything after it passes.",
			"",
		},
		"passes-without": {
			"", "in on en0 proto tcp from 192.168.1.7 to any port 80",
			"No rule blocks any of its packets. It has no state.",
			"",
		},
		"skipped": {
			"set skip on en0\n", "in on en0 proto tcp from 192.168.1.7 to any port 80",
			"pf does not look at this interface: set skip on en0.",
			"",
		},
		"state-by-answer": {
			"block out\npass out proto tcp from port 22 flags any\n", "in on en0 proto tcp from 192.168.1.7 to any port 22",
			"The opening packet makes no state, but a later one does.",
			"",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := kernelWith(t, map[string]string{"": tt.text}).Converse(goldenHost(), flowOf(t, tt.flow))
			c := out.Cut
			if c == nil {
				c = out.Unsure
			}
			if c == nil {
				c = out.Pass
			}
			if diff := cmp.Diff([]string{tt.why, tt.cure}, []string{c.Why, c.Cure}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhyAnchor: the cure of the story is put where the rules are, and where they do not hold in the main ruleset.
func TestWhyAnchor(t *testing.T) {
	const rules = "# by hand\nblock drop in on en0 proto tcp all\n"
	flow := flowOf(t, "out on en0 proto tcp from any to any port 443")
	for main, want := range map[string]string{
		"anchor \"com.apple/*\"\n":              "`pass out on en0 all keep state` before line 2 of anchor com.apple/250.story",
		"anchor \"com.apple/*\" in proto tcp\n": "`pass out on en0 all keep state` at the end of the main ruleset",
	} {
		out := kernelWith(t, map[string]string{"": main, "com.apple/250.story": rules}).Converse(goldenHost(), flow)
		if out.Cut == nil || out.Cut.Cure != want || out.Cut.Anchor != "com.apple/250.story" || out.Pass != nil || out.Unsure != nil {
			t.Errorf("%s: %s, cure %q, want %q", main, fates(out), out.Cut.Cure, want)
		}
	}
}

// TestCureCures: written into the text where it says, a cure lets the conversation pass.
func TestCureCures(t *testing.T) {
	flows := []string{
		"in proto tcp from 10.0.0.0/28 to any port 2", "out proto tcp from any to 10.0.0.0/28 port 2", "out on en0 proto udp from any to any port 2",
		"in on en0 proto tcp from 10.0.0.9 to 10.0.0.2 port 3", "in proto tcp from any to any port 2", "in proto icmp from any to any",
	}
	form := regexp.MustCompile("^`(.*)` (?:(before|after) line ([0-9]+) of|at the end of) (?:anchor (a)|the main ruleset)$")
	cuts, cured := 0, 0
	for seed := range 400 {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		main, inner := randomRules(r)
		texts := map[string]string{"": main, "a": inner}
		load := func() *Kernel {
			k := new(Kernel)
			for anchor, text := range texts {
				f, err := Parse("x", []byte(text), Options{Host: smallHost(), Anchor: anchor})
				if err == nil {
					err = k.Load(time.Time{}, f)
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
			}
			return k
		}
		f := flowOf(t, flows[r.IntN(len(flows))])
		c := load().Converse(smallHost(), f).Cut
		if c == nil || c.Rule == nil {
			continue
		}
		if cuts++; c.Cure == "" {
			continue
		}
		cured++
		m := form.FindStringSubmatch(c.Cure)
		if m == nil {
			t.Fatalf("seed %d: cure %q", seed, c.Cure)
		}
		lines := strings.SplitAfter(texts[m[4]], "\n")
		at := len(lines) - 1
		if m[2] != "" {
			if at, _ = strconv.Atoi(m[3]); m[2] == "before" {
				at--
			}
		}
		texts[m[4]] = strings.Join(slices.Insert(lines, at, m[1]+"\n"), "")
		one := only(f, c)
		if out := load().Converse(smallHost(), one); out.Pass == nil || out.Cut != nil || out.Unsure != nil {
			t.Fatalf("seed %d: %s, where %s, is not cured by %s:\n%s\nanchor a:\n%s\n%s", seed, one, tell(c), c.Cure, texts[""], texts["a"], fates(out))
		}
	}
	if cured < 50 || cured < cuts*8/10 {
		t.Errorf("of %d conversations that are cut %d have a cure", cuts, cured)
	}
}

// only is the part of f that is the conversation c.
func only(f Flow, c *Conversation) Flow {
	src, dst := c.Packet.Src, c.Packet.Dst
	if c.Packet.Direction != f.Direction {
		src, dst = dst, src
	}
	single := func(ip netip.Addr) []netip.Prefix { return []netip.Prefix{netip.PrefixFrom(ip, ip.BitLen())} }
	f.Interface, f.Src, f.Dst, f.Proto = c.Packet.Interface, single(src.Addr()), single(dst.Addr()), c.Packet.Proto
	if f.Proto == protoTCP || f.Proto == protoUDP {
		f.SrcPort, f.DstPort = PortRange{Op: OpEqual, A: src.Port()}, PortRange{Op: OpEqual, A: dst.Port()}
	}
	return f
}
