package macsim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const altq = "No ALTQ support in kernel\nALTQ related functions disabled\n"

// A pfctlStep is one shell line on a Mac and what it must print.
type pfctlStep struct {
	run            string
	stdout, stderr string
	exit           int
}

// runSteps runs lines in a root shell. TOKEN in what is wanted stands for the token that was printed last.
func runSteps(t *testing.T, m *Mac, steps []pfctlStep) {
	t.Helper()
	token := "TOKEN"
	for _, s := range steps {
		line := strings.ReplaceAll(s.run, "TOKEN", token)
		stdout, stderr, exit := m.Run(t.Context(), line)
		if _, after, ok := strings.Cut(stderr, "Token : "); ok {
			token = strings.TrimSpace(after)
		}
		hide := func(text string) string { return strings.ReplaceAll(text, token, "TOKEN") }
		if diff := cmp.Diff(s.stdout, hide(stdout)); diff != "" {
			t.Errorf("%s: stdout (-want +got):\n%s", s.run, diff)
		}
		if diff := cmp.Diff(s.stderr, hide(stderr)); diff != "" {
			t.Errorf("%s: stderr (-want +got):\n%s", s.run, diff)
		}
		if exit != s.exit {
			t.Errorf("%s: exit %d, want %d", s.run, exit, s.exit)
		}
	}
}

func pfMac(t *testing.T) *Mac {
	t.Helper()
	m, err := New(Mac{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestPFAtBoot(t *testing.T) {
	m := pfMac(t)
	want := `disabled, 0 references
main:
	scrub-anchor "com.apple/*" all fragment reassemble
	anchor "com.apple/*" all
	nat-anchor "com.apple/*" all
	rdr-anchor "com.apple/*" all
	dummynet-anchor "com.apple/*" all
com.apple:
	anchor "200.AirDrop/*" all
	anchor "250.ApplicationFirewall/*" all
`
	if diff := cmp.Diff(want, m.pf.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -s Anchors", stdout: "  com.apple\n"},
		{run: "pfctl -q -v -s Anchors", stdout: "  com.apple\n  com.apple/200.AirDrop\n  com.apple/250.ApplicationFirewall\n"},
		{run: "pfctl -q -s info | head -1", stdout: "Status: Disabled                              Debug: Urgent\n"},
	})
}

func TestPFEnabling(t *testing.T) {
	m := pfMac(t)
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -s References", stdout: "No pf starter references held\n"},
		{run: "pfctl -d", stderr: altq + "pfctl: pf not enabled\n", exit: 1},
		{run: "pfctl -X 5", stderr: altq + "pfctl: pf not enabled\n", exit: 1},
		{run: "pfctl -E", stderr: altq + "pf enabled\nToken : TOKEN\n"},
		{run: "pfctl -e", stderr: altq + "pfctl: pf already enabled\n", exit: 1},
		{run: "pfctl -X 5", stderr: altq + "pfctl: pf: token invalid\n", exit: 1},
		{run: "pfctl -X abc 2>&1 | head -1", stdout: "pfctl: Invalid token value 'abc'\n"},
		{run: "pfctl -X TOKEN", stderr: altq + "pf disabled\n"},
		{run: "pfctl -e", stderr: altq + "pf enabled\n"},
		{run: "pfctl -E", stderr: altq + "pf enabled\nToken : TOKEN\n"},
		{
			run:    "pfctl -X TOKEN",
			stderr: altq + "disable request successful. 1 more pf enable reference(s) remaining, pf still enabled.\n",
		},
		{run: "pfctl -E", stderr: altq + "pf enabled\nToken : TOKEN\n"},
		{run: "pfctl -q -s info | cut -c1-15 | head -1", stdout: "Status: Enabled\n"},
		{run: "pfctl -d", stderr: altq + "pf disabled\n"},
		{run: "pfctl -q -s References", stdout: "No pf starter references held\n"},
	})
}

