package pfctl

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

// surveyed is a survey by hand: of a Mac with a cable and Tailscale, that we reach at the address.
type surveyed struct {
	reached  string            // the address that our connection came to; "192.168.1.10" if ""
	conf     string            // added to macOS's own /etc/pf.conf
	main     string            // added to the main ruleset that is loaded
	anchors  map[string]string // what is loaded, by anchor
	tables   map[string]string // addresses, by "TABLE ANCHOR"
	files    map[string]string // by anchor; each loads to itself
	disabled bool
	silent   bool // about its interfaces
}

const stockMain = "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n"

func (m surveyed) survey() *Survey {
	var records []remote.Record
	say := func(key, args, body string) {
		records = append(records, remote.Record{Key: key, Args: args, Body: []byte(body)})
	}
	status := "Status: Enabled for 1 days"
	if m.disabled {
		status = "Status: Disabled"
	}
	say("info", "", status)
	say("main", "filter", stockMain+m.main)
	conf := "scrub-anchor \"com.apple/*\"\nanchor \"com.apple/*\"\n" + m.conf
	say("conf", "", conf)
	say("conf-loads", "", stockMain+m.conf)
	if m.reached == "" {
		m.reached = "192.168.1.10"
	}
	say("path", map[bool]string{true: "unknown", false: "198.51.100.7 50123 " + m.reached + " 22"}[m.reached == "unknown"], "")
	if !m.silent {
		say("interfaces", "", `lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
	inet 127.0.0.1 netmask 0xff000000
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	inet 192.168.1.10 netmask 0xffffff00 broadcast 192.168.1.255
bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
	inet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255
utun3: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280
	inet 100.64.0.5 --> 100.64.0.5 netmask 0xffffffff
`)
	}
	say("routes", "", "Internet:\ndefault 192.168.1.1 UGScg en0\ndefault link#9 UCSIg bridge100 !\n")
	for name, rules := range m.anchors {
		say("filter", name, rules)
	}
	for name, entries := range m.tables {
		say("table", name, entries)
	}
	for name, text := range m.files {
		say("file", "100644 0:0 "+FileOf(name), text)
		say("loads", FileOf(name), text)
	}
	s := parseSurvey(records)
	s.connect(sysfacts.ParseNetwork(records))
	return s
}

// intent is what a text loads to, as the Mac's pfctl would say it; users are numbers there.
func intent(t *testing.T, anchor, text string) Intent {
	t.Helper()
	users := strings.NewReplacer("user alice", "user 501")
	f, err := pf.Parse("", []byte(users.Replace(text)), pf.Options{Anchor: anchor})
	if err != nil {
		t.Fatal(err)
	}
	return Intent{Anchor: anchor, Text: text, Want: Rules{Lines: f.Lines(), Exact: true}}
}

func flow(t *testing.T, text string) []pf.Flow {
	t.Helper()
	f, err := pf.ParseFlow(text)
	if err != nil {
		t.Fatal(err)
	}
	return []pf.Flow{f}
}

// said are findings in short: "cut WHAT by PLACE: LINE", without the Mac's needs of the same kind that follow.
func said(findings []Finding) []string {
	kinds := map[Kind]string{Cut: "cut", Leak: "leak", Stall: "stall", Doubt: "doubt"}
	var all []string
	for _, f := range findings {
		line := kinds[f.Kind] + " " + f.What
		switch {
		case f.Place != "":
			line += " by " + f.Place + ": " + f.Line
		case f.Conversation == nil:
			line += f.Why
		}
		all = append(all, line)
	}
	return all
}

const mine = "com.apple/250.mine"

// quiet lets the Mac have all that it asks for, so that a test is about something else.
const quiet = "pass out quick on en0 all\n"

