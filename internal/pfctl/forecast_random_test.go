package pfctl

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// randomRules are some rules, many of which have a say in who gets in. If they are walls, so many of them block that about half of the texts cut
// the way in.
func randomRules(random *rand.Rand, walls bool) string {
	one := func(words ...string) string { return words[random.IntN(len(words))] }
	var b strings.Builder
	for range 1 + random.IntN(5) {
		action := one("pass", "pass", "block drop", "block return", "block")
		proto := one("", "proto tcp", "proto tcp", "proto udp", "proto { tcp udp }")
		on := one("", "on en0", "on en0", "on utun3")
		if walls {
			action, proto, on = one("pass", "block drop", "block return", "block"), one("", "proto tcp"), one("", "on en0")
		}
		port := ""
		if proto != "" {
			port = one("", "port 22", "port { 22 80 }", "port < 1024", "port != 22", "port 8000:9000")
		}
		state := ""
		if action != "pass" && proto == "proto tcp" && random.IntN(3) == 0 {
			state = "user 501" // nobody knows whose socket it is
		}
		if action == "pass" {
			state = one("", "", "keep state", "no state")
			if proto == "proto tcp" && random.IntN(4) == 0 {
				state = "flags any " + state
			}
		}
		words := []string{
			action, one("", "in", "in", "out"), one("", "", "quick"), on, one("", "inet"), proto,
			"from", one("any", "any", "198.51.100.0/24", "! 198.51.100.7", "<friends>", "(en0)"), "to", one("any", "any", "192.168.1.10", "en0", "<friends>"),
			port, state,
		}
		b.WriteString(strings.Join(strings.Fields(strings.Join(words, " ")), " ") + "\n")
	}
	return b.String()
}

// A draw is what becomes of random rules.
type draw struct {
	cut, doubted bool  // as foretold, of a new connection
	err          error // of the apply, which then takes place all the same
}

// A gambler has a Mac whose seconds are short, on which it tries random rules.
type gambler struct {
	mac            *macsim.Mac
	client, server netip.Addr
	random         *rand.Rand
}

// script does something at the Mac itself.
func (g *gambler) script(text string, args ...string) {
	if err := script(g.mac, text, args...); err != nil {
		panic(err)
	}
}

func (g *gambler) load(anchor, rules string) {
	g.script(`printf %s "$2" | /sbin/pfctl -q -o none -a "$1" -f - 2>/dev/null`, anchor, rules)
}

// answered reports whether a new connection is answered, as far as the rules that are loaded decide.
func (g *gambler) answered() bool {
	g.script("/sbin/pfctl -q -e 2>/dev/null; /sbin/pfctl -q -F states 2>/dev/null")
	return g.mac.Reaches("en0", g.client, g.server, "tcp", 22)
}

func (g *gambler) errand(confirm time.Duration) errand {
	return errand{Connect: 10 * time.Second, Confirm: confirm}.to(g.mac, g.mac.Addr())
}

// deal loads random rules that let us in, and returns a survey of what is then and a host that has a connection. Everything else on the
// Mac is as at first.
func (g *gambler) deal(ctx context.Context) (h *remote.Host, s *Survey, rules string, err error) {
	for range 1000 {
		rules = randomRules(g.random, false)
		g.load(mine, "")
		g.load("com.apple/100.before", rules)
		g.script(`/bin/rm -f "$2"; /sbin/pfctl -q -t friends -T replace "$1" 2>/dev/null`,
			[]string{"198.51.100.0/25", "203.0.113.9"}[g.random.IntN(2)], FileOf(mine))
		if !g.answered() {
			continue
		}
		// A conversation may be answered and cut later. By a forecast, since waiting for nothing would take long; if that is wrong, the survey fails.
		g.script("/sbin/pfctl -q -d 2>/dev/null")
		h, err = g.errand(0).host()
		if err != nil {
			return nil, nil, "", err
		}
		s, err = Look(ctx, h)
		h.Close()
		g.script("/sbin/pfctl -q -e 2>/dev/null; /sbin/pfctl -q -F states 2>/dev/null")
		if err != nil {
			return nil, nil, "", err
		}
		path, ok := s.path()
		path.SrcPort = clientPorts
		if was := s.world().kernel.Converse(s.world().host, path); !ok || was.Cut != nil || was.Unsure != nil {
			continue
		}
		h.Forget()
		s, err = Look(ctx, h)
		return h, s, rules, err
	}
	return nil, nil, "", errors.New("no rules let us in")
}