func TestPFReferences(t *testing.T) {
	m := pfMac(t)
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -E", stderr: "Token : TOKEN\n"},
		{
			run:    "pfctl -q -s References | sed 's/^[0-9][0-9]* */PID /'",
			stdout: "TOKENS:\nPID      Process Name                 TOKEN                    TIMESTAMP\nPID pfctl                        TOKEN      0 days 00:00:00\n",
		},
	})
}

func TestPFLoad(t *testing.T) {
	m := pfMac(t)
	story := "pass out on en0 all keep state\nblock in on en0 proto tcp all\npass in on en0 proto udp from any to any port 41641\n"
	shown := "pass out on en0 all flags S/SA keep state\nblock drop in on en0 proto tcp all\n" +
		"pass in on en0 proto udp from any to any port = 41641 keep state\n"
	runSteps(t, m, []pfctlStep{
		{run: "printf '" + strings.ReplaceAll(story, "\n", `\n`) + "' > /etc/pf.anchors/story"},
		{run: "pfctl -n -f /etc/pf.anchors/story", stderr: pfctlBanner},
		{run: "pfctl -nvf /etc/pf.anchors/story", stdout: shown, stderr: pfctlBanner},
		{run: "cd /etc/pf.anchors && pfctl -a com.apple/250.story -f story", stderr: pfctlBanner + altq},
		{run: "pfctl -q -a com.apple/250.story -sr", stdout: shown},
		{run: "pfctl -q -a com.apple/250.story -sn"},
		{run: "pfctl -q -a com.apple -s Anchors", stdout: "  com.apple/200.AirDrop\n  com.apple/250.ApplicationFirewall\n  com.apple/250.story\n"},
		{run: "pfctl -q -a nowhere -sr", stderr: "pfctl: DIOCGETRULES: Invalid argument\n"},
		{run: "pfctl -q -a nowhere -s Anchors", stderr: "Anchor 'nowhere' not found.\n"},
		{run: "printf 'pass all\\nblock prot tcp\\nblock all' | pfctl -q -a com.apple/250.story -f -", stderr: pfctlBanner +
			"stdin:2: syntax error\nstdin:3: syntax error\npfctl: Syntax error in config file: pf rules not loaded\n", exit: 1},
		{run: "pfctl -q -a com.apple/250.story -sr", stdout: shown},
		{run: "pfctl -a com.apple/250.story -F all", stderr: altq + "rules cleared\nnat cleared\ndummynet cleared\n0 tables deleted.\n"},
		{run: "pfctl -q -a com.apple/250.story -sr"},
		{run: "pfctl -q -a com.apple -s Anchors", stdout: "  com.apple/200.AirDrop\n  com.apple/250.ApplicationFirewall\n  com.apple/250.story\n"},
		{run: "pfctl -q -a _hidden -f /etc/pf.anchors/story", stderr: pfctlBanner +
			"pfctl: anchor names beginning with '_' cannot be modified from the command line\n", exit: 1},
		{run: "pfctl -q -a x -f /etc/none", stderr: pfctlBanner + "pfctl: /etc/none: No such file or directory\n" +
			"pfctl: cannot open the main config file!: No such file or directory\n" +
			"pfctl: Syntax error in config file: pf rules not loaded\n", exit: 1},
		{run: "pfctl -F all", stderr: altq + "rules cleared\nnat cleared\ndummynet cleared\n0 tables deleted.\n0 states cleared\n" +
			"source tracking entries cleared\npf: statistics cleared\npf: interface flags reset\n"},
		{run: "pfctl -q -sr"},
		{run: "pfctl -q -f /etc/pf.conf", stderr: pfctlBanner},
		{run: "pfctl -q -sr", stdout: "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n"},
		{run: "pfctl -q -sn", stdout: "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n"},
		{run: "pfctl -q -s dummynet", stdout: "dummynet-anchor \"com.apple/*\" all\n"},
		{
			run:    "pfctl -q -a 'com.apple/*' -sr",
			stdout: "anchor \"*\" all {\n}\nanchor \"*\" all {\n}\n",
			stderr: "pfctl: DIOCGETRULES: Invalid argument\npfctl: DIOCGETRULES: Invalid argument\n",
		},
	})
}