func TestJudge(t *testing.T) {
	const (
		newSSH  = "a new SSH connection, the way this one came"
		openSSH = "the SSH connection that is open now"
		rules   = ` of the rules of anchor "com.apple/250.mine": `
	)
	asks := func(suffix string, names ...string) []string {
		var all []string
		for _, n := range names {
			all = append(all, "cut "+n+", over en0 by "+suffix)
		}
		return all
	}
	udps := []string{"DNS from the router", "DNS from a public resolver", "the time from Apple (NTP)"}
	for name, test := range map[string]struct {
		mac     surveyed
		intents []Intent // each of a resource of its own, but for those without an anchor after one
		want    []string // against the last
	}{
		"way-in": {
			intents: []Intent{intent(t, mine, quiet+"block in on en0 proto tcp to any port 22\n")},
			want:    []string{"cut " + newSSH + " by line 2" + rules + "block in on en0 proto tcp to any port 22"},
		},
		"another-way-in": {
			mac:     surveyed{reached: "100.64.0.5"},
			intents: []Intent{intent(t, mine, quiet+"block in on en0 proto tcp to any port 22\n")},
		},
		"answers": { // the story: what the Mac asks for has no state
			mac:     surveyed{reached: "100.64.0.5"},
			intents: []Intent{intent(t, mine, "block in on en0 proto udp all\npass in on en0 proto udp to any port 41641\n")},
			want:    asks("line 1"+rules+"block in on en0 proto udp all", udps...),
		},
		"wireguard": {
			mac:     surveyed{reached: "100.64.0.5"},
			intents: []Intent{intent(t, mine, "pass out on en0 all\nblock out on en0 proto udp from any port 41641\n")},
			want:    []string{"cut the Mac's peers in the tailnet (WireGuard), through which SSH may come, over en0 by line 2" + rules + "block out on en0 proto udp from any port 41641"},
		},
		"story": {
			mac: surveyed{reached: "100.64.0.5"},
			intents: []Intent{intent(t, mine, "pass out on en0 all keep state\nblock drop in on en0 proto tcp all\n"+
				"block drop in on en0 proto udp all\npass in on en0 proto udp from any to any port 41641\n")},
		},
		"cut-before": {
			mac:     surveyed{anchors: map[string]string{"com.apple/100.vpn": "block drop quick all"}},
			intents: []Intent{intent(t, mine, "block all\n")},
		},
		"off-all-the-same": {
			mac:     surveyed{disabled: true},
			intents: []Intent{intent(t, mine, quiet+"block in on en0 proto tcp to any port 22\n")},
			want:    []string{"cut " + newSSH + " by line 2" + rules + "block in on en0 proto tcp to any port 22"},
		},
		"skipped": {
			mac:     surveyed{conf: "set skip on en0\n"},
			intents: []Intent{intent(t, mine, "block all\n")},
		},
		"table": {
			mac:     surveyed{tables: map[string]string{"bad ": "   198.51.100.0/24\n  !198.51.100.9\n"}},
			intents: []Intent{intent(t, mine, quiet+"block in from <bad>\n")},
			want:    []string{"cut " + newSSH + " by line 2" + rules + "block in from <bad>"},
		},
		"table-exception": {
			mac:     surveyed{tables: map[string]string{"bad ": "   198.51.100.0/24\n  !198.51.100.7\n"}},
			intents: []Intent{intent(t, mine, quiet+"block in from <bad>\n")},
		},
		"other-brings-it": {
			intents: []Intent{
				intent(t, "com.apple/250.ways", "pass in quick proto tcp to any port 22\n"+quiet),
				intent(t, "com.apple/260.walls", "block all\n"),
			},
		},
		"other-brings-it-later": {
			intents: []Intent{
				intent(t, "com.apple/260.walls", quiet+"block in all\n"),
				intent(t, "com.apple/250.ways", "pass in quick proto tcp to any port 22\n"),
			},
		},
		"no-client-has-such-a-port": { // that is the source port of
			intents: []Intent{intent(t, mine, "block in on utun3 proto { tcp udp } to any port { 22 445 5900 8080 }\n"+
				"block out proto tcp to any port { 25 8000:9000 }\nblock in proto tcp from any to any port 80\n")},
		},
		"removal": {
			mac: surveyed{anchors: map[string]string{
				mine:                  "pass in quick proto tcp from any to any port = 22 flags S/SA keep state",
				"com.apple/260.walls": "pass out all flags S/SA keep state\nblock drop in all",
			}},
			intents: []Intent{{Anchor: mine, Gone: true}},
			want:    []string{"cut " + newSSH + ` by anchor "com.apple/260.walls": block drop in all`},
		},
		"removal-with-lines": { // of what stays as it is
			mac: surveyed{anchors: map[string]string{
				mine:                  "pass in quick proto tcp from any to any port = 22 flags S/SA keep state",
				"com.apple/260.walls": "pass out all flags S/SA keep state\nblock drop in all",
			}},
			intents: []Intent{intent(t, "com.apple/260.walls", "# Nobody.\npass out all\nblock in all\n"), {Anchor: mine, Gone: true}},
			want:    []string{"cut " + newSSH + ` by line 3 of the rules of anchor "com.apple/260.walls": block in all`},
		},
		"removal-of-both": {
			mac: surveyed{anchors: map[string]string{
				mine:                  "pass in quick proto tcp from any to any port = 22 flags S/SA keep state",
				"com.apple/260.walls": "pass out all flags S/SA keep state\nblock drop in all",
			}},
			intents: []Intent{{Anchor: "com.apple/260.walls", Gone: true}, {Anchor: mine, Gone: true}},
		},
		"enabling": {
			mac:     surveyed{disabled: true, main: "pass out all flags S/SA keep state\nblock drop in proto tcp all\n"},
			intents: []Intent{{}},
			want: []string{
				"cut " + newSSH + " by the main ruleset: block drop in proto tcp all",
				"stall " + openSSH + " by the main ruleset: block drop in proto tcp all",
			},
		},
		"enabling-stalls": {
			mac: surveyed{disabled: true, main: "block drop in proto tcp all\npass out all flags S/SA keep state\n" +
				"pass in proto tcp from any to any port = 22 flags S/SA keep state\n"},
			intents: []Intent{{}},
			want:    []string{"stall " + openSSH + " by the main ruleset: block drop in proto tcp all"},
		},
		"enabling-picks-up": {
			mac: surveyed{disabled: true, main: "block drop in proto tcp all\npass out all flags S/SA keep state\n" +
				"pass in proto tcp from any to any port = 22 flags any keep state\n"},
			intents: []Intent{{}},
		},
		"enabled-already": {
			mac:     surveyed{main: "block drop in proto tcp all\n"},
			intents: []Intent{{}},
		},
		"rules-after-enabling": {
			mac:     surveyed{disabled: true},
			intents: []Intent{{}, intent(t, mine, quiet+"pass in proto tcp to any port 22\nblock in proto tcp to any port 22 flags A/SA\n")},
			want:    []string{"stall " + openSSH + " by line 3" + rules + "block in proto tcp to any port 22 flags A/SA"},
		},
		"new-call": { // the main ruleset is loaded anew, and calls the anchor last
			mac:     surveyed{conf: "pass out all\npass in proto tcp to any port 22\n", main: "pass out all flags S/SA keep state\n"},
			intents: []Intent{intent(t, "com.acme", "block in proto tcp to any port 22\n")},
			want:    []string{"cut " + newSSH + ` by line 1 of the rules of anchor "com.acme": block in proto tcp to any port 22`},
		},
		"new-call-loses": {
			mac:     surveyed{conf: "pass out all\nblock in all\n", main: "pass out all flags S/SA keep state\nblock drop in all\npass in all flags S/SA keep state\n"},
			intents: []Intent{intent(t, "com.acme", "pass in proto udp to any port 5353\n")},
			want:    []string{"cut " + newSSH + " by line 4 of /etc/pf.conf: block in all"},
		},
		"foreign-load": {
			mac:     surveyed{conf: "pass out quick all\nload anchor \"other\" from \"/etc/pf.anchors/other\"\nanchor \"other\"\n", files: map[string]string{"other": "block in all\n"}},
			intents: []Intent{intent(t, "com.acme", "pass in proto udp to any port 5353\n")},
			want:    []string{"cut " + newSSH + ` by anchor "other": block drop in all`},
		},
		"user": {
			intents: []Intent{intent(t, mine, quiet+"block in proto tcp to any port 22 user alice\n")},
			want:    []string{"doubt " + newSSH},
		},
		"user-of-others": {
			intents: []Intent{intent(t, mine, quiet+"block in proto tcp to any port 22\npass out user alice\n")},
			want:    []string{"cut " + newSSH + ` by anchor "com.apple/250.mine": block drop in proto tcp from any to any port = 22`},
		},
		"unreadable-loaded": {
			mac:     surveyed{anchors: map[string]string{"com.apple/200.new": "pass in all flags S/SA keep state\nshield all from harm"}},
			intents: []Intent{intent(t, mine, "block all\n")},
			want:    []string{`doubt A rule that is loaded in anchor "com.apple/200.new" cannot be read here: shield all from harm (syntax error)`},
		},
		"unreadable-replaced": {
			mac:     surveyed{anchors: map[string]string{mine: "shield all from harm"}},
			intents: []Intent{intent(t, mine, quiet+"block in proto tcp to any port 22\n")},
			want:    []string{"cut " + newSSH + " by line 2" + rules + "block in proto tcp to any port 22"},
		},
		"unreadable-conf": {
			mac:     surveyed{conf: "table <bad> persist file \"/etc/bad\"\n"},
			intents: []Intent{intent(t, "com.acme", "pass in all\n")},
			want:    []string{`doubt A line of /etc/pf.conf cannot be read here: table <bad> persist file "/etc/bad" (cannot load "/etc/bad": No such file or directory)`},
		},
		"unread-file": {
			mac:     surveyed{conf: "load anchor \"other\" from \"/opt/other.conf\"\nanchor \"other\"\n"},
			intents: []Intent{intent(t, "com.acme", "pass in all\n")},
			want:    []string{"doubt Line 3 of /etc/pf.conf loads a file that was not read: /opt/other.conf"},
		},
		"automatic-table": {
			mac:     surveyed{main: "block drop in from <__automatic_1f_0> to any\n"},
			intents: []Intent{intent(t, mine, "pass in all\n")},
			want:    []string{"doubt What is in table <__automatic_1f_0> of the main ruleset is not known."},
		},
		"silent-ifconfig": {
			mac:     surveyed{silent: true},
			intents: []Intent{intent(t, mine, "block all\n")},
			want:    []string{"doubt The Mac's interfaces and their addresses are not known."},
		},
		"unknown-path": {
			mac:     surveyed{reached: "unknown"},
			intents: []Intent{intent(t, mine, quiet)},
			want: []string{"doubt The Mac does not say over which of its addresses this connection came in, so it is not known whether a new one " +
				"would be cut."},
		},
		"must-pass": {
			intents: []Intent{{
				Anchor: mine, Text: quiet + "block in proto udp all\n", Want: intent(t, mine, quiet+"block in proto udp all\n").Want,
				Pass: flow(t, "in on en0 proto udp from any to any port 5353"), Demands: true,
			}},
			want: []string{`cut a flow in must_pass of anchor "com.apple/250.mine" by line 2` + rules + "block in proto udp all"},
		},
		"must-block": {
			intents: []Intent{{
				Anchor: mine, Text: quiet, Want: intent(t, mine, quiet).Want,
				Block: flow(t, "in on en0 proto tcp from any to any port 80"), Demands: true,
			}},
			want: []string{`leak a flow in must_block of anchor "com.apple/250.mine"`},
		},
		"must-of-nothing": {
			intents: []Intent{{Anchor: mine, Text: quiet, Want: intent(t, mine, quiet).Want, Pass: flow(t, "in inet6 proto tcp to any port 80"), Demands: true}},
			want: []string{`doubt a flow in must_pass of anchor "com.apple/250.mine"The Mac can have no such conversation, with the interfaces and ` +
				"addresses that it has now."},
		},
		"must-of-others": {
			intents: []Intent{
				{Anchor: mine, Want: Rules{Exact: true}, Pass: flow(t, "in on en0 proto tcp from any to any port 80"), Block: flow(t, "in on en0 proto tcp from any to any port 81")},
				intent(t, "com.apple/260.walls", quiet+"block in proto tcp to any port 80\n"),
			},
			want: []string{`cut a flow in must_pass of anchor "com.apple/250.mine" by line 2 of the rules of anchor "com.apple/260.walls": block in proto tcp to any port 80`},
		},
		"must-once-others-change": {
			intents: []Intent{
				intent(t, "com.apple/260.walls", quiet+"block in proto tcp to any port 80\n"),
				{Anchor: mine, Want: Rules{Exact: true}, Pass: flow(t, "in on en0 proto tcp from any to any port 80")},
			},
			want: []string{`cut a flow in must_pass of anchor "com.apple/250.mine" by line 2 of the rules of anchor "com.apple/260.walls": block in proto tcp to any port 80`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p Planned
			var got []string
			s := test.mac.survey()
			for _, in := range test.intents {
				got = said(p.Judge(s, in))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What is refused is not planned; what is forced is. What is planned again counts once.
func TestJudgeRemembers(t *testing.T) {
	s := surveyed{}.survey()
	walls := intent(t, "com.apple/260.walls", quiet+"block in all\n")
	other := intent(t, mine, quiet+"pass in proto udp to any port 5353\n")
	for name, test := range map[string]struct {
		change func(*Intent)
		want   int // intents that are planned then
	}{
		"refused":  {func(*Intent) {}, 1},
		"forced":   {func(in *Intent) { in.Forced = true }, 2},
		"changed":  {func(in *Intent) { *in = other }, 1},
		"harmless": {func(in *Intent) { *in = intent(t, "com.apple/260.walls", "pass in all\n") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var p Planned
			p.Judge(s, other)
			second := walls
			test.change(&second)
			p.Judge(s, second)
			if len(p.intents) != test.want {
				t.Errorf("%d intents, want %d", len(p.intents), test.want)
			}
			if got := said(p.Judge(s, other)); len(got) > 0 {
				t.Errorf("the first, planned again: %q", got)
			}
		})
	}
}

// A plan without a change evaluates nothing.
func TestJudgeNothing(t *testing.T) {
	m := surveyed{anchors: map[string]string{mine: "block drop all"}, files: map[string]string{mine: "block drop all\n"}}
	s := m.survey()
	same := Intent{Anchor: mine, Text: "block drop all\n", Want: Rules{Lines: []string{"block drop all"}, Exact: true}, Pass: flow(t, "in proto tcp to any port 22")}
	var p Planned
	if got := p.Judge(s, same); len(got) > 0 || s.made != nil {
		t.Errorf("it was judged: %q", said(got))
	}
	same.Demands = true
	if got := p.Judge(s, same); len(got) != 1 || got[0].Kind != Cut {
		t.Errorf("new demands: %q", said(got))
	}
}

// Many resources are planned at once.
func TestJudgeAtOnce(t *testing.T) {
	s := surveyed{}.survey()
	var p Planned
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			p.Judge(s, intent(t, fmt.Sprintf("com.apple/%d.x", i), quiet+fmt.Sprintf("block in proto tcp to any port %d\n", 8000+i)))
		})
	}
	all.Wait()
	if len(p.intents) != 20 {
		t.Errorf("%d intents, want 20", len(p.intents))
	}
	if got := said(p.Judge(s, intent(t, mine, "block in proto tcp to any port 22\n"))); len(got) != 1 {
		t.Errorf("after 20 others: %q", got)
	}
}

// The link-local address of one interface may be that of another.
func TestPathOnLinkLocal(t *testing.T) {
	s := new(Survey)
	s.connect(sysfacts.ParseNetwork([]remote.Record{
		{Key: "path", Args: "fe80::7%en1 50123 fe80::1%en1 22"},
		{Key: "interfaces", Body: []byte("en0: flags=1<UP> mtu 1500\n\tinet6 fe80::1%en0 prefixlen 64\nen1: flags=1<UP> mtu 1500\n\tinet6 fe80::1%en1 prefixlen 64\n")},
	}))
	f, ok := s.path()
	if got, want := f.String(), "in on en1 proto tcp from fe80::7 port 50123 to fe80::1 port 22"; !ok || got != want {
		t.Errorf("got %v %s, want %s", ok, got, want)
	}
}
