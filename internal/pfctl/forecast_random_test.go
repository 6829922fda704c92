package pfctl

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// randomRules are some rules, many of which have a say in who gets in.
func randomRules(random *rand.Rand) string {
	one := func(words ...string) string { return words[random.IntN(len(words))] }
	var b strings.Builder
	for range 1 + random.IntN(5) {
		proto := one("", "proto tcp", "proto tcp", "proto udp", "proto { tcp udp }")
		port := ""
		if proto != "" {
			port = one("", "port 22", "port { 22 80 }", "port < 1024", "port != 22", "port 8000:9000")
		}
		action := one("pass", "pass", "block drop", "block return", "block")
		state := ""
		if action == "pass" {
			state = one("", "", "keep state", "no state")
			if proto == "proto tcp" && random.IntN(4) == 0 {
				state = "flags any " + state
			}
		}
		words := []string{
			action, one("", "in", "in", "out"), one("", "", "quick"), one("", "on en0", "on en0", "on utun3"), one("", "inet"), proto,
			"from", one("any", "any", "198.51.100.0/24", "! 198.51.100.7", "<friends>", "(en0)"), "to", one("any", "any", "192.168.1.10", "en0", "<friends>"),
			port, state,
		}
		b.WriteString(strings.Join(strings.Fields(strings.Join(words, " ")), " ") + "\n")
	}
	return b.String()
}

// What is foretold of a new connection is what the simulated Mac then does. The forecast looks at the whole conversation, the
// Mac at its first two packets, so one that is cut later is answered at first.
func TestForecastHolds(t *testing.T) {
	client, server := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.168.1.10")
	mac := macsim.Start(t, macsim.Mac{
		Second: 5 * time.Millisecond, Client: netip.AddrPortFrom(client, 50000), Server: netip.AddrPortFrom(server, 22),
	})
	h := dial(t, mac)
	load := func(anchor, rules string) {
		byHand(t, mac, `printf %s "$2" | /sbin/pfctl -q -o none -a "$1" -f - 2>/dev/null`, anchor, rules)
	}
	answered := func() bool {
		byHand(t, mac, `/sbin/pfctl -q -F states 2>/dev/null; /sbin/pfctl -q -e 2>/dev/null`)
		defer byHand(t, mac, `/sbin/pfctl -q -d 2>/dev/null`) // so that our own connection lives
		return mac.Reaches("en0", client, server, "tcp", 22)
	}
	random := rand.New(rand.NewPCG(4, 4))
	cuts, passes := 0, 0
	for n := range 400 {
		before, rules := randomRules(random), randomRules(random)
		load("com.apple/100.before", before)
		load(mine, "")
		byHand(t, mac, `/sbin/pfctl -q -t friends -T replace "$1" 2>/dev/null`, []string{"198.51.100.0/25", "203.0.113.9"}[random.IntN(2)])
		if !answered() {
			continue
		}
		h.Forget()
		s, err := Look(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Check(t.Context(), h, mine, rules)
		if err != nil || want.Err != nil {
			t.Fatalf("%v %v\n%s", err, want.Err, rules)
		}
		var cut *Finding
		var p Planned
		for _, f := range p.Judge(s, Intent{Anchor: mine, Text: rules, Want: want}) {
			if f.Kind == Doubt {
				t.Errorf("%d: %s", n, f.Why)
			} else if cut == nil && strings.HasPrefix(f.What, "a new SSH") {
				cut = &f
			}
		}
		load(mine, rules)
		explain := fmt.Sprintf("%d: the first anchor:\n%sthe second anchor:\n%s", n, before, rules)
		switch got := answered(); {
		case cut == nil && !got:
			t.Errorf("not foretold: %s", explain)
		case cut != nil && got && !cut.Conversation.Answer:
			t.Errorf("foretold to be cut by %s: %s\n%s", cut.Place, cut.Line, explain)
		case cut != nil:
			cuts++
		default:
			passes++
		}
	}
	if cuts < 10 || passes < 10 {
		t.Errorf("%d were cut and %d passed, which says too little", cuts, passes)
	}
}