// TestPFMainLoad loads a main file whose second file is bad: nothing changes.
func TestPFMainLoad(t *testing.T) {
	m := pfMac(t)
	before := m.pf.text()
	runSteps(t, m, []pfctlStep{
		{run: "printf 'block all\\nanchor \"x\"\\nload anchor \"x\" from \"/etc/x\"\\n' > /etc/main; printf 'pass quik\\n' > /etc/x"},
		{run: "pfctl -q -f /etc/main", stderr: pfctlBanner + "/etc/x:1: syntax error\n" +
			"pfctl: Syntax error in config file: pf rules not loaded\npfctl: load anchors\n", exit: 1},
	})
	if diff := cmp.Diff(before, m.pf.text()); diff != "" {
		t.Errorf("pf changed (-want +got):\n%s", diff)
	}
	runSteps(t, m, []pfctlStep{
		{run: "printf 'pass quick\\n' > /etc/x"},
		{
			run: "pfctl -nvf /etc/main", stdout: "block drop all\nanchor \"x\" all\npass quick all flags S/SA keep state\n",
			stderr: pfctlBanner + "\nLoading anchor x from /etc/x\n",
		},
		{run: "pfctl -q -f /etc/main", stderr: pfctlBanner},
		{run: "pfctl -q -a x -sr", stdout: "pass quick all flags S/SA keep state\n"},
		{run: "printf 'pass quick\\npass quick\\n' > /etc/x; pfctl -q -f /etc/main; pfctl -q -a x -sr", stdout: "pass quick all flags S/SA keep state\n", stderr: pfctlBanner},
		{run: "echo 'set ruleset-optimization none' | cat - /etc/main > /etc/all; pfctl -q -f /etc/all", stderr: pfctlBanner},
		{run: "pfctl -q -a x -sr", stdout: "pass quick all flags S/SA keep state\npass quick all flags S/SA keep state\n"},
	})
}

func TestPFTables(t *testing.T) {
	m := pfMac(t)
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -t bad -T show", stderr: "pfctl: Table does not exist.\n", exit: 255},
		{run: "pfctl -q -a no -t bad -T show", stderr: "pfctl: Anchor or Ruleset does not exist.\n", exit: 255},
		{run: "pfctl -t bad -T add 192.0.2.1", stderr: altq + "1 table created.\n1/1 addresses added.\n"},
		{run: "pfctl -t bad -T add 192.0.2.1", stderr: altq + "0/1 addresses added.\n"},
		{run: "pfctl -q -t bad -T add 10/8 !10.1.0.0/16 2001:db8::1"},
		{run: "pfctl -q -t bad -T show", stdout: "   10.0.0.0/8\n  !10.1.0.0/16\n   192.0.2.1\n   2001:db8::1\n"},
		{run: "pfctl -t bad -T test 10.2.0.1 10.1.0.1", stderr: altq + "1/2 addresses match.\n", exit: 2},
		{run: "pfctl -t bad -T delete 192.0.2.1", stderr: altq + "1/1 addresses deleted.\n"},
		{run: "pfctl -t bad -T replace 10/8 1.2.3.4", stderr: altq + "1 addresses added.\n2 addresses deleted.\n"},
		{run: "pfctl -t bad -T replace 10/8 1.2.3.4", stderr: altq + "no changes.\n"},
		{run: "pfctl -t bad -T zero", stderr: altq + "1 table/stats cleared.\n"},
		{run: "pfctl -t bad -T expire 1000", stderr: altq + "0/0 addresses expired.\n"},
		{run: "pfctl -q -s Tables", stdout: "bad\n"},
		{run: "pfctl -q -v -s Tables", stdout: "-pa---\tbad\n"},
		{run: "printf 'table <bad> const { 1.1.1.1 }\\nblock from <bad>\\n' | pfctl -q -a x -f -", stderr: pfctlBanner +
			"pfctl: warning: namespace collision with <bad> global table.\n"},
		{run: "pfctl -q -a x -v -s Tables", stdout: "c-a-r-\tbad\tx\n"},
		{run: "pfctl -q -a x -t bad -T add 2.2.2.2", stderr: "pfctl: Operation not permitted.\n", exit: 255},
		{run: "pfctl -n -t bad -T flush", stderr: "2 addresses deleted (dummy).\n"},
		{run: "pfctl -t bad -T flush", stderr: altq + "2 addresses deleted.\n"},
		{run: "pfctl -t bad -T kill", stderr: altq + "1 table deleted.\n"},
		{run: "printf 'pass\\n' | pfctl -q -a x -f -", stderr: pfctlBanner},
		{run: "pfctl -q -a x -s Tables"},
	})
}