// play has random rules judged and applied, and looks at what becomes of the Mac.
func (g *gambler) play(ctx context.Context) (d draw, about string, err error) {
	h, s, before, err := g.deal(ctx)
	if err != nil {
		return d, before, fmt.Errorf("before: %w", err)
	}
	defer h.Close()
	rules := randomRules(g.random, true)
	about = fmt.Sprintf("the first anchor:\n%sthe second anchor:\n%s", before, rules)
	want, err := Check(ctx, h, mine, rules)
	if err == nil && want.Err != nil {
		err = want.Err
	}
	if err != nil {
		return d, about, fmt.Errorf("they cannot be loaded: %w", err)
	}
	later := false // cut after the answer
	for _, f := range new(Planned).Judge(s, Intent{Anchor: mine, Text: rules, Want: want, Forced: true}) {
		if strings.HasPrefix(f.What, "a new SSH") {
			d.cut, d.doubted = f.Kind == Cut, f.Kind == Doubt
			later = d.cut && f.Conversation.Answer
		}
	}

	// Who is sure to be cut off need not wait for long; who is not has all the time.
	confirm := 10 * time.Minute
	if d.cut {
		confirm = 20 * time.Second
	}
	e := g.errand(confirm)
	e.Name, e.Rules = mine, rules
	d.err = e.run(ctx)
	var undone *watchdog.UndoneError
	if errors.As(d.err, &undone) && (!undone.Unconfirmed() || undone.Left) || d.err != nil && undone == nil {
		return d, about, d.err
	}
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if left, _ := remains(g.mac); left == "" {
			break
		}
	}
	fresh, err := g.errand(0).host()
	if err != nil {
		return d, about, err
	}
	defer fresh.Close()
	after, err := look(ctx, fresh)
	if err != nil {
		return d, about, fmt.Errorf("it cannot be reached afterwards: %w", err)
	}
	if a := after.Anchor(mine); d.err == nil && (a.Text != rules || !a.holds(want)) || d.err != nil && !a.Gone() {
		return d, about, fmt.Errorf("after %w: on disk %q, loaded %q", d.err, a.Text, a.Loaded)
	}
	if d.cut {
		// Not only was it too slow.
		if g.load(mine, rules); g.answered() && !later {
			return d, about, errors.New("it is answered, though it was foretold to be cut")
		}
	}
	return d, about, nil
}

// TestRandom applies random rules, many of which cut off whoever does that. Afterwards the Mac can be reached, and has all of them or none;
// and what was foretold for certain of a new connection is what the simulated Mac did.
func TestRandom(t *testing.T) {
	t.Parallel()
	count := 60
	if os.Getenv(sweepVar) == "all" {
		count = 1000
	}
	draws := make([]draw, count)
	cases := make(chan int)
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			g := &gambler{client: netip.MustParseAddr("198.51.100.7"), server: netip.MustParseAddr("192.168.1.10")}
			g.mac = macsim.Start(t, macsim.Mac{
				Second: 100 * time.Millisecond, Client: netip.AddrPortFrom(g.client, 50000), Server: netip.AddrPortFrom(g.server, 22),
			})
			for n := range cases {
				g.random = rand.New(rand.NewPCG(4, uint64(n)))
				d, about, err := g.play(t.Context())
				switch draws[n] = d; {
				case err != nil:
					t.Errorf("%d: %v\n%s", n, err, about)
				case d.cut && d.err == nil:
					t.Errorf("%d: foretold to be cut, and confirmed:\n%s", n, about)
				case !d.cut && !d.doubted && d.err != nil:
					t.Errorf("%d: not foretold: %v\n%s", n, d.err, about)
				}
			}
		})
	}
	for n := range count {
		cases <- n
	}
	close(cases)
	work.Wait()
	var cut, passed, doubted, undone int
	for _, d := range draws {
		switch {
		case d.doubted && d.err != nil:
			undone++
			fallthrough
		case d.doubted:
			doubted++
		case d.cut:
			cut++
		default:
			passed++
		}
	}
	t.Logf("%d random rule sets: %d foretold to cut the way in, and undone by the Mac; %d foretold to let it be, and confirmed; %d uncertain, of which %d were undone",
		count, cut, passed, doubted, undone)
	if third := count / 3; cut < third || passed < third || doubted == 0 {
		t.Error("this says too little")
	}
}