// TestPFTableFiles saves tables and brings them back, as somebody does who undoes a load.
func TestPFTableFiles(t *testing.T) {
	m := pfMac(t)
	const show = "pfctl -q -a x -t bad -T show"
	const text = "   10.0.0.0/8\n  !10.1.0.0/16\n   192.0.2.1\n   2001:db8::/32\n"
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -a x -t bad -T add 10/8 !10.1/16 192.0.2.1 2001:db8::/32", stderr: altq + "1 table created.\n4/4 addresses added.\n"},
		{run: show + " >/tmp/bad; cat /tmp/bad", stdout: text},
		{run: "pfctl -q -a x -t bad -T kill; " + show, stderr: "pfctl: Table does not exist.\n", exit: 255},
		{run: "pfctl -a x -t bad -T replace -f /tmp/bad", stderr: pfctlBanner + altq + "1 table created.\n4 addresses added.\n"},
		{run: show, stdout: text},
		{run: "pfctl -q -a x -t bad -T flush; pfctl -q -a x -t bad -T replace -f - </tmp/bad; " + show, stdout: text, stderr: pfctlBanner},
		{run: ": >/tmp/none; pfctl -q -a x -t bad -T replace -f /tmp/none; " + show, stderr: pfctlBanner},
		{run: "pfctl -a x -t bad -T replace -f /tmp/missing", stderr: pfctlBanner + altq + "pfctl: cannot load /tmp/missing: No such file or directory\n", exit: 255},
		{run: "printf 'table <c> const { 1.1.1.1 }\\nblock from <c>\\n' | pfctl -q -a y -f -", stderr: pfctlBanner},
		{run: "pfctl -q -a y -t c -T replace -f /tmp/bad", stderr: pfctlBanner + "pfctl: Operation not permitted.\n", exit: 255},
		{run: "pfctl -q -a y -t c -T add 2.2.2.2", stderr: "pfctl: Operation not permitted.\n", exit: 255},
		{run: "pfctl -q -a y -t c -T show", stdout: "   1.1.1.1\n"},
		{run: "pfctl -a x -F Tables", stderr: altq + "1 tables deleted.\n"},
		{run: "pfctl -q -a x -s Tables"},
		{run: "printf 'nat on en0 from any to any -> (en0)\\npass\\n' | pfctl -q -a y -f -", stderr: pfctlBanner},
		{run: "pfctl -a y -F nat; pfctl -q -a y -sn; pfctl -q -a y -sr", stdout: "pass all flags S/SA keep state\n", stderr: altq + "nat cleared\n"},
		{run: "pfctl -a y -F rules; pfctl -q -a y -sr", stderr: altq + "rules cleared\n"},
		{run: "pfctl -a y -F all", stderr: altq + "rules cleared\nnat cleared\ndummynet cleared\n0 tables deleted.\n"},
	})
}

func TestPFInterfaces(t *testing.T) {
	m, err := New(Mac{Interfaces: []Interface{{Name: "lo0"}, {Name: "en0"}, {Name: "utun3"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	runSteps(t, m, []pfctlStep{
		{run: "printf 'set skip on { lo0 utun9 }\\n' | pfctl -q -f -", stderr: pfctlBanner},
		{run: "pfctl -q -s Interfaces", stdout: "all\nen0\nlo0\nutun3\nutun9\n"},
		{run: "pfctl -q -vsI", stdout: "all\nen0\nlo0 (skip)\nutun3\nutun9 (skip)\n"},
	})
}

// TestPFPipe lets one pfctl read what another writes, though both need pf.
func TestPFPipe(t *testing.T) {
	m := pfMac(t)
	runSteps(t, m, []pfctlStep{
		{run: "pfctl -q -sn | pfctl -q -a copy -f -", stderr: pfctlBanner},
		{run: "pfctl -q -a copy -sn", stdout: "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n"},
		{run: "echo 'x = 1' | pfctl -q -nvf - 2>&1", stdout: pfctlBanner + "x = \"1\"\n"},
	})
}

type pfGolden struct {
	Name, Rules    string
	Stdout, Stderr []string // Of pfctl -o none -nvf.
	Exit           int
	SR, SN         []string // Of pfctl -sr and -sn after a load into an anchor.
}

// TestPFGolden asks the cases that package pf is tested with through a shell: a Mac like any other is the host that answered
// them.
func TestPFGolden(t *testing.T) {
	m, err := New(Mac{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	lines := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return strings.Join(list, "\n") + "\n"
	}
	for _, file := range []string{
		"golden-open.json", "golden-files-open.json", "golden-readback-open.json", "golden-readback-files-open.json",
	} {
		data, err := os.ReadFile("../pf/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []pfGolden
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if err := m.files.Write("/etc/rules.pf", c.Rules); err != nil {
				t.Fatal(err)
			}
			step := pfctlStep{
				run: "cd /etc; pfctl -o none -nvf rules.pf", exit: c.Exit,
				stdout: lines(c.Stdout), stderr: pfctlBanner + lines(c.Stderr),
			}
			if strings.Contains(file, "readback") {
				step = pfctlStep{
					run:    "cd /etc; pfctl -q -o none -a t -f rules.pf; pfctl -q -a t -sr; pfctl -q -a t -sn",
					stdout: lines(c.SR) + lines(c.SN), stderr: pfctlBanner,
				}
			}
			if runSteps(t, m, []pfctlStep{step}); t.Failed() {
				t.Fatalf("%s", c.Name)
			}
		}
	}
}

func TestPFUsage(t *testing.T) {
	m := pfMac(t)
	runSteps(t, m, []pfctlStep{
		{run: "pfctl", stderr: pfctlUsage, exit: 1},
		{run: "pfctl -s anchors", stderr: "pfctl: Unknown show modifier 'anchors'\n" + pfctlUsage, exit: 1},
		{run: "pfctl -F anchors", stderr: "pfctl: Unknown flush modifier 'anchors'\n" + pfctlUsage, exit: 1},
		{run: "pfctl -Y", stderr: "pfctl: illegal option -- Y\n" + pfctlUsage, exit: 1},
		{run: "pfctl -q what", stderr: "pfctl: unknown command line argument: what ...\n" + pfctlUsage, exit: 1},
		{run: "su_() { sudo -n -u admin \"$@\"; }; su_ /sbin/pfctl -sr", stderr: "pfctl: /dev/pf: Permission denied\n", exit: 1},
		{run: "sudo -n -u admin sh -c \"echo 'pass' | pfctl -n -f -\"", stderr: pfctlBanner},
	})
}
